#include "ts/chunk_repair.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "ts/internal/chunk_builder.hpp"
#include "ts/pes.hpp"
#include "ts/program.hpp"

namespace ec::ts {
namespace {

constexpr uint8_t no_counter = 0xff;

/// Packets that lie in several parts.
class packet_run {
public:
  explicit packet_run(std::span<const std::span<const uint8_t>> parts) : parts_(parts) {}

  /// The next packet; null at the end.
  const uint8_t* next() {
    while (part_ < parts_.size() && at_ + packet_bytes > parts_[part_].size()) {
      ++part_;
      at_ = 0;
    }
    if (part_ == parts_.size()) return nullptr;
    const auto* p = parts_[part_].data() + at_;
    at_ += packet_bytes;
    return p;
  }
  /// The next one that is carried: the others were written by who cut the chunk.
  const uint8_t* next_carried() {
    const auto* p = next();
    while (p != nullptr && !packet_view(p).has_payload()) p = next();
    return p;
  }

private:
  std::span<const std::span<const uint8_t>> parts_;
  size_t part_ = 0;
  size_t at_ = 0;
};

/// The canonical tables that an offer opens with, and what they say.
struct program_of_chunk {
  internal::layout layout;
  std::array<bool, pid_count> carried{};
};

/// Nothing if the front of `in` is not the canonical PAT and PMT of one program.
std::optional<program_of_chunk> read_tables(std::span<const uint8_t> in) {
  program_reader reader({});
  for (size_t at = 0; at < in.size() && !reader.facts().selected; at += packet_bytes) {
    const packet_view p(in.data() + at);
    if (p.data()[0] != sync_byte || p.transport_error() || p.scrambling() != 0 || !reader.wants(p.pid())) return std::nullopt;
    reader.push(p);
  }
  const auto& facts = reader.facts();
  if (!facts.selected || facts.streams.empty()) return std::nullopt;
  program_of_chunk out{internal::make_layout(facts), {}};
  const auto& tables = out.layout.tables;
  if (tables.size() > in.size() || std::memcmp(tables.data(), in.data(), tables.size()) != 0) return std::nullopt;
  for (const auto& s : facts.streams) out.carried[s.pid] = true;
  return out;
}

/// The PES header that begins in a packet, if it lies whole in it.
std::optional<pes_header> header_in(packet_view p) {
  pes_header head;
  const auto from = p.payload_offset();
  if (!p.payload_unit_start() || parse_pes_header({p.data() + from, packet_bytes - from}, head) != pes_parse::ok) return std::nullopt;
  return head;
}

/// True if the offer is the chunk that a cutter makes of its carried packets: tables, counters without a gap, PCRs where they belong.
bool canonical(const offered_chunk& offered, const program_of_chunk& program) {
  const auto& layout = program.layout;
  const auto carried = offered.data.subspan(layout.tables.size());
  std::array<uint8_t, pid_count> counters;
  counters.fill(no_counter);
  internal::chunk_builder built;
  built.begin(layout);
  uint64_t position = 0;
  for (size_t at = 0; at < carried.size(); at += packet_bytes) {
    const packet_view p(carried.data() + at);
    if (p.data()[0] != sync_byte || p.transport_error() || p.scrambling() != 0 || !program.carried[p.pid()]) return false;
    if (!p.has_payload()) continue; // a written PCR, or it will not be there
    auto& counter = counters[p.pid()];
    if (counter != no_counter && p.continuity_counter() != ((counter + 1) & 15)) return false;
    counter = p.continuity_counter();
    std::optional<uint64_t> decode_time;
    if (p.pid() == layout.reference_pid)
      if (const auto head = header_in(p)) decode_time = head->decode_time();
    if (position == 0) {
      const auto head = header_in(p);
      if (p.pid() != layout.reference_pid || !p.payload_unit_start() || (head && head->pts != offered.first_pts)) return false;
    }
    built.append(layout, p, position++, decode_time);
  }
  if (position == 0 || built.bytes() != offered.data.size()) return false;
  built.close(position);
  size_t at = 0;
  for (const auto& piece : built.pieces()) {
    if (std::memcmp(piece.data(), offered.data.data() + at, piece.size()) != 0) return false;
    at += piece.size();
  }
  return true;
}

bool same_packet(const uint8_t* a, const uint8_t* b) {
  return std::memcmp(a, b, packet_bytes) == 0;
}

/// True if `packet` or any that was received behind it stands in the rest of the offer.
bool any_in(packet_run offered, packet_run received, const uint8_t* packet) {
  // A few are enough: behind a boundary none of them does, before it nearly all do.
  constexpr int looked_at = 8;
  for (int i = 0; packet != nullptr && i < looked_at; ++i, packet = received.next_carried()) {
    auto rest = offered;
    for (const auto* p = rest.next_carried(); p != nullptr; p = rest.next_carried())
      if (same_packet(p, packet)) return true;
  }
  return false;
}

} // namespace

bool repairable(damage why) {
  switch (why) {
  case damage::continuity:
  case damage::transport_error:
  case damage::resync:
  case damage::stream_check:
  case damage::uncertain_boundary:
  case damage::neighbour_loss: return true;
  default: return false;
  }
}

repair_verdict judge_repair(const received_chunk& received, const offered_chunk& offered, unsigned share_percent_max) {
  repair_verdict out;
  const auto refuse = [&](repair_refusal why) {
    out.why = why;
    return out;
  };
  std::vector<std::span<const uint8_t>> mine;
  size_t size = 0;
  for (const auto& p : received.pieces) {
    mine.push_back(p.span());
    size += p.size();
  }
  if (!repairable(received.why) || size == 0) return refuse(repair_refusal::cause);
  if (offered.index != received.index || offered.first_pts != received.first_pts || received.duration_pts <= 0 ||
      offered.duration_pts != static_cast<uint64_t>(received.duration_pts))
    return refuse(repair_refusal::boundary);
  if (offered.data.empty() || offered.data.size() % packet_bytes != 0) return refuse(repair_refusal::malformed);
  const auto program = read_tables(offered.data);
  if (!program) return refuse(repair_refusal::malformed);

  packet_run got(mine);
  const size_t tables = program->layout.tables.size();
  for (size_t at = 0; at < tables; at += packet_bytes) {
    const auto* p = got.next();
    if (p == nullptr || !same_packet(p, offered.data.data() + at)) return refuse(repair_refusal::tables_differ);
  }
  if (!canonical(offered, *program)) return refuse(repair_refusal::malformed);

  // The first place in order is as good as any: what follows has the most left to stand in.
  const std::array<std::span<const uint8_t>, 1> whole{offered.data.subspan(tables)};
  packet_run theirs(whole);
  auto behind = theirs; // the packet that matched last
  const auto* wanted = got.next_carried();
  for (const auto* p = theirs.next_carried(); p != nullptr; p = theirs.next_carried()) {
    ++out.packets;
    if (wanted == nullptr || !same_packet(wanted, p)) continue;
    ++out.matched;
    behind = theirs;
    wanted = got.next_carried();
  }
  if (wanted != nullptr) return refuse(any_in(behind, got, wanted) ? repair_refusal::packet_differs : repair_refusal::boundary);
  out.on_trust = out.packets - out.matched;
  if (uint64_t{out.on_trust} * 100 > uint64_t{share_percent_max} * out.packets) return refuse(repair_refusal::share);
  return out;
}

std::string_view name(repair_refusal why) {
  switch (why) {
  case repair_refusal::none: return "none";
  case repair_refusal::cause: return "cause";
  case repair_refusal::malformed: return "malformed";
  case repair_refusal::tables_differ: return "tables_differ";
  case repair_refusal::boundary: return "boundary";
  case repair_refusal::packet_differs: return "packet_differs";
  case repair_refusal::share: return "share";
  }
  return "none";
}

} // namespace ec::ts
