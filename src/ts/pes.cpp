#include "ts/pes.hpp"

namespace ec::ts {
namespace {

/// Five bytes of time stamp; nothing if a marker bit is missing.
std::optional<uint64_t> time_stamp(const uint8_t* p) {
  if (!(p[0] & 1) || !(p[2] & 1) || !(p[4] & 1)) return std::nullopt;
  return uint64_t{p[0] & 0x0eu} << 29 | uint64_t{p[1]} << 22 | uint64_t{p[2] & 0xfeu} << 14 | uint64_t{p[3]} << 7 | p[4] >> 1;
}

} // namespace

pes_parse parse_pes_header(std::span<const uint8_t> in, pes_header& out) {
  static constexpr uint8_t start[3] = {0, 0, 1};
  for (size_t i = 0; i < 3 && i < in.size(); ++i)
    if (in[i] != start[i]) return pes_parse::malformed;
  if (in.size() < 9) return pes_parse::need_more;
  out = {};
  out.stream_id = in[3];
  out.length = static_cast<uint16_t>(in[4] << 8 | in[5]);
  // Stream ids without the optional header: maps, padding, private 2, ECM, EMM, directory, DSM-CC, H.222.1 type E.
  switch (in[3]) {
  case 0xbc: case 0xbe: case 0xbf: case 0xf0: case 0xf1: case 0xff: case 0xf2: case 0xf8:
    out.header_bytes = 6;
    return pes_parse::ok;
  default: break;
  }
  if ((in[6] & 0xc0) != 0x80) return pes_parse::malformed;
  const uint8_t flags = in[7] >> 6;
  const size_t stamps = flags == 3 ? 10 : flags == 2 ? 5 : 0;
  if (flags == 1 || in[8] < stamps) return pes_parse::malformed;
  out.header_bytes = size_t{9} + in[8];
  if (in.size() < out.header_bytes) return pes_parse::need_more;
  if (stamps) {
    out.pts = time_stamp(&in[9]);
    if (!out.pts) return pes_parse::malformed;
  }
  if (stamps == 10) {
    out.dts = time_stamp(&in[14]);
    if (!out.dts) return pes_parse::malformed;
  }
  return pes_parse::ok;
}

} // namespace ec::ts
