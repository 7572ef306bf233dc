#include "tuner/internal/capture.hpp"

#include <algorithm>
#include <array>

#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr int64_t jump_pts = 10 * 90000;           ///< a larger step is a break of the time line
constexpr int64_t jump_pcr = 10 * 27'000'000;
constexpr int64_t sparse_pts = 45000;              ///< PES packets further apart are subtitles and the like, not sound
constexpr size_t head_bytes = 1024;                ///< of a video PES, searched for a random access point

struct stream {
  uint8_t type = 0;
  uint16_t pid = 0;
};

struct program {
  uint16_t number = 0;
  uint16_t pmt_pid = 0;
  uint16_t pcr_pid = null_pid;
  std::vector<stream> streams;
};

bool is_video(uint8_t type) { return type == 0x01 || type == 0x02 || type == 0x1b || type == 0x24; }
bool is_audio(uint8_t type) {
  return type == 0x03 || type == 0x04 || type == 0x06 || type == 0x0f || type == 0x11 || type == 0x81 || type == 0x87;
}

/// Sign-extends the difference, so that a count goes on over its wrap.
int64_t unwrap(uint64_t value, int64_t near, uint64_t wrap) {
  const auto w = static_cast<int64_t>(wrap);
  int64_t step = (static_cast<int64_t>(value) - near) % w;
  if (step < 0) step += w;
  return near + (step >= w / 2 ? step - w : step);
}

std::vector<program> read_programs(const grid& packets, std::array<uint32_t, 0x2000>& pcr_count) {
  std::map<uint16_t, section_finder> finders;
  finders[0];
  std::map<uint16_t, program> by_pmt;
  for (uint64_t i = 0; i < packets.count(); ++i) {
    const auto p = packets.packet(i);
    const auto pid = pid_of(p);
    if (pcr_of(p)) ++pcr_count[pid];
    const auto finder = finders.find(pid);
    if (finder == finders.end()) continue;
    for (const auto& s : finder->second.push(i, p)) {
      const auto& b = s.bytes;
      if (b.size() < 12 || section_crc(b) != 0) continue;
      if (pid == 0 && b[0] == 0x00) {
        for (size_t at = 8; at + 4 <= b.size() - 4; at += 4) {
          const auto number = static_cast<uint16_t>(b[at] << 8 | b[at + 1]);
          const auto pmt = static_cast<uint16_t>((b[at + 2] & 0x1f) << 8 | b[at + 3]);
          if (number == 0 || pmt == 0 || pmt == null_pid) continue;
          by_pmt.try_emplace(pmt, program{number, pmt, null_pid, {}});
          finders.try_emplace(pmt);
        }
      } else if (pid != 0 && b[0] == 0x02 && b.size() >= 16) {
        auto& prog = by_pmt[pid];
        if (!prog.streams.empty() || prog.number != (b[3] << 8 | b[4])) continue; // the first one counts
        prog.pcr_pid = static_cast<uint16_t>((b[8] & 0x1f) << 8 | b[9]);
        size_t at = 12 + ((b[10] & 0x0fu) << 8 | b[11]);
        while (at + 5 <= b.size() - 4) {
          prog.streams.push_back({b[at], static_cast<uint16_t>((b[at + 1] & 0x1f) << 8 | b[at + 2])});
          at += 5 + ((b[at + 3] & 0x0fu) << 8 | b[at + 4]);
        }
      }
    }
  }
  std::vector<program> out;
  for (auto& [pmt, prog] : by_pmt)
    if (!prog.streams.empty()) out.push_back(std::move(prog));
  return out;
}

/// True if the head of an access unit says that decoding may begin here.
bool begins_decoding(std::span<const uint8_t> head, uint8_t type) {
  for (size_t i = 0; i + 3 < head.size(); ++i) {
    if (head[i] != 0 || head[i + 1] != 0 || head[i + 2] != 1) continue;
    const uint8_t code = head[i + 3];
    if (type <= 0x02 && code == 0xb3) return true;
    if (type == 0x1b && (code & 0x80) == 0 && ((code & 0x1f) == 7 || (code & 0x1f) == 5)) return true;
    if (type == 0x24 && (code & 0x80) == 0) {
      const unsigned nal = code >> 1 & 0x3f;
      if ((nal >= 16 && nal <= 21) || nal == 32 || nal == 33) return true;
    }
  }
  return false;
}

/// Everything that a round is planned from.
struct reading {
  std::map<uint16_t, std::vector<unit_place>> units;
  std::vector<pcr_place> clock;
  std::vector<timed_section> times;
  std::vector<uint64_t> breaks; ///< packets at which the time line breaks
};

reading read_all(const grid& packets, uint16_t main_pid, uint8_t main_type, uint16_t pcr_pid) {
  reading out;
  section_finder psip, tdt;
  std::vector<uint8_t> head;
  bool heading = false;
  const auto judge_head = [&] {
    auto& list = out.units[main_pid];
    if (heading && !list.empty() && begins_decoding(head, main_type)) list.back().random_access = true;
    heading = false;
  };
  for (uint64_t i = 0; i < packets.count(); ++i) {
    const auto p = packets.packet(i);
    if (transport_error(p)) continue;
    const auto pid = pid_of(p);
    if (pid == null_pid) continue;
    if (pid == pcr_pid)
      if (const auto pcr = pcr_of(p)) {
        const int64_t near = out.clock.empty() ? static_cast<int64_t>(*pcr) : out.clock.back().pcr;
        int64_t value = unwrap(*pcr, near, pcr_wrap);
        if (value < near || value - near > jump_pcr) out.breaks.push_back(i);
        out.clock.push_back({i, value});
      }
    if (pid == 0x1ffb || pid == 0x14)
      for (auto& s : (pid == 0x14 ? tdt : psip).push(i, p))
        if (advance_time(s.bytes, 0)) out.times.push_back({std::move(s.bytes), std::move(s.pieces)});
    const size_t at = payload_at(p);
    if (at >= packet_bytes) continue;
    if (unit_start(p)) {
      if (pid == main_pid) judge_head();
      auto& list = out.units[pid];
      const auto stamps = find_stamps(p);
      unit_place u;
      u.packet = i;
      u.clean = stamps.begins_pes || p[at] == 0;
      if (stamps.pts_at != 0) {
        int64_t near = static_cast<int64_t>(read_pts(p.data() + stamps.pts_at));
        for (auto last = list.rbegin(); last != list.rend(); ++last)
          if (last->pts) {
            near = *last->pts;
            break;
          }
        u.pts = unwrap(read_pts(p.data() + stamps.pts_at), near, pts_wrap);
        u.dts = stamps.dts_at != 0 ? unwrap(read_pts(p.data() + stamps.dts_at), *u.pts, pts_wrap) : *u.pts;
      }
      if (pid == main_pid) {
        u.random_access = random_access_flag(p) || !is_video(main_type);
        head.clear();
        heading = true;
      }
      list.push_back(u);
    }
    if (pid == main_pid && heading) {
      head.insert(head.end(), p.begin() + static_cast<ptrdiff_t>(at), p.end());
      if (head.size() >= head_bytes) judge_head();
    }
  }
  judge_head();
  // Breaks of the main stream's own stamps.
  const unit_place* last = nullptr;
  for (const auto& u : out.units[main_pid]) {
    if (!u.pts) continue;
    if (last && (u.dts < last->dts || u.dts - last->dts > jump_pts)) out.breaks.push_back(u.packet);
    last = &u;
  }
  std::sort(out.breaks.begin(), out.breaks.end());
  return out;
}

struct choice {
  size_t begin = 0; ///< index into the main stream's units
  size_t end = 0;
  bool random_access = false;
  bool joins = false;
};

/// The unit of `list` whose PTS lies nearest to `length` after that of `from`.
std::optional<size_t> unit_after(const std::vector<unit_place>& list, size_t from, int64_t length, uint64_t limit) {
  std::optional<size_t> best;
  int64_t best_off = 0;
  for (size_t i = from + 1; i < list.size() && list[i].packet < limit; ++i) {
    if (!list[i].pts) continue;
    const int64_t off = std::abs(*list[i].pts - *list[from].pts - length);
    if (!best || off < best_off) {
      best = i;
      best_off = off;
    }
    if (*list[i].pts - *list[from].pts > length + jump_pts) break;
  }
  return best;
}

std::optional<size_t> first_at(const std::vector<unit_place>& list, uint64_t packet, bool clean) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].packet >= packet && (!clean || list[i].clean)) return i;
  return std::nullopt;
}

/// The usual step between pictures.
int64_t usual_step(const std::vector<unit_place>& list, size_t from, size_t to) {
  std::vector<int64_t> steps;
  std::optional<int64_t> last;
  for (size_t i = from; i < to; ++i) {
    if (!list[i].pts) continue;
    if (last && list[i].dts > *last) steps.push_back(list[i].dts - *last);
    last = list[i].dts;
  }
  if (steps.empty()) return 0;
  const auto middle = steps.begin() + static_cast<ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

/// The step of a stream of sound from unit to unit; 0 if its steps are uneven or wide, as those of subtitles are, which share
/// a stream type with some kinds of sound.
int64_t sound_step(const std::vector<unit_place>& list, size_t from) {
  const size_t to = std::min(from + 20, list.size());
  const int64_t step = usual_step(list, from, to);
  if (step >= sparse_pts) return 0;
  size_t even = 0;
  for (size_t i = from + 1; i < to; ++i) even += list[i].pts && list[i - 1].pts && std::abs(*list[i].pts - *list[i - 1].pts - step) <= 2 ? 1 : 0;
  return even * 2 >= to - from - 1 ? step : 0;
}

/// True if the sound of the program reaches to `length` after its first unit of the round, to about half a unit.
bool covered(const reading& r, const program& prog, uint64_t begin, int64_t length, uint64_t to) {
  for (const auto& x : prog.streams) {
    const auto found = r.units.find(x.pid);
    if (!is_audio(x.type) || found == r.units.end()) continue;
    const auto& units = found->second;
    const auto s = first_at(units, begin, true);
    if (!s || !units[*s].pts) continue;
    const int64_t step = sound_step(units, *s);
    if (step == 0) continue;
    const auto e = unit_after(units, *s, length, to);
    if (!e || std::abs(*units[*e].pts - *units[*s].pts - length) > step * 5 / 8) return false;
  }
  return true;
}

std::optional<choice> choose(const reading& r, const program& prog, uint16_t main_pid, uint64_t from, uint64_t to, int64_t step) {
  constexpr size_t tries = 20; // ends that are looked at for the sake of the sound
  const auto& list = r.units.at(main_pid);
  size_t begin = 0;
  while (begin < list.size() && (list[begin].packet < from || !list[begin].random_access || !list[begin].pts)) ++begin;
  if (begin >= list.size() || list[begin].packet >= to) return std::nullopt;
  // Best is an end before which all pictures are shown that were begun, and best of these a random access point.
  std::vector<choice> best;
  int best_score = -1;
  int64_t lowest = *list[begin].pts;
  int64_t highest = *list[begin].pts;
  for (size_t end = begin + 1; end < list.size() && list[end].packet < to; ++end) {
    const auto& u = list[end];
    if (!u.pts) continue;
    const int64_t length = u.dts - list[begin].dts;
    const bool joins = std::abs(highest - lowest + step - length) <= 2;
    const int score = (joins ? 2 : 0) + (u.random_access ? 1 : 0);
    if (length > 0 && score >= best_score) {
      if (score > best_score) best.clear();
      best_score = score;
      best.push_back({begin, end, u.random_access, joins});
    }
    lowest = std::min(lowest, *u.pts);
    highest = std::max(highest, *u.pts);
  }
  if (best.empty()) return std::nullopt;
  for (size_t i = 0; i < std::min(tries, best.size()); ++i) {
    const auto& c = best[best.size() - 1 - i];
    if (covered(r, prog, list[c.begin].packet, list[c.end].dts - list[c.begin].dts, to)) return c;
  }
  return best.back();
}

} // namespace

int64_t loop_plan::clock_at(uint64_t packet) const {
  const auto next = std::upper_bound(clock.begin(), clock.end(), packet, [](uint64_t i, const pcr_place& p) { return i < p.packet; });
  const auto beyond = [&](const pcr_place& p) {
    return p.pcr + static_cast<int64_t>((static_cast<double>(packet) - static_cast<double>(p.packet)) * ticks_per_packet);
  };
  if (next == clock.begin()) return beyond(clock.front());
  if (next == clock.end()) return beyond(clock.back());
  const auto& before = *(next - 1);
  return before.pcr + static_cast<int64_t>(static_cast<double>(next->pcr - before.pcr) * static_cast<double>(packet - before.packet) /
                                           static_cast<double>(next->packet - before.packet));
}

base::result<loop_plan> plan_loop(const grid& packets) {
  std::array<uint32_t, 0x2000> pcr_count{};
  auto programs = read_programs(packets, pcr_count);
  if (programs.empty()) return fail(errc::malformed, "the capture has no PAT and PMT");

  // The first program with a picture and a clock; else the first with sound and a clock.
  const program* chosen = nullptr;
  stream main;
  uint16_t pcr_pid = null_pid;
  for (const bool want_video : {true, false})
    for (const auto& prog : programs) {
      if (chosen) break;
      for (const auto& s : prog.streams) {
        if (chosen || !(want_video ? is_video(s.type) : is_audio(s.type))) continue;
        std::vector<uint16_t> clocks{prog.pcr_pid, s.pid};
        for (const auto& other : prog.streams) clocks.push_back(other.pid);
        const auto clock = std::find_if(clocks.begin(), clocks.end(), [&](uint16_t pid) { return pid != null_pid && pcr_count[pid] >= 2; });
        if (clock == clocks.end()) continue;
        chosen = &prog;
        main = s;
        pcr_pid = *clock;
      }
    }
  if (!chosen) return fail(errc::unsupported, "no program of the capture has a picture or sound and PCR: its pace is not known");

  const auto r = read_all(packets, main.pid, main.type, pcr_pid);
  const auto found = r.units.find(main.pid);
  if (found == r.units.end()) return fail(errc::unsupported, "the capture has no whole picture");
  const auto& list = found->second;

  // The longest stretch without a break of the time line that can be looped at all.
  std::optional<choice> best;
  uint64_t from = 0;
  uint64_t to = 0;
  int64_t step = 0;
  auto edges = r.breaks;
  edges.push_back(packets.count());
  uint64_t edge = 0;
  for (const uint64_t next : edges) {
    if (next - edge > to - from || !best) {
      const auto first = first_at(list, edge, false);
      const auto last = first_at(list, next, false).value_or(list.size());
      const int64_t here = first ? usual_step(list, *first, last) : 0;
      if (here > 0)
        if (const auto c = choose(r, *chosen, main.pid, edge, next, here)) {
          size_t clocks = 0;
          for (const auto& p : r.clock) clocks += p.packet >= edge && p.packet < next ? 1 : 0;
          if (clocks >= 2) {
            best = c;
            from = edge;
            to = next;
            step = here;
          }
        }
    }
    edge = next;
  }
  if (!best) return fail(errc::unsupported, "the capture is too short: it has no random access point, or nothing whole after it");

  loop_plan plan;
  const auto& first = list[best->begin];
  const auto& last = list[best->end];
  const int64_t length = last.dts - first.dts;
  plan.begin = first.packet;
  plan.end = last.packet;
  for (const auto& p : r.clock)
    if (p.packet >= from && p.packet < to) plan.clock.push_back(p);
  const auto& c0 = plan.clock.front();
  const auto& c1 = plan.clock.back();
  if (c1.pcr <= c0.pcr) return fail(errc::unsupported, "the capture's PCR stands still");
  plan.ticks_per_packet = static_cast<double>(c1.pcr - c0.pcr) / static_cast<double>(c1.packet - c0.packet);
  plan.begin_pcr = plan.clock_at(plan.begin);
  const int64_t span = std::max<int64_t>(plan.clock_at(plan.end) - plan.begin_pcr, 1);
  plan.stretch = static_cast<double>(length * 300) / static_cast<double>(span);

  auto& f = plan.facts;
  f.resyncs = packets.resyncs();
  f.video_pid = main.pid;
  f.video_stream_type = main.type;
  f.pcr_pid = pcr_pid;
  f.program_number = chosen->number;
  f.round_pts = length;
  f.frame_pts = step;
  f.packets = plan.end - plan.begin;
  f.bit_rate = static_cast<uint64_t>(static_cast<double>(f.packets) * 1504 * 90000 / static_cast<double>(length));
  f.ends_at_random_access = best->random_access;
  f.frames_join = best->joins;

  // Every other PID is cut at its own units near by.
  plan.cuts[main.pid] = {plan.begin, plan.end, {}};
  for (const auto& [pid, units] : r.units) {
    if (pid == main.pid) continue;
    auto s = first_at(units, plan.begin, true);
    if (!s || units[*s].packet >= plan.end) s = first_at(units, plan.begin, false);
    pid_cut cut{plan.end, plan.end, {}}; // nothing of it
    if (s && units[*s].packet < plan.end) {
      cut.from = units[*s].packet;
      std::optional<size_t> e;
      if (units[*s].pts) {
        e = unit_after(units, *s, length, to);
        if (e && std::any_of(chosen->streams.begin(), chosen->streams.end(), [&, p = pid](const stream& x) { return x.pid == p && is_audio(x.type); })) {
          if (sound_step(units, *s) > 0) f.audio_step_pts = std::max(f.audio_step_pts, std::abs(*units[*e].pts - *units[*s].pts - length));
        }
      } else {
        e = first_at(units, plan.end, true);
        if (!e) e = first_at(units, plan.end, false);
      }
      cut.to = e && units[*e].packet <= to ? units[*e].packet : to;
    }
    plan.cuts[pid] = std::move(cut);
  }
  uint64_t reach = plan.end;
  for (const auto& [pid, cut] : plan.cuts) reach = std::max(reach, cut.to);
  for (uint64_t i = plan.end; i < reach; ++i) {
    const auto pid = pid_of(packets.packet(i));
    const auto cut = plan.cuts.find(pid);
    if (cut != plan.cuts.end() && i < cut->second.to) cut->second.tail.push_back(i);
  }

  // PAT and PMT that stand only before the round are brought along.
  for (const uint16_t pid : {uint16_t{0}, chosen->pmt_pid}) {
    const auto u = r.units.find(pid);
    if (u == r.units.end() || plan.cuts[pid].from < plan.end) continue;
    uint64_t start = packets.count();
    for (const auto& place : u->second)
      if (place.packet < plan.begin) start = place.packet;
    for (uint64_t i = start; i < plan.begin; ++i)
      if (pid_of(packets.packet(i)) == pid) plan.preamble.push_back(i);
  }

  // Stretching must not bring a picture's last byte behind the moment at which it is decoded.
  int64_t worst_before = 0;
  int64_t worst_after = 0;
  for (size_t i = best->begin; i < best->end; ++i) {
    if (!list[i].pts) continue;
    const int64_t arrived = plan.clock_at(list[i + 1].packet);
    // The clock and the stamps are unwrapped apart: bring the stamp near to the clock.
    const int64_t due = unwrap(static_cast<uint64_t>(list[i].dts) % pts_wrap * 300, arrived, pcr_wrap);
    worst_before = std::min(worst_before, due - arrived);
    worst_after = std::min(worst_after, due - plan.mapped(arrived));
  }
  plan.pcr_shift = std::min<int64_t>(worst_after - worst_before, 0);
  plan.times = r.times;
  return plan;
}

} // namespace ec::tuner::internal
