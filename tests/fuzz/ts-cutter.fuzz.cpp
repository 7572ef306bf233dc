#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "ts/chunk_cutter.hpp"

/// Any bytes through the reader and the cutter: no crash, no growth, events in order. The first byte splits the input.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::ts;
  if (size < 1) return 0;
  cutter_config config;
  config.profile = {"fuzz", 100};
  config.time_wait_ms = 0;
  config.chunk_bytes_max = 1u << 20;
  chunk_cutter cutter(config);
  std::vector<cut_event> events;
  const size_t step = data[0] == 0x47 ? 1316 : size_t{1} + data[0] * 7;
  const std::span in(data, size);
  for (size_t at = 0; at < size; at += step) {
    cutter.push(in.subspan(at, std::min(step, size - at)), {}, events);
    if (cutter.bytes_held() > 16u << 20) std::abort();
    if (data[size - 1] == 0x99 && at > size / 2) cutter.source_gap({}, events);
  }
  cutter.finish({}, events);
  int64_t open = -1;
  uint32_t place = 0;
  for (const auto& e : events) {
    if (const auto* o = std::get_if<chunk_opened>(&e)) {
      if (open >= 0) std::abort();
      open = static_cast<int64_t>(o->index);
      place = 0;
    } else if (const auto* p = std::get_if<piece_released>(&e)) {
      if (open != static_cast<int64_t>(p->index) || p->place != place++ || p->data.size() % 188) std::abort();
    } else if (const auto* w = std::get_if<chunk_whole>(&e)) {
      if (open != static_cast<int64_t>(w->index) || w->pieces != place) std::abort();
      open = -1;
    } else if (const auto* d = std::get_if<chunk_damaged>(&e)) {
      if (open != static_cast<int64_t>(d->index)) std::abort();
      open = -1;
    }
  }
  if (open >= 0) std::abort();
  return 0;
}
