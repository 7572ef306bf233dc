#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ts/packet_reader.hpp"
#include "ts/section.hpp"

namespace ec::test {

/// All sections of one table on one PID of a capture.
inline std::vector<std::vector<uint8_t>> sections_of(const std::vector<uint8_t>& data, uint16_t pid, uint8_t table) {
  std::vector<std::vector<uint8_t>> out;
  ts::section_assembler assembler;
  ts::packet_reader reader;
  const auto sink = [&](const uint8_t* p) {
    if (ts::packet_view(p).pid() != pid || ts::packet_view(p).transport_error()) return;
    assembler.push(ts::packet_view(p), [&](std::span<const uint8_t> s) {
      if (s[0] == table) out.emplace_back(s.begin(), s.end());
    });
  };
  reader.push(data, sink, [](bool) {});
  reader.finish(sink, [](bool) {});
  return out;
}

} // namespace ec::test
