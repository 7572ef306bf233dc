#include "ts/internal/chunk_builder.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "ts/section.hpp"
#include "ts/time.hpp"

namespace ec::ts::internal {
namespace {

/// A PCR is written where decoding time has moved this far since the last one: 100 ms [13818-1 2.7.2].
constexpr int64_t pcr_interval = pts_hz / 10;
/// A written PCR runs this far before the decoding time at its place.
constexpr uint64_t pcr_lead = pts_hz;

void add_section(std::vector<uint8_t>& out, uint16_t pid, std::vector<uint8_t> section) {
  const size_t length = section.size() + 4 - 3;
  section[1] = static_cast<uint8_t>(0xb0 | length >> 8);
  section[2] = static_cast<uint8_t>(length);
  append_crc(section);
  uint8_t counter = 0;
  for (size_t at = 0; at < section.size();) {
    const bool first = at == 0;
    const size_t packet = out.size();
    out.resize(packet + packet_bytes, 0xff);
    uint8_t* p = out.data() + packet;
    p[0] = sync_byte;
    p[1] = static_cast<uint8_t>((first ? 0x40 : 0) | pid >> 8);
    p[2] = static_cast<uint8_t>(pid);
    p[3] = static_cast<uint8_t>(0x10 | (counter++ & 0x0f));
    size_t head = 4;
    if (first) p[head++] = 0; // pointer_field
    const size_t n = std::min(section.size() - at, packet_bytes - head);
    std::memcpy(p + head, section.data() + at, n);
    at += n;
  }
}

} // namespace

layout make_layout(const program_facts& program) {
  layout out;
  const auto carries = [&](uint16_t pid) {
    return std::any_of(program.streams.begin(), program.streams.end(), [&](const auto& s) { return s.pid == pid; });
  };
  const auto video = std::find_if(program.streams.begin(), program.streams.end(), [](const auto& s) { return is_video(s.kind); });
  if (video != program.streams.end()) out.reference_pid = video->pid;
  else if (!program.streams.empty()) out.reference_pid = program.streams.front().pid;
  out.pcr_pid = carries(program.pcr_pid) ? program.pcr_pid : out.reference_pid;
  uint16_t pmt_pid = 0x1ff0;
  while (carries(pmt_pid)) --pmt_pid;

  const auto u16 = [](std::vector<uint8_t>& to, unsigned v) {
    to.push_back(static_cast<uint8_t>(v >> 8));
    to.push_back(static_cast<uint8_t>(v));
  };
  // transport_stream_id 1, version 0, one program; no network PID.
  std::vector<uint8_t> pat{0x00, 0, 0, 0x00, 0x01, 0xc1, 0x00, 0x00};
  u16(pat, program.program_number);
  u16(pat, 0xe000u | pmt_pid);
  add_section(out.tables, 0, std::move(pat));

  std::vector<uint8_t> pmt{0x02, 0, 0};
  u16(pmt, program.program_number);
  pmt.insert(pmt.end(), {0xc1, 0x00, 0x00});
  u16(pmt, 0xe000u | out.pcr_pid);
  u16(pmt, 0xf000u);
  for (const auto& s : program.streams) {
    std::vector<uint8_t> info;
    for (const auto& d : s.descriptors) {
      info.push_back(d.tag);
      info.push_back(static_cast<uint8_t>(d.data.size()));
      info.insert(info.end(), d.data.begin(), d.data.end());
    }
    // A section has 1,021 bytes behind its length. Descriptors that do not fit are left out, whole streams never: 32 of
    // them take 160 bytes.
    if (pmt.size() + info.size() + 5 * base::limits::ts_program_pids_max > 1000) info.clear();
    pmt.push_back(s.type);
    u16(pmt, 0xe000u | s.pid);
    u16(pmt, 0xf000u | static_cast<unsigned>(info.size()));
    pmt.insert(pmt.end(), info.begin(), info.end());
  }
  add_section(out.tables, pmt_pid, std::move(pmt));
  return out;
}

void chunk_builder::begin(const layout& l) {
  for (size_t at = 0; at < l.tables.size(); at += packet_bytes) put(l.tables.data() + at, start);
}

void chunk_builder::put(const uint8_t* packet, uint64_t position_after) {
  if (!open_) open_ = std::make_shared_for_overwrite<uint8_t[]>(base::limits::piece_bytes);
  std::memcpy(open_.get() + filled_, packet, packet_bytes);
  filled_ += packet_bytes;
  ++packets_;
  if (filled_ < base::limits::piece_bytes) return;
  const std::span<const uint8_t> whole(open_.get(), filled_);
  pieces_.push_back(base::bytes::share(std::move(open_), whole));
  ends_.push_back(position_after);
  filled_ = 0;
}

bool chunk_builder::append(const layout& l, packet_view packet, uint64_t position, std::optional<uint64_t> decode_time) {
  const bool on_pcr_pid = packet.pid() == l.pcr_pid;
  const auto pcr = on_pcr_pid ? packet.pcr() : std::nullopt;
  bool wrote = false;
  if (decode_time) {
    time_ = decode_time;
    const bool due = !last_pcr_ || (last_pcr_time_ && pts_step(*last_pcr_time_, *decode_time) >= pcr_interval);
    if (due && !pcr) {
      uint64_t value = ((*decode_time - pcr_lead) & (pts_wrap - 1)) * 300;
      if (last_pcr_ && pcr_step(*last_pcr_, value) <= 0) value = (*last_pcr_ + pcr_hz / 1000) % pcr_wrap;
      std::array<uint8_t, packet_bytes> p;
      p.fill(0xff);
      const uint64_t base = value / 300, extension = value % 300;
      // Without payload the counter does not move: it repeats that of the packet before, on its PID.
      const uint8_t counter = pcr_counter_ ? *pcr_counter_ : on_pcr_pid ? (packet.continuity_counter() + 15) & 0x0f : 0;
      p[0] = sync_byte;
      p[1] = static_cast<uint8_t>(l.pcr_pid >> 8);
      p[2] = static_cast<uint8_t>(l.pcr_pid);
      p[3] = static_cast<uint8_t>(0x20 | counter);
      p[4] = 183;
      p[5] = 0x10;
      p[6] = static_cast<uint8_t>(base >> 25);
      p[7] = static_cast<uint8_t>(base >> 17);
      p[8] = static_cast<uint8_t>(base >> 9);
      p[9] = static_cast<uint8_t>(base >> 1);
      p[10] = static_cast<uint8_t>((base & 1) << 7 | 0x7e | extension >> 8);
      p[11] = static_cast<uint8_t>(extension);
      written_.push_back(packets_);
      put(p.data(), position);
      last_pcr_ = value;
      last_pcr_time_ = decode_time;
      wrote = true;
    }
  }
  if (pcr) {
    last_pcr_ = pcr;
    last_pcr_time_ = time_;
  }
  if (on_pcr_pid) pcr_counter_ = packet.continuity_counter();
  put(packet.data(), position + 1);
  return wrote;
}

void chunk_builder::close(uint64_t position) {
  end = position;
  if (filled_ == 0) return;
  pieces_.push_back(base::bytes::copy(std::span(open_.get(), filled_))); // no longer than it has to be
  ends_.push_back(position);
  open_.reset();
  filled_ = 0;
}

std::vector<uint8_t> chunk_builder::cut_tail(size_t from) {
  std::vector<uint8_t> tail;
  const size_t keep_pieces = from / base::limits::piece_packets;
  const auto take = [&](std::span<const uint8_t> part, size_t number) {
    for (size_t at = 0; at < part.size(); at += packet_bytes, ++number)
      if (number >= from && !std::binary_search(written_.begin(), written_.end(), number))
        tail.insert(tail.end(), part.begin() + static_cast<ptrdiff_t>(at), part.begin() + static_cast<ptrdiff_t>(at + packet_bytes));
  };
  for (size_t place = keep_pieces; place < pieces_.size(); ++place) take(pieces_[place], place * base::limits::piece_packets);
  take({open_.get(), filled_}, pieces_.size() * base::limits::piece_packets);
  filled_ = (from - keep_pieces * base::limits::piece_packets) * packet_bytes;
  if (keep_pieces < pieces_.size()) {
    if (!open_) open_ = std::make_shared_for_overwrite<uint8_t[]>(base::limits::piece_bytes);
    std::memcpy(open_.get(), pieces_[keep_pieces].data(), filled_);
    pieces_.resize(keep_pieces);
    ends_.resize(keep_pieces);
  }
  packets_ = from;
  std::erase_if(written_, [&](size_t w) { return w >= from; });
  return tail;
}

void chunk_builder::clear() {
  pieces_.clear();
  ends_.clear();
  filled_ = 0;
  written_.clear();
  packets_ = 0;
  last_pcr_.reset();
  last_pcr_time_.reset();
  time_.reset();
  pcr_counter_.reset();
}

} // namespace ec::ts::internal
