// A datagram or the bytes of a control connection, to the simulated device. What is a packet is written again as one that is read the same;
// the device has an answer to it, which is a packet too, or nothing; every beginning of a packet needs more. Since a random CRC is almost never
// right, the input is also tried with the CRC that it ought to have.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tuner/internal/control_device.hpp"

namespace {

using namespace ec;
using namespace ec::tuner::internal;

void try_packet(std::span<const uint8_t> in) {
  const auto read = decode_control(in);
  if (!read) return;
  const auto written = encode_control(read.value());
  // Lengths may be written in two bytes where one does, so that what we write is never longer.
  if (!written || written.value().size() > in.size()) std::abort();
  const auto again = decode_control(written.value());
  if (!again || !(again.value() == read.value())) std::abort();
  if (in.size() > 1 && decode_control(in.first(in.size() - 1)).error().code != base::errc::need_more) std::abort();

  const auto tuners = std::make_shared<tuner_bank>(2u);
  control_device device({"10A1B2C7", "HDHR5-4US", "20250815", {}, tuners, [] { return false; }});
  const auto found = device.discovered(in, "http://192.0.2.7");
  if (!found.empty() && (read.value().type != control_type::discover_request || !decode_control(found))) std::abort();
  const auto told = device.answer(in, "192.0.2.1");
  if (told && !decode_control(told.value())) std::abort();
  const auto once_more = device.answer(in, "192.0.2.1");
  if (told.has_value() != once_more.has_value()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_packet({data, size});
  if (size < 4 || size > 4 + 1452) return 0;
  std::vector<uint8_t> fixed(data, data + size);
  fixed[2] = static_cast<uint8_t>((size - 4) >> 8);
  fixed[3] = static_cast<uint8_t>(size - 4);
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : fixed) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  for (int i = 0; i < 4; ++i) fixed.push_back(static_cast<uint8_t>(~crc >> (8 * i)));
  try_packet(fixed);
  return 0;
}
