#include "tuner/loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tuner/internal/capture.hpp"
#include "tuner/internal/packet.hpp"

namespace ec::tuner {

using namespace internal;
using base::errc;
using base::fail;

namespace {

constexpr int64_t burst_ticks = 270'000; ///< 10 ms
constexpr size_t burst_packets_max = 1024;

/// What a PID's counter was, in the capture and in the loop.
struct counter_state {
  bool any = false;
  uint64_t last_index = 0;
  uint8_t in = 0;
  uint8_t out = 0;
};

} // namespace

struct loop::state {
  grid packets;
  loop_plan plan;
  uint64_t round = 0;
  uint64_t at = 0;
  std::array<counter_state, 0x2000> counters{};
  std::unordered_map<uint16_t, size_t> tail_sent; ///< of the round before, by PID
  struct edit {
    size_t section;
    uint8_t at;
    uint8_t size;
    uint16_t from; ///< in the section
  };
  std::unordered_map<uint64_t, std::vector<edit>> edits; ///< by packet
  std::vector<uint8_t> out;

  explicit state(grid g, loop_plan p) : packets(std::move(g)), plan(std::move(p)), at(plan.begin) {
    for (size_t s = 0; s < plan.times.size(); ++s) {
      uint16_t from = 0;
      for (const auto& piece : plan.times[s].pieces) {
        edits[piece.packet].push_back({s, piece.at, piece.size, from});
        from = static_cast<uint16_t>(from + piece.size);
      }
    }
  }

  void emit_null() {
    std::array<uint8_t, packet_bytes> p{};
    p.fill(0xff);
    p[0] = 0x47;
    p[1] = 0x1f;
    p[3] = 0x10;
    out.insert(out.end(), p.begin(), p.end());
  }

  /// Writes packet `index` of the capture as part of round `k`. `clock` is where it stands on the capture's clock.
  void emit(uint64_t index, uint64_t k) {
    const auto in = packets.packet(index);
    const size_t start = out.size();
    out.insert(out.end(), in.begin(), in.end());
    uint8_t* p = out.data() + start;
    const auto pid = pid_of(in);
    if (pid == null_pid) return;

    auto& c = counters[pid];
    const uint8_t counted = counter_of(in);
    if (!c.any) c.out = counted;
    else if (index <= c.last_index) c.out = static_cast<uint8_t>((c.out + (has_payload(in) ? 1 : 0)) & 15); // its next round
    else c.out = static_cast<uint8_t>((c.out + counted - c.in) & 15); // losses and repeats inside stay what they are
    c.any = true;
    c.in = counted;
    c.last_index = index;
    p[3] = static_cast<uint8_t>((p[3] & 0xf0) | c.out);
    if (transport_error(in)) return; // nothing else in it can be believed

    if (const auto found = edits.find(index); found != edits.end()) {
      const auto seconds = static_cast<int64_t>(k) * plan.facts.round_pts / 90000;
      for (const auto& e : found->second)
        if (const auto moved = advance_time(plan.times[e.section].bytes, seconds))
          std::copy_n(moved->begin() + e.from, e.size, p + e.at);
    }
    const uint64_t pts_offset = k * static_cast<uint64_t>(plan.facts.round_pts);
    const auto move_pcr = [&](size_t place) {
      if (place == 0) return;
      const int64_t here = plan.clock_at(index);
      const int64_t moved = static_cast<int64_t>(read_pcr(p + place)) + plan.mapped(here) - here + plan.pcr_shift + static_cast<int64_t>(pts_offset * 300 % pcr_wrap);
      const auto wrap = static_cast<int64_t>(pcr_wrap);
      write_pcr(p + place, static_cast<uint64_t>((moved % wrap + wrap) % wrap));
    };
    move_pcr(pcr_at(in));
    move_pcr(opcr_at(in));
    const auto stamps = find_stamps(in);
    for (const size_t place : {stamps.pts_at, stamps.dts_at})
      if (place != 0) write_pts(p + place, (read_pts(p + place) + pts_offset) % pts_wrap);
  }

  void emit_tail(uint16_t pid, const pid_cut& cut, size_t count) {
    if (round == 0) return;
    auto& sent = tail_sent[pid];
    for (; count > 0 && sent < cut.tail.size(); --count, ++sent) emit(cut.tail[sent], round - 1);
  }

  void step() {
    if (at == plan.begin)
      for (const auto index : plan.preamble) emit(index, round);
    const auto in = packets.packet(at);
    const auto pid = pid_of(in);
    const auto found = plan.cuts.find(pid);
    if (found == plan.cuts.end()) {
      // Null packets, and PIDs without payload, which have no units to cut. Others never began: they are left out.
      if (pid == null_pid || !has_payload(in)) emit(at, round);
      else emit_null();
    } else {
      const auto& cut = found->second;
      if (at < cut.from) {
        const size_t before = out.size();
        emit_tail(pid, cut, 1); // the place that the end of the round before had no room for
        if (out.size() == before) emit_null();
      } else {
        if (at == cut.from) emit_tail(pid, cut, cut.tail.size());
        if (at < cut.to) emit(at, round);
        else emit_null();
      }
    }
    if (++at == plan.end) {
      at = plan.begin;
      ++round;
      tail_sent.clear();
    }
  }

  /// 27 MHz ticks of the loop from its first packet to the one that comes next.
  int64_t now() const {
    return plan.mapped(plan.clock_at(at)) - plan.begin_pcr + static_cast<int64_t>(round) * plan.facts.round_pts * 300;
  }
};

loop::loop(std::unique_ptr<state> s) : state_(std::move(s)) {}
loop::loop(loop&&) noexcept = default;
loop& loop::operator=(loop&&) noexcept = default;
loop::~loop() = default;

base::result<loop> loop::open(base::bytes capture) {
  EC_TRY(auto packets, grid::find(std::move(capture)));
  EC_TRY(auto plan, plan_loop(packets));
  return loop(std::make_unique<state>(std::move(packets), std::move(plan)));
}

base::result<loop> loop::open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno == ENOENT ? errc::not_found : errc::io, std::strerror(errno), path);
  struct stat facts {};
  void* at = MAP_FAILED;
  size_t size = 0;
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0) {
    size = static_cast<size_t>(facts.st_size);
    at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  close(fd);
  if (at == MAP_FAILED) return fail(errc::io, "not a file that can be mapped, or an empty one", path);
  const std::shared_ptr<const void> owner(at, [size](const void* p) { munmap(const_cast<void*>(p), size); });
  auto opened = open(base::bytes::share(owner, {static_cast<const uint8_t*>(at), size}));
  if (!opened) return fail(opened.error().code, opened.error().text, path);
  return opened;
}

const loop_facts& loop::facts() const {
  return state_->plan.facts;
}

broadcast_burst loop::next() {
  auto& s = *state_;
  s.out.clear();
  const int64_t begin = s.now();
  size_t packets = 0;
  do {
    s.step();
    ++packets;
  } while (packets < burst_packets_max && s.now() - begin < burst_ticks);
  const auto ticks = s.now();
  // 27 MHz to nanoseconds in two parts, which stay far from overflow.
  const auto until = std::chrono::seconds(ticks / 27'000'000) + std::chrono::nanoseconds(ticks % 27'000'000 * 1000 / 27);
  return {base::bytes::copy(s.out), until};
}

broadcast loop::as_broadcast(loop&& l) {
  const auto shared = std::make_shared<loop>(std::move(l));
  return [shared]() -> base::result<broadcast_burst> { return shared->next(); };
}

} // namespace ec::tuner
