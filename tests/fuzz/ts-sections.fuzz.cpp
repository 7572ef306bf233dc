#include <algorithm>
#include <cstdint>
#include <vector>

#include "ts/packet_reader.hpp"
#include "ts/pes.hpp"
#include "ts/section.hpp"
#include "ts/tables.hpp"

/// Bytes as one section with a right CRC through every table decoder, as packets through the assembler, and as a PES header.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::ts;
  pes_header head;
  (void)parse_pes_header({data, size}, head);
  section_assembler assembler;
  packet_reader reader;
  const auto sink = [&](const uint8_t* p) { assembler.push(packet_view(p), [](std::span<const uint8_t>) {}); };
  reader.push({data, size}, sink, [](bool) {});
  reader.finish(sink, [](bool) {});
  if (size < 8) return 0;
  std::vector<uint8_t> section(data, data + std::min<size_t>(size, 1000));
  const size_t length = section.size() + 4 - 3;
  section[1] = static_cast<uint8_t>(0xb0 | length >> 8);
  section[2] = static_cast<uint8_t>(length);
  section[6] = section[7] = 0;
  append_crc(section);
  for (const uint8_t table : {0x00, 0x02, 0x40, 0x42, 0x70, 0x73, 0xc7, 0xc8, 0xc9, 0xcd}) {
    section[0] = table;
    const std::vector<std::vector<uint8_t>> one{section};
    switch (table) {
    case 0x00: (void)decode_pat(one); break;
    case 0x02: (void)decode_pmt(one); break;
    case 0x40:
      if (const auto nit = decode_nit(one)) (void)nit.value().network_of(1);
      break;
    case 0x42: (void)decode_sdt(one); break;
    case 0x70: case 0x73: (void)decode_tdt(section); break;
    case 0xc7: (void)decode_mgt(one); break;
    case 0xcd: (void)decode_stt(section); break;
    default: (void)decode_vct(one);
    }
  }
  return 0;
}
