#include "tuner/internal/control_packet.hpp"

#include <algorithm>

#include "base/byte_io.hpp"
#include "base/bytes.hpp"
#include "base/limits_tuner.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr size_t head_bytes = 4;
constexpr size_t crc_bytes = 4;

/// CRC-32 as of Ethernet: reflected, all ones before and after.
uint32_t ethernet_crc(std::span<const uint8_t> in) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : in) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

const control_field* find(const control_packet& packet, control_tag tag) {
  const auto at = std::ranges::find(packet.fields, tag, &control_field::tag);
  return at == packet.fields.end() ? nullptr : &*at;
}

} // namespace

std::optional<uint32_t> control_packet::number(control_tag tag) const {
  const auto* field = find(*this, tag);
  if (!field || field->value.size() != 4) return std::nullopt;
  return base::byte_reader(base::as_span(field->value)).u32();
}

std::optional<std::string> control_packet::text(control_tag tag) const {
  const auto* field = find(*this, tag);
  if (!field) return std::nullopt;
  return field->value.substr(0, field->value.find('\0'));
}

void control_packet::add_number(control_tag tag, uint32_t value) {
  base::byte_writer out;
  out.u32(value);
  fields.push_back({tag, std::string(base::as_text(out.span()))});
}

void control_packet::add_text(control_tag tag, std::string_view value) {
  fields.push_back({tag, std::string(value) + '\0'});
}

base::result<size_t> control_packet_size(std::span<const uint8_t> in) {
  if (in.size() < head_bytes) return fail(errc::need_more, "a packet begins with four bytes");
  const size_t payload = static_cast<size_t>(in[2]) << 8 | in[3];
  if (payload > base::limits::control_payload_bytes_max) return fail(errc::too_large, "the payload has " + std::to_string(payload) + " bytes");
  return head_bytes + payload + crc_bytes;
}

base::result<control_packet> decode_control(std::span<const uint8_t> in) {
  EC_TRY(const auto size, control_packet_size(in));
  if (in.size() < size) return fail(errc::need_more, "the packet is cut short");
  if (in.size() > size) return fail(errc::malformed, "there are bytes behind the packet");
  const auto crc = in.last(crc_bytes);
  const uint32_t said = crc[0] | uint32_t{crc[1]} << 8 | uint32_t{crc[2]} << 16 | uint32_t{crc[3]} << 24;
  if (said != ethernet_crc(in.first(size - crc_bytes))) return fail(errc::mismatch, "the CRC of the packet is wrong");
  control_packet out;
  out.type = static_cast<control_type>(in[0] << 8 | in[1]);
  base::byte_reader payload(in.subspan(head_bytes, size - head_bytes - crc_bytes));
  while (!payload.done()) {
    const auto tag = payload.u8();
    const auto low = payload.u8();
    if (!low) return fail(errc::malformed, "a tag without a length");
    size_t length = *low;
    if ((*low & 0x80) != 0) {
      const auto high = payload.u8();
      if (!high) return fail(errc::malformed, "half a length");
      length = (*low & 0x7fu) | static_cast<size_t>(*high) << 7;
    }
    const auto value = payload.take(length);
    if (!value) return fail(errc::malformed, "a value runs over the end of the packet");
    out.fields.push_back({static_cast<control_tag>(*tag), std::string(base::as_text(*value))});
  }
  return out;
}

base::result<std::vector<uint8_t>> encode_control(const control_packet& packet) {
  base::byte_writer out;
  out.u16(static_cast<uint16_t>(packet.type));
  out.u16(0);
  for (const auto& field : packet.fields) {
    if (field.value.size() > base::limits::control_payload_bytes_max) return fail(errc::too_large, "a value of " + std::to_string(field.value.size()) + " bytes");
    out.u8(static_cast<uint8_t>(field.tag));
    const size_t length = field.value.size();
    if (length < 0x80) {
      out.u8(static_cast<uint8_t>(length));
    } else {
      out.u8(static_cast<uint8_t>(0x80 | (length & 0x7f)));
      out.u8(static_cast<uint8_t>(length >> 7));
    }
    out.raw(field.value);
  }
  const size_t payload = out.size() - head_bytes;
  if (payload > base::limits::control_payload_bytes_max) return fail(errc::too_large, "a payload of " + std::to_string(payload) + " bytes");
  out.patch_u16(2, static_cast<uint16_t>(payload));
  const uint32_t crc = ethernet_crc(out.span());
  for (int i = 0; i < 4; ++i) out.u8(static_cast<uint8_t>(crc >> (8 * i)));
  return out.take();
}

} // namespace ec::tuner::internal
