#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ts/chunk_cutter.hpp"

/// Cuts captures, and damages copies of them as reception does, to compare what two receivers get.
namespace ec::test {

/// A capture that gives chunks, and how to cut it so that it gives several.
struct chunk_capture {
  const char* file;
  uint32_t duration_ms;
  std::optional<uint16_t> program;
  bool timed; ///< holds broadcast time
};

inline const std::vector<chunk_capture>& chunk_captures() {
  static const std::vector<chunk_capture> list{
    {"atsc/ksaz-10_720p60_first-half.ts", 250, {}, false},
    {"atsc/scte20_480i.ts", 500, {}, false},
    {"dvb/uk-sd_mpeg2_5s.ts", 250, {}, true},
    {"dvb/sd_mpeg2_mp2.ts", 250, {}, false},
    {"dvb/fr-hd_h264_ac3_losses.ts", 250, {}, false},
    {"dvb/gr-digea-12_tei_losses.ts", 500, 12, false},
    {"dvb/gr-digea-32_tei_losses_a.ts", 500, 32, false},
  };
  return list;
}

inline ts::cutter_config config_of(const chunk_capture& c) {
  ts::cutter_config out;
  out.profile = {"test", c.duration_ms};
  out.program.program_number = c.program;
  out.require_broadcast_time = c.timed;
  out.time_wait_ms = 0;
  return out;
}

/// What one receiver made of its input.
struct cut_result {
  std::map<uint64_t, std::vector<uint8_t>> whole;
  std::map<uint64_t, std::vector<uint8_t>> damaged; ///< as this receiver has them
  std::map<std::pair<uint64_t, uint32_t>, base::bytes> pieces; ///< released
  std::map<uint64_t, ts::chunk_opened> opened;
  std::vector<ts::cut_event> events;
  ts::cutter_counters counters;
  std::string order_fault; ///< empty if the events came in the order that chunk.hpp promises
};

inline cut_result collect(std::vector<ts::cut_event>&& events, const ts::chunk_cutter& cutter) {
  cut_result out;
  out.counters = cutter.counters();
  bool open = false;
  uint64_t index = 0;
  uint32_t place = 0;
  int64_t last = -1;
  std::vector<uint8_t> data;
  bool doubted = false;
  for (const auto& e : events) {
    if (const auto* o = std::get_if<ts::chunk_opened>(&e)) {
      if (open) out.order_fault = "opened twice";
      if (static_cast<int64_t>(o->index) <= last) out.order_fault = "indices fall";
      last = static_cast<int64_t>(o->index);
      open = true, index = o->index, place = 0, data.clear(), doubted = false;
      out.opened[index] = *o;
    } else if (const auto* p = std::get_if<ts::piece_released>(&e)) {
      if (!open || p->index != index || p->place != place || doubted) out.order_fault = "piece out of place";
      ++place;
      data.insert(data.end(), p->data.begin(), p->data.end());
      out.pieces[{p->index, p->place}] = p->data;
    } else if (const auto* d = std::get_if<ts::chunk_doubted>(&e)) {
      if (!open || d->index != index) out.order_fault = "doubt of another chunk";
      doubted = true;
    } else if (const auto* w = std::get_if<ts::chunk_whole>(&e)) {
      if (!open || w->index != index || w->pieces != place || w->size != data.size() || doubted) out.order_fault = "whole is not what was released";
      out.whole[index] = data;
      open = false;
    } else if (const auto* x = std::get_if<ts::chunk_damaged>(&e)) {
      if (!open || x->index != index || x->pieces_released != place) out.order_fault = "damaged is not what was open";
      auto& to = out.damaged[index];
      for (const auto& piece : x->pieces) to.insert(to.end(), piece.begin(), piece.end());
      open = false;
    }
  }
  if (open) out.order_fault = "left open";
  out.events = std::move(events);
  return out;
}

inline cut_result cut(const ts::cutter_config& config, std::span<const uint8_t> data, size_t step = 1316 * 50) {
  ts::chunk_cutter cutter(config);
  std::vector<ts::cut_event> events;
  for (size_t at = 0; at < data.size(); at += step) cutter.push(data.subspan(at, std::min(step, data.size() - at)), {}, events);
  cutter.finish({}, events);
  return collect(std::move(events), cutter);
}

/// PID of the video of the program that is cut; 0 without one.
inline uint16_t video_pid(const ts::cutter_config& config, std::span<const uint8_t> data) {
  ts::chunk_cutter cutter(config);
  std::vector<ts::cut_event> events;
  cutter.push(data, {}, events);
  for (const auto& s : cutter.program().streams)
    if (ts::is_video(s.kind)) return s.pid;
  return 0;
}

/// What reception does to whole packets.
struct mishap {
  enum kind { single, burst, hidden, marked, garbled, doubled } what = single;
  size_t at = 0;
  size_t count = 1;
  uint16_t pid = 0; ///< hidden: the one PID that loses packets
  std::string text() const {
    static constexpr const char* names[] = {"lost", "burst", "hidden", "marked", "garbled", "doubled"};
    return std::string(names[what]) + " " + std::to_string(count) + " at packet " + std::to_string(at);
  }
};

/// Single losses and bursts of 1 to 400 packets, half and half.
inline mishap draw_loss(std::mt19937_64& rng, size_t packets) {
  mishap m;
  m.what = rng() % 2 ? mishap::burst : mishap::single;
  m.count = m.what == mishap::burst ? 1 + rng() % 400 : 1;
  m.at = rng() % packets;
  return m;
}

/// A loss that no counter shows: a multiple of 16 packets, 16 to 128, of `pid` alone.
inline mishap draw_hidden(std::mt19937_64& rng, size_t packets, uint16_t pid) {
  mishap m{.what = mishap::hidden, .at = 0, .count = 16 * (1 + rng() % 8), .pid = pid};
  m.at = rng() % packets;
  return m;
}

/// Anything of the list.
inline mishap draw_any(std::mt19937_64& rng, size_t packets) {
  mishap m = draw_loss(rng, packets);
  switch (rng() % 4) {
  case 0: m.what = mishap::marked, m.count = 1 + rng() % 20; break;
  case 1: m.what = mishap::garbled, m.count = 1 + rng() % 4; break;
  case 2: m.what = mishap::doubled, m.count = 1; break;
  default: break;
  }
  return m;
}

inline std::vector<uint8_t> apply(std::span<const uint8_t> data, const mishap& m, std::mt19937_64& rng) {
  const size_t from = std::min(m.at * 188, data.size()), to = std::min(from + m.count * 188, data.size());
  std::vector<uint8_t> out;
  out.reserve(data.size() + 188);
  out.insert(out.end(), data.begin(), data.begin() + static_cast<ptrdiff_t>(from));
  if (m.what == mishap::hidden) {
    size_t left = m.count, at = from;
    for (; at + 188 <= data.size() && left > 0; at += 188) {
      if (ts::packet_view(data.data() + at).pid() == m.pid) --left;
      else out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(at), data.begin() + static_cast<ptrdiff_t>(at + 188));
    }
    out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(at), data.end());
    return out;
  }
  if (m.what >= mishap::marked)
    for (size_t at = from; at + 188 <= to; at += 188) {
      std::vector<uint8_t> packet(data.begin() + static_cast<ptrdiff_t>(at), data.begin() + static_cast<ptrdiff_t>(at + 188));
      if (m.what == mishap::doubled) out.insert(out.end(), packet.begin(), packet.end());
      if (m.what == mishap::marked) packet[1] |= 0x80;
      if (m.what == mishap::marked || m.what == mishap::garbled)
        for (int i = 0; i < 8; ++i) packet[4 + rng() % 184] = static_cast<uint8_t>(rng());
      if (m.what == mishap::garbled) packet[0] ^= static_cast<uint8_t>(1 + rng() % 255); // its sync byte shows it
      out.insert(out.end(), packet.begin(), packet.end());
    }
  out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(to), data.end());
  return out;
}

/// How a damaged copy compares with the full one.
struct comparison {
  uint64_t compared = 0;     ///< chunks called whole
  uint64_t wrong = 0;        ///< of these: not what the full copy has
  uint64_t wrong_pieces = 0; ///< released pieces that differ from the full copy's
};

inline comparison compare(const cut_result& full, const cut_result& part) {
  comparison out;
  for (const auto& [index, data] : part.whole) {
    ++out.compared;
    const auto it = full.whole.find(index);
    if (it != full.whole.end()) {
      if (it->second != data) ++out.wrong;
    } else {
      ++out.wrong; // the full copy calls nothing whole there
    }
  }
  for (const auto& [key, data] : part.pieces) {
    const auto* from = full.whole.contains(key.first) ? &full.whole.at(key.first) : full.damaged.contains(key.first) ? &full.damaged.at(key.first) : nullptr;
    const size_t at = key.second * base::limits::piece_bytes;
    if (!from || at + data.size() > from->size() || !std::equal(data.begin(), data.end(), from->begin() + static_cast<ptrdiff_t>(at))) ++out.wrong_pieces;
  }
  return out;
}

} // namespace ec::test
