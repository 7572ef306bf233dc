#include "tuner/faulted_broadcast.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tuner/internal/packet.hpp"
#include "tuner/internal/sections.hpp"

namespace ec::tuner {

using namespace internal;
using std::chrono::nanoseconds;

namespace {

/// The clock is looked for in so many bursts at most; a broadcast without one cannot come round.
constexpr size_t bursts_ahead_max = 64;
/// So many packets wait for the rest of a table at most; then it goes as it is.
constexpr size_t packets_held_max = 2048;
/// At the end of a fade one packet in so many is lost or damaged.
constexpr double faded_share = 1.0 / 12;

constexpr uint16_t psip_pid = 0x1ffb, tdt_pid = 0x14;
constexpr uint16_t first_free_pid = 0x20, past_free_pid = 0x1ff0;

/// A section's list of streams: PIDs at `each`, entries as long as their descriptors say.
template <class Call>
void for_each_stream(std::span<uint8_t> pmt, Call&& call) {
  if (pmt.size() < 16) return;
  size_t at = 12u + ((pmt[10] & 0x0fu) << 8 | pmt[11]);
  while (at + 5 <= pmt.size() - 4) {
    call(pmt.subspan(at + 1, 2));
    at += 5u + ((pmt[at + 3] & 0x0fu) << 8 | pmt[at + 4]);
  }
}

uint16_t read_pid(std::span<const uint8_t> at) {
  return static_cast<uint16_t>((at[0] & 0x1f) << 8 | at[1]);
}
void write_pid(uint8_t* at, uint16_t pid) {
  at[0] = static_cast<uint8_t>((at[0] & 0xe0) | pid >> 8);
  at[1] = static_cast<uint8_t>(pid);
}

} // namespace

struct faulted_broadcast::state {
  broadcast from;
  fault_plan plan;
  std::mt19937_64 rng;
  std::deque<broadcast_burst> ahead; ///< read while the clock was looked for
  bool clock_known = false;
  nanoseconds until{0};              ///< of the last burst
  uint64_t wrap_shift = 0;           ///< 90 kHz, added to all stamps

  std::vector<uint8_t> held;
  uint64_t held_from = 0;            ///< number of the packet that `held` begins with
  std::deque<nanoseconds> arrived;   ///< when each of them was on the air
  bool garbage_under_way = false;
  std::map<uint16_t, section_finder> finders{{uint16_t{0}, {}}, {psip_pid, {}}, {tdt_pid, {}}};
  std::set<uint16_t> pmt_pids;
  std::set<uint16_t> taken;          ///< PIDs that are in use
  std::set<uint16_t> stream_pids;    ///< by the PMTs, the PIDs of their clocks among them
  std::map<uint16_t, uint16_t> moved; ///< where a PID goes at each move

  state(broadcast b, fault_plan p, uint64_t seed) : from(std::move(b)), plan(std::move(p)), rng(seed) {}

  base::result<broadcast_burst> read() {
    if (ahead.empty()) return from();
    auto out = std::move(ahead.front());
    ahead.pop_front();
    return out;
  }

  /// Reads ahead to the first PCR, which says how far the clock is from coming round.
  base::result<void> find_clock() {
    clock_known = true;
    const auto wrap = std::ranges::find(plan.faults(), played_fault::pts_wrap, &planned_fault::kind);
    if (wrap == plan.faults().end()) return base::ok();
    nanoseconds before{0};
    while (ahead.size() < bursts_ahead_max) {
      EC_TRY(auto burst, from());
      const auto bytes = burst.packets.span();
      const auto now = burst.until;
      ahead.push_back(burst);
      const size_t count = bytes.size() / packet_bytes;
      for (size_t i = 0; i < count; ++i) {
        const auto pcr = pcr_of(bytes.subspan(i * packet_bytes, packet_bytes));
        if (!pcr) continue;
        const auto left = nanoseconds(wrap->at) - (before + (now - before) * static_cast<int64_t>(i) / static_cast<int64_t>(count));
        const auto ticks = static_cast<int64_t>(left / std::chrono::microseconds(100)) * 9; // of 90 kHz
        const auto modulus = static_cast<int64_t>(pts_wrap);
        wrap_shift = static_cast<uint64_t>(((-ticks - static_cast<int64_t>(*pcr / 300)) % modulus + modulus) % modulus);
        return base::ok();
      }
      before = now;
    }
    return base::ok();
  }

  /// How far the stamps are off at a moment, 90 kHz below 2^33.
  uint64_t shift_at(nanoseconds at) const {
    const auto back = static_cast<uint64_t>(plan.amount(played_fault::encoder_restart, at).count()) * 90;
    return (wrap_shift + pts_wrap - back % pts_wrap) % pts_wrap;
  }

  void shift(uint8_t* p, uint64_t by) {
    const std::span<const uint8_t> in{p, packet_bytes};
    for (const size_t place : {pcr_at(in), opcr_at(in)})
      if (place != 0) write_pcr(p + place, (read_pcr(p + place) + by * 300) % pcr_wrap);
    const auto stamps = find_stamps(in);
    for (const size_t place : {stamps.pts_at, stamps.dts_at})
      if (place != 0) write_pts(p + place, (read_pts(p + place) + by) % pts_wrap);
  }

  /// Where a PID stands after `moves` moves: each goes to the next that nobody uses.
  uint16_t moved_pid(uint16_t pid, uint64_t moves) {
    for (; moves > 0; --moves) {
      const auto [to, fresh] = moved.try_emplace(pid, pid);
      if (fresh) {
        do to->second = to->second + 1 < past_free_pid ? static_cast<uint16_t>(to->second + 1) : first_free_pid;
        while (taken.contains(to->second) && to->second != pid);
        taken.insert(to->second);
      }
      pid = to->second;
    }
    return pid;
  }

  void on_section(uint16_t pid, const found_section& found, nanoseconds at) {
    const auto& s = found.bytes;
    if (s.size() < 8) return;
    if (pid == 0 && s[0] == 0x00 && section_crc(s) == 0) {
      for (size_t i = 8; i + 4 <= s.size() - 4; i += 4) {
        const uint16_t pmt = read_pid({s.data() + i + 2, 2});
        taken.insert(pmt);
        if ((s[i] | s[i + 1]) != 0 && pmt_pids.insert(pmt).second) finders.try_emplace(pmt);
      }
    } else if (pmt_pids.contains(pid) && s[0] == 0x02 && section_crc(s) == 0) {
      edit_pmt(found, at);
    } else if (const auto wrong = plan.amount(played_fault::stt_wrong, at); wrong.count() > 0 && (pid == psip_pid || pid == tdt_pid)) {
      if (const auto later = advance_time(s, wrong.count() / 1000)) write_back(found, *later);
    }
  }

  void edit_pmt(const found_section& found, nanoseconds at) {
    auto s = found.bytes;
    const auto note = [&](uint16_t pid) {
      taken.insert(pid);
      if (pid != null_pid) stream_pids.insert(pid);
    };
    note(read_pid({s.data() + 8, 2}));
    for_each_stream(s, [&](std::span<uint8_t> p) { note(read_pid(p)); });
    const auto moves = plan.begun(played_fault::pids, at);
    const auto versions = plan.begun(played_fault::pmt_version, at) + moves;
    if (versions == 0) return;
    s[5] = static_cast<uint8_t>((s[5] & 0xc1) | (((s[5] >> 1) + versions) & 0x1f) << 1);
    const auto move = [&](uint8_t* p, uint16_t pid) {
      if (pid != null_pid) write_pid(p, moved_pid(pid, moves));
    };
    move(s.data() + 8, read_pid({s.data() + 8, 2}));
    for_each_stream(s, [&](std::span<uint8_t> p) { move(p.data(), read_pid(p)); });
    const uint32_t crc = section_crc(std::span<const uint8_t>(s).first(s.size() - 4));
    for (size_t i = 0; i < 4; ++i) s[s.size() - 4 + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    write_back(found, s);
  }

  void write_back(const found_section& found, std::span<const uint8_t> bytes) {
    if (found.pieces.front().packet < held_from) return; // it began too long ago
    size_t from_byte = 0;
    for (const auto& piece : found.pieces) {
      std::copy_n(bytes.data() + from_byte, piece.size, held.data() + (piece.packet - held_from) * packet_bytes + piece.at);
      from_byte += piece.size;
    }
  }

  void take(std::span<const uint8_t> packet, nanoseconds at) {
    const uint64_t number = held_from + held.size() / packet_bytes;
    held.insert(held.end(), packet.begin(), packet.end());
    uint8_t* p = held.data() + held.size() - packet_bytes;
    const uint16_t pid = pid_of(packet);
    if (p[0] != 0x47 || pid == null_pid || transport_error(packet)) return;
    taken.insert(pid);
    if (const auto by = shift_at(at); by != 0) shift(p, by);
    if (const auto finder = finders.find(pid); finder != finders.end()) {
      for (const auto& section : finder->second.push(number, packet)) on_section(pid, section, at);
      return;
    }
    if (const auto moves = plan.begun(played_fault::pids, at); moves > 0 && stream_pids.contains(pid)) write_pid(p + 1, moved_pid(pid, moves));
  }

  /// What the signal does to packets that leave: appended to `out`.
  void receive(std::span<const uint8_t> packet, nanoseconds at, std::vector<uint8_t>& out) {
    if (plan.under_way(played_fault::garbage, at)) {
      // The first one is longer than a packet, so that what follows is out of step.
      const size_t size = packet_bytes + (garbage_under_way ? 0 : 1 + rng() % (packet_bytes - 1));
      garbage_under_way = true;
      for (size_t i = 0; i < size; ++i) out.push_back(static_cast<uint8_t>(rng()));
      return;
    }
    garbage_under_way = false;
    const size_t from_byte = out.size();
    out.insert(out.end(), packet.begin(), packet.end());
    const auto share = plan.under_way(played_fault::fade, at);
    if (!share || static_cast<double>(rng() >> 11) * 0x1p-53 >= *share * faded_share) return;
    if (rng() % 2 == 0) {
      out.resize(from_byte);
      return;
    }
    out[from_byte + 1] |= 0x80; // the demodulator knows of it
    for (int i = 0; i < 8; ++i) out[from_byte + 4 + rng() % 184] = static_cast<uint8_t>(rng());
  }

  base::result<broadcast_burst> next() {
    if (!clock_known) {
      EC_TRYV(find_clock());
    }
    while (true) {
      EC_TRY(auto burst, read());
      const auto bytes = burst.packets.span();
      const size_t count = bytes.size() / packet_bytes;
      const auto begin = std::exchange(until, burst.until);
      const auto time_of = [&](size_t i) { return begin + (until - begin) * static_cast<int64_t>(i) / static_cast<int64_t>(count); };
      for (size_t i = 0; i < count; ++i) {
        arrived.push_back(time_of(i));
        take(bytes.subspan(i * packet_bytes, packet_bytes), time_of(i));
      }
      // A table that is not whole yet may still have to be changed.
      uint64_t ready = held_from + held.size() / packet_bytes;
      if (ready - held_from < packets_held_max)
        for (const auto& [pid, finder] : finders)
          if (const auto begun = finder.begun_in(); begun && *begun >= held_from) ready = std::min(ready, *begun);
      std::vector<uint8_t> out;
      const auto leaving = static_cast<size_t>(ready - held_from);
      for (size_t i = 0; i < leaving; ++i) receive({held.data() + i * packet_bytes, packet_bytes}, arrived[i], out);
      held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(leaving * packet_bytes));
      arrived.erase(arrived.begin(), arrived.begin() + static_cast<ptrdiff_t>(leaving));
      held_from = ready;
      if (!out.empty() || count == 0) return broadcast_burst{base::bytes::adopt(std::move(out)), until};
    }
  }
};

faulted_broadcast::faulted_broadcast(broadcast from, fault_plan plan, uint64_t seed)
    : state_(std::make_unique<state>(std::move(from), std::move(plan), seed)) {}
faulted_broadcast::faulted_broadcast(faulted_broadcast&&) noexcept = default;
faulted_broadcast& faulted_broadcast::operator=(faulted_broadcast&&) noexcept = default;
faulted_broadcast::~faulted_broadcast() = default;

base::result<broadcast_burst> faulted_broadcast::next() {
  return state_->next();
}

broadcast faulted_broadcast::as_broadcast(broadcast from, fault_plan plan, uint64_t seed) {
  const auto shared = std::make_shared<faulted_broadcast>(std::move(from), std::move(plan), seed);
  return [shared]() -> base::result<broadcast_burst> { return shared->next(); };
}

} // namespace ec::tuner
