#include <cstdlib>

#include "quic/internal/webtransport_wire.hpp"

using namespace ec::quic::internal;

namespace {

std::string told(const std::vector<capsule>& all) {
  std::string out;
  for (const auto& c : all) out += (c.what == capsule::kind::drain ? "d" : "c" + std::to_string(c.code) + c.reason) + ";";
  return out;
}

} // namespace

/// The same bytes as a control stream whose SETTINGS are rewritten, as capsules, and as a list of protocols. Capsules read alike however
/// they are cut; SETTINGS rewritten twice are as rewritten once.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> in(data, size);
  const http3_settings extra{{0x33, 1}, {0x2b603742, 1}};
  if (const auto once = with_settings(in, extra)) {
    const auto twice = with_settings(once.value(), extra);
    if (twice ? twice.value() != once.value() : twice.error().code != ec::base::errc::too_large) std::abort();
  }
  std::string whole, parts;
  bool whole_ok = true, parts_ok = true;
  capsule_reader at_once;
  if (const auto got = at_once.push(in)) whole = told(got.value());
  else whole_ok = false;
  capsule_reader piece_by_piece;
  for (size_t at = 0; at < size && parts_ok;) {
    const size_t step = std::min<size_t>(1 + data[at] % 5, size - at);
    if (const auto got = piece_by_piece.push(in.subspan(at, step))) parts += told(got.value());
    else parts_ok = false;
    at += step;
  }
  // Where they break, the pieces told what came before.
  if (whole_ok != parts_ok || (whole_ok && (whole != parts || at_once.at_boundary() != piece_by_piece.at_boundary()))) std::abort();
  const auto names = protocol_names({reinterpret_cast<const char*>(data), size});
  if (protocol_names(protocol_list(names)) != names) std::abort();
  return 0;
}
