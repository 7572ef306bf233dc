#include "ts/chunk_cutter.hpp"

#include <algorithm>
#include <utility>

#include "ts/broadcast_clock.hpp"
#include "ts/internal/carried_stream.hpp"
#include "ts/internal/chunk_queue.hpp"
#include "ts/internal/pcr_check.hpp"

namespace ec::ts {
namespace {

using internal::carried_stream;
using internal::no_counter;

/// A stream that was silent for so long is not waited for before a piece is released.
constexpr int64_t rare_after = pts_hz;
/// The stream that gives the boundaries stopped if so many packets of the others came since its last.
constexpr uint64_t stalled_after = 20'000;
/// A counter hides the loss of a multiple of so many packets.
constexpr uint64_t counter_span = 16;

/// What a packet of a PID is for.
enum class role : uint8_t { other, tables, carried, null };

std::string hex_pid(uint16_t pid) {
  static constexpr char digits[] = "0123456789abcdef";
  return {'0', 'x', digits[pid >> 12], digits[pid >> 8 & 15], digits[pid >> 4 & 15], digits[pid & 15]};
}

} // namespace

struct chunk_cutter::state {
  explicit state(cutter_config c) : config(std::move(c)), reader_of_program(config.program) {
    duration_ticks = int64_t{config.profile.duration_ms} * (pts_hz / 1000);
    roles[null_pid] = role::null;
    for (const uint16_t pid : {uint16_t{0}, uint16_t{0x10}, uint16_t{0x11}, uint16_t{0x14}, uint16_t{0x1ffb}}) roles[pid] = role::tables;
    if (config.clock) clock.adopt(config.clock->index, config.clock->first_pts, duration_ticks);
  }

  cutter_config config;
  int64_t duration_ticks = 0;
  cutter_counters counters;
  packet_reader reader;
  program_reader reader_of_program;
  broadcast_clock clock;

  // Every PID
  std::vector<role> roles = std::vector<role>(pid_count, role::other);
  std::vector<uint8_t> slots = std::vector<uint8_t>(pid_count, 0); ///< of a carried PID: its place in `streams`
  std::vector<uint8_t> last_counter = std::vector<uint8_t>(pid_count, no_counter);
  std::vector<uint8_t> marked_errors = std::vector<uint8_t>(pid_count, 0); ///< transport errors since its last packet
  std::vector<uint64_t> packets_of = std::vector<uint64_t>(pid_count, 0);
  std::vector<uint64_t> last_position = std::vector<uint64_t>(pid_count, 0); ///< of PIDs that are not carried

  // The program
  std::vector<carried_stream> streams;
  internal::layout layout;
  bool unsure_noted = false;
  uint64_t program_changes = 0;

  // The program's clock
  uint16_t clock_pid = null_pid;
  internal::pcr_check pcrs;
  uint64_t known_losses = 0;          ///< packets that counters showed as missing, any PID
  int64_t pcr_time = 0;               ///< reference time at the last PCR

  // Boundaries
  uint64_t position = 0;              ///< carried packets so far
  int64_t reference_time = 0;         ///< 90 kHz of the reference's decoding times added up, jumps left out
  std::optional<uint64_t> reference_dts, reference_pts;
  uint64_t reference_last = 0;        ///< position of its last packet
  struct candidate {
    bool valid = false;
    size_t packet = 0;                ///< where its first packet stands in the chunk under way
    uint64_t position = 0;
  } start;
  std::optional<int64_t> last_index;  ///< of the last random access point
  bool missed_since_point = false;    ///< law 2
  bool gap_since_point = false;       ///< input was missing: a step of PTS is no jump
  bool broken = false;                ///< the next chunk does not continue the last one
  bool any_chunk = false;

  internal::chunk_queue chunks{counters};
  bool tail_only = true;

  base::mono_time now{};
  std::vector<cut_event>* out = nullptr;

  void say(std::string_view event, std::string text) { out->push_back(note{event, std::move(text)}); }

  // ---- packets

  void on_packet(const uint8_t* data) {
    const packet_view p(data);
    const uint16_t pid = p.pid();
    ++counters.packets;
    ++packets_of[pid];
    if (p.transport_error()) return on_transport_error(p);
    const role what = roles[pid];
    if (what == role::null) {
      ++counters.null_packets;
      return;
    }
    const uint8_t flags = p.adaptation_flags();
    if (flags) {
      if (flags & 0x80) ++counters.discontinuity_indicators;
      if (p.has_pcr()) ++counters.pcrs;
    }
    if (p.scrambling()) ++counters.scrambled;
    const uint8_t cc = p.continuity_counter();
    const uint8_t before = std::exchange(last_counter[pid], cc);
    const bool repeated = cc == before && p.has_payload();
    const bool skipped = before != no_counter && cc != before && cc != ((before + 1) & 15);
    if (skipped && !(flags & 0x80)) ++counters.continuity_errors; // an announced one is no error [13818-1 2.4.3.4]
    else if (repeated) ++counters.repeats;
    if (skipped) known_losses += static_cast<uint64_t>(std::max(0, ((cc - before - 1) & 15) - marked_errors[pid]));
    const uint64_t here = position;
    if (what == role::carried) {
      carry(streams[slots[pid]], p);
      marked_errors[pid] = 0;
      if (pid == clock_pid && p.has_pcr() && !repeated) on_pcr(p, here);
      return;
    }
    if (pid == clock_pid && p.has_pcr() && !repeated) on_pcr(p, here);
    if (skipped) on_neighbour_gap(pid, (cc - before - 1) & 15);
    marked_errors[pid] = 0;
    last_position[pid] = position;
    if (what == role::tables) on_tables(p);
  }

  void on_transport_error(packet_view p) {
    ++counters.transport_errors;
    const uint16_t pid = p.pid();
    if (marked_errors[pid] < 0xff) ++marked_errors[pid];
    // The PID may itself be wrong. If it is right, this packet is missing; if not, the counter of the true one shows it.
    if (roles[pid] != role::carried) return;
    auto& s = streams[slots[pid]];
    doubt(s.safe, position + 1, damage::transport_error);
    if (pid == clock_pid) pcrs.gap();
    if (s.reference) missed_since_point = gap_since_point = true;
    s.lost();
  }

  /// A PCR of the program, with `here` carried packets before it (law 5).
  void on_pcr(packet_view p, uint64_t here) {
    pcr_time = reference_time;
    const uint64_t number = counters.packets + reader.counters().bad_sync + known_losses;
    const uint64_t from = pcrs.proven();
    if (!pcrs.push(*p.pcr(), number, here, p.has_payload())) {
      ++counters.check_failures;
      doubt_all(from, damage::stream_check);
    }
    settle();
  }

  /// A PID that is not carried lost `missing` packets or 16 more. If that many could have come with 16 of ours, ours
  /// may be gone without a trace in the counter (law 5).
  void on_neighbour_gap(uint16_t pid, unsigned missing) {
    if (streams.empty() || marked_errors[pid] >= missing) return;
    uint64_t most = 0;
    for (const auto& s : streams) most = std::max(most, s.packets);
    if ((missing + 1) * most < counter_span * packets_of[pid]) return;
    doubt_all(last_position[pid], damage::neighbour_loss);
  }

  void on_lost(bool aligned) {
    if (aligned) return; // one packet: its counter will tell
    reader_of_program.lost();
    uint64_t from = position;
    for (const auto& s : streams) from = std::min(from, s.safe);
    doubt_all(from, damage::resync);
    for (auto& s : streams) s.lost();
    pcrs.lost();
    say("resync", "skipped_bytes=" + std::to_string(reader.counters().skipped_bytes));
  }

  // ---- program

  void on_tables(packet_view p) {
    const auto change = reader_of_program.push(p);
    if (change.broadcast_unix_ms) on_broadcast_time(*change.broadcast_unix_ms);
    if (change.facts) {
      std::replace(roles.begin(), roles.end(), role::tables, role::other);
      for (const uint16_t pid : reader_of_program.wanted())
        if (roles[pid] == role::other) roles[pid] = role::tables;
    }
    if (change.facts || change.selection) ++program_changes;
    if (change.nit_differs) {
      ++counters.nit_conflicts;
      const auto& f = reader_of_program.facts();
      say("nit-differs", "transport_stream_id=" + std::to_string(f.channels_transport_stream_id.value_or(0)) + " is of network " + std::to_string(f.original_network_id.value_or(0)) + " by the SDT, which holds, and of another by the NIT");
    }
    if (change.selection) on_selection(change.clean);
    if (change.renewed) {
      ++counters.pmt_versions;
      say("pmt-version", "program=" + std::to_string(reader_of_program.facts().program_number) + " is what it was");
    }
    if (change.unsure && !unsure_noted) {
      unsure_noted = true;
      say("no-choice", "programs=" + reader_of_program.problem());
    }
  }

  void on_selection(bool clean) {
    const auto& facts = reader_of_program.facts();
    const bool had = !streams.empty();
    const auto reference_before = layout.reference_pid;
    if (had) {
      // What is under way has the old streams: no receiver can call it whole. If a PMT was missed, the change may be
      // older than the last boundary.
      doubt(clean ? chunks.back().start : std::min(chunks.oldest(), chunks.back().start), position + 1, damage::program_change);
      broken = true;
    }
    for (auto& s : streams) roles[s.facts.pid] = reader_of_program.wants(s.facts.pid) ? role::tables : role::other;
    std::vector<carried_stream> next;
    next.reserve(facts.streams.size());
    for (const auto& f : facts.streams) {
      if (reader_of_program.wants(f.pid)) continue; // a PID of tables cannot be a stream
      const auto known = std::find_if(streams.begin(), streams.end(), [&](const auto& s) {
        return s.facts.pid == f.pid && s.facts.kind == f.kind;
      });
      if (known != streams.end()) {
        known->facts = f;
        next.push_back(std::move(*known));
      } else {
        next.emplace_back(f);
        next.back().safe = position;
      }
    }
    streams = std::move(next);
    program_facts used = facts;
    used.streams.clear();
    for (const auto& s : streams) used.streams.push_back(s.facts);
    layout = internal::make_layout(used);
    clock_pid = facts.selected ? facts.pcr_pid : null_pid;
    pcrs.restart();
    for (size_t i = 0; i < streams.size(); ++i) {
      roles[streams[i].facts.pid] = role::carried;
      slots[streams[i].facts.pid] = static_cast<uint8_t>(i);
      streams[i].reference = streams[i].facts.pid == layout.reference_pid;
    }
    if (had) end_without_boundary();
    if (layout.reference_pid != reference_before) forget_points();
    missed_since_point = missed_since_point || !clean;
    if (!facts.selected) {
      say("program-changed", "the program is gone");
      return;
    }
    std::string text = "program=" + std::to_string(facts.program_number);
    if (const auto* c = facts.channel()) text += " channel=" + c->name;
    for (const auto& s : streams) text += " " + hex_pid(s.facts.pid) + "=" + std::string(name(s.facts.kind));
    say(had ? "program-changed" : "program-selected", std::move(text));
  }

  // ---- clock

  void on_broadcast_time(int64_t unix_ms) {
    if (!reference_pts) return;
    const auto before = clock.unix_ms_at(*reference_pts);
    const auto e = clock.on_broadcast_time(unix_ms, *reference_pts);
    if (e != broadcast_clock::event::station_set) return on_clock(e);
    ++counters.station_clock_steps;
    say("station-clock", "step_ms=" + std::to_string(unix_ms - before.value_or(unix_ms)));
  }

  void on_clock(broadcast_clock::event e) {
    if (e == broadcast_clock::event::none) return;
    if (e == broadcast_clock::event::jumped) {
      doubt(chunks.back().start, position + 1, damage::clock_jump);
      end_without_boundary();
      broken = any_chunk;
      say("clock-jump", "era=" + std::to_string(clock.era()));
    } else {
      say("clock-locked", "era=" + std::to_string(clock.era()));
    }
    forget_points();
  }

  /// True once indices can be given.
  bool clock_ready() {
    if (config.hold) return false;
    if (clock.locked()) return true;
    if (config.require_broadcast_time) return false;
    const uint32_t wait = packets_of[0x1ffb] > 0 && config.time_wait_ms > 0 ? config.psip_wait_ms : config.time_wait_ms;
    if (reference_time < int64_t{wait} * (pts_hz / 1000)) return false;
    clock.lock_unsynced();
    say("clock-unsynced", "no broadcast time; indices hold for this source only");
    return true;
  }

  void forget_points() {
    last_index.reset();
    missed_since_point = gap_since_point = false;
  }

  // ---- the streams of the program

  void carry(carried_stream& s, packet_view p) {
    if (!p.has_payload()) { // law 4
      ++counters.payload_less;
      return;
    }
    const uint8_t cc = p.continuity_counter();
    if (s.counter != no_counter && cc != ((s.counter + 1) & 15)) {
      if (cc == s.counter && s.repeats(p)) return;
      gap(s, damage::continuity);
    }
    s.counter = cc;
    s.remember(p);
    ++s.packets;
    ++counters.carried;
    s.last_time = reference_time;
    const uint64_t here = position++;
    if (s.reference) {
      reference_last = here;
    } else if (here - reference_last > stalled_after) {
      on_stalled();
    }
    if (p.scrambling()) return on_scrambled(s, p, here);

    if (s.reference && p.payload_unit_start()) begin_candidate(here);
    const auto seen = s.take(p);
    const auto& found = seen.found;
    if (seen.malformed) ++counters.pes_malformed;
    if (s.reference && seen.begun) on_reference(*seen.begun);
    // Decoding time of the reference's PES packet that starts here.
    store(p, here, s.reference && seen.at_start ? seen.begun->decode_time() : std::nullopt);
    if (found.failed) {
      ++counters.check_failures;
      gap(s, damage::stream_check);
    } else if (found.sync) {
      s.safe = here;
    }
    if (s.reference && found.decided && found.random_access && start.valid && s.pts()) on_point(*s.pts());
    if (found.sync || found.failed) settle();
  }

  void gap(carried_stream& s, damage why) {
    doubt(s.safe, position + 1, why);
    s.safe = position;
    s.lost();
    if (s.facts.pid == clock_pid) pcrs.gap();
    if (s.reference) missed_since_point = gap_since_point = true;
  }

  void on_scrambled(carried_stream& s, packet_view p, uint64_t here) {
    if (!s.scrambled_noted) {
      s.scrambled_noted = true;
      say("scrambled", "pid=" + hex_pid(s.facts.pid));
    }
    store(p, here, std::nullopt);
    gap(s, damage::scrambled);
  }

  void begin_candidate(uint64_t here) {
    if (tail_only) chunks.back().clear();
    start = {true, chunks.back().packets(), here};
  }

  /// A PES packet of the reference starts.
  void on_reference(const pes_header& head) {
    if (!head.pts) return;
    const uint64_t dts = *head.decode_time();
    if (reference_dts) {
      const int64_t step = pts_step(*reference_dts, dts);
      if (step > 0 && step < 10 * pts_hz) reference_time += step;
    }
    reference_dts = dts;
    reference_pts = head.pts;
  }

  void store(packet_view p, uint64_t here, std::optional<uint64_t> starts) {
    auto& c = chunks.back();
    if (tail_only && !start.valid) return;
    if (c.append(layout, p, here, starts)) ++counters.written_pcrs;
    if (!tail_only && c.bytes() > config.chunk_bytes_max) {
      chunks.mark(c, damage::too_large, *out);
      c.clear();
      tail_only = true;
      start.valid = false;
    } else if (tail_only && c.bytes() > base::limits::ts_pes_bytes_max) {
      c.clear();
      start.valid = false;
    }
  }

  void on_stalled() {
    say("stalled", "pid=" + hex_pid(layout.reference_pid));
    reference_last = position;
    doubt(chunks.oldest(), position + 1, damage::stalled);
    missed_since_point = gap_since_point = true;
    chunks.back().clear();
    tail_only = true;
    start.valid = false;
    settle();
  }

  // ---- boundaries

  /// The access unit at `start` is a random access point.
  void on_point(uint64_t pts) {
    ++counters.random_access_points;
    const bool gap_before = std::exchange(gap_since_point, false);
    const auto e = clock.on_pts(pts, gap_before);
    if (e == broadcast_clock::event::jumped) on_clock(e);
    if (!clock_ready()) return;
    const int64_t time = clock.lift(pts);
    const int64_t index = floor_div(time, duration_ticks);
    const bool certain = !std::exchange(missed_since_point, false);
    if (index < 0) return;
    if (!last_index) { // law 1
      last_index = index;
      return;
    }
    if (index <= *last_index) return;
    last_index = index;
    if (!chunks.open() && !certain) return; // law 1: the next one may be certain
    cut(static_cast<uint64_t>(index), time, pts, certain);
  }

  void cut(uint64_t index, int64_t time, uint64_t pts, bool certain) {
    auto& before = chunks.back();
    const auto tail = before.cut_tail(start.packet);
    before.duration = time - before.first_time;
    chunks.end(start.position);
    auto& c = chunks.back();
    c.index = index;
    c.first_pts = pts;
    c.first_time = time;
    c.start = start.position;
    c.era = clock.era();
    c.synced = clock.synced();
    c.discontinuity = std::exchange(broken, false);
    c.certain = certain;
    c.broadcast_unix_ms = clock.unix_ms_at(pts);
    chunks.begin();
    any_chunk = true;
    tail_only = false;
    c.begin(layout);
    uint64_t at = start.position;
    for (size_t i = 0; i < tail.size(); i += packet_bytes, ++at) {
      const packet_view p(tail.data() + i);
      std::optional<uint64_t> starts;
      pes_header head;
      if (p.pid() == layout.reference_pid && p.payload_unit_start()) {
        const size_t offset = p.payload_offset();
        if (parse_pes_header({p.data() + offset, packet_bytes - offset}, head) == pes_parse::ok) starts = head.decode_time();
      }
      if (c.append(layout, p, at, starts)) ++counters.written_pcrs;
    }
    start.packet = layout.tables.size() / packet_bytes;
    if (!certain) chunks.mark(c, damage::uncertain_boundary, *out);
    settle();
  }

  /// The chunk under way ends here for a reason that is no boundary.
  void end_without_boundary() {
    if (chunks.open()) {
      auto& c = chunks.back();
      chunks.mark(c, damage::end_of_input, *out);
      c.duration = reference_pts && clock.locked() ? std::max<int64_t>(0, pts_step(c.first_pts, *reference_pts)) : 0;
    }
    chunks.end(position);
    chunks.back().start = position;
    tail_only = true;
    start.valid = false;
    settle();
  }

  // ---- certainty

  /// Something may be missing between these positions.
  void doubt(uint64_t from, uint64_t to, damage why) {
    if (chunks.doubt(from, to, why, *out) && any_chunk) ++counters.late_damage;
  }

  /// The same, of an unknown PID.
  void doubt_all(uint64_t from, damage why) {
    doubt(from, position + 1, why);
    missed_since_point = gap_since_point = true;
  }

  /// Releases what is certain now.
  void settle() {
    uint64_t safe = position;
    for (const auto& s : streams) {
      const bool rare = s.counter == no_counter || (!s.reference && reference_time - s.last_time > rare_after);
      if (!rare) safe = std::min(safe, s.safe);
    }
    // A clock that stopped vouches for nothing and is not waited for.
    if (pcrs.armed() && reference_time - pcr_time <= rare_after) safe = std::min(safe, pcrs.proven());
    chunks.settle(safe, now, *out);
  }

  // ---- input

  void push(std::span<const uint8_t> in) {
    reader.push(in, [this](const uint8_t* p) { on_packet(p); }, [this](bool aligned) { on_lost(aligned); });
    counters.reader = reader.counters();
  }

  /// Everything that is not certain by now never will be.
  void abandon(damage why) {
    chunks.doubt_everything(why, *out);
    end_without_boundary();
    broken = any_chunk;
    last_index.reset();
    missed_since_point = false;
    gap_since_point = true;
    for (auto& s : streams) {
      s.lost();
      s.counter = no_counter;
      s.safe = position;
    }
    std::fill(last_counter.begin(), last_counter.end(), no_counter);
    std::fill(marked_errors.begin(), marked_errors.end(), uint8_t{0});
    pcrs.lost();
    reader_of_program.lost();
    reference_dts.reset();
  }
};

chunk_cutter::chunk_cutter(cutter_config config) : s_(std::make_unique<state>(std::move(config))) {}
chunk_cutter::~chunk_cutter() = default;
chunk_cutter::chunk_cutter(chunk_cutter&&) noexcept = default;
chunk_cutter& chunk_cutter::operator=(chunk_cutter&&) noexcept = default;

void chunk_cutter::push(std::span<const uint8_t> ts, base::mono_time now, std::vector<cut_event>& out) {
  s_->now = now;
  s_->out = &out;
  s_->push(ts);
}

void chunk_cutter::source_gap(base::mono_time now, std::vector<cut_event>& out) {
  s_->now = now;
  s_->out = &out;
  s_->reader.reset();
  s_->say("source-gap", "");
  s_->abandon(damage::source_gap);
}

void chunk_cutter::finish(base::mono_time now, std::vector<cut_event>& out) {
  s_->now = now;
  s_->out = &out;
  s_->reader.finish([this](const uint8_t* p) { s_->on_packet(p); }, [this](bool aligned) { s_->on_lost(aligned); });
  s_->counters.reader = s_->reader.counters();
  s_->abandon(damage::end_of_input);
}

adoption chunk_cutter::adopt(const clock_reference& reference, base::mono_time now, std::vector<cut_event>& out) {
  s_->now = now;
  s_->out = &out;
  if (!broadcast_clock::lift_of(reference.index, reference.first_pts, s_->duration_ticks)) return adoption::refused;
  const auto e = s_->clock.adopt(reference.index, reference.first_pts, s_->duration_ticks);
  s_->on_clock(e);
  s_->config.hold = false;
  if (floor_div(s_->clock.lift(reference.first_pts), s_->duration_ticks) != static_cast<int64_t>(reference.index)) return adoption::behind;
  return e == broadcast_clock::event::none ? adoption::same : adoption::taken;
}

void chunk_cutter::let_open() {
  s_->config.hold = false;
}

const cutter_counters& chunk_cutter::counters() const {
  return s_->counters;
}

const program_facts& chunk_cutter::program() const {
  return s_->reader_of_program.facts();
}

uint64_t chunk_cutter::program_changes() const {
  return s_->program_changes;
}

const std::map<std::pair<uint16_t, uint8_t>, uint64_t>& chunk_cutter::tables() const {
  return s_->reader_of_program.tables();
}

uint64_t chunk_cutter::section_crc_errors() const {
  return s_->reader_of_program.crc_errors();
}

std::map<uint16_t, uint64_t> chunk_cutter::pid_packets() const {
  std::map<uint16_t, uint64_t> out;
  for (size_t pid = 0; pid < pid_count; ++pid)
    if (s_->packets_of[pid] > 0) out[static_cast<uint16_t>(pid)] = s_->packets_of[pid];
  return out;
}

size_t chunk_cutter::bytes_held() const {
  return s_->chunks.bytes();
}

} // namespace ec::ts
