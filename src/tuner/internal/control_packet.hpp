#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The packets of the HDHomeRun's discovery (UDP) and control (TCP) protocol, both on port 65001: type and payload length, 16 bits each,
/// the payload, and the CRC-32 of all before it (as Ethernet's). Big-endian but for the CRC. The payload is a row of tag, length, value;
/// a length over 127 takes two bytes, the low seven bits first. As libhdhomerun's hdhomerun_pkt.h describes it.
namespace ec::tuner::internal {

enum class control_type : uint16_t {
  discover_request = 2,
  discover_reply = 3,
  getset_request = 4,
  getset_reply = 5,
};

enum class control_tag : uint8_t {
  device_type = 0x01, ///< 32 bits; 1: a tuner, all ones: any
  device_id = 0x02,   ///< 32 bits; all ones: any
  getset_name = 0x03,
  getset_value = 0x04,
  error_message = 0x05,
  tuner_count = 0x10, ///< 8 bits
  lock_key = 0x15,    ///< 32 bits
  lineup_url = 0x27,
  base_url = 0x2a,
};

/// One tag with its value; tags that nobody knows are kept and skipped.
struct control_field {
  control_tag tag = control_tag::device_type;
  std::string value; ///< bytes

  friend bool operator==(const control_field&, const control_field&) = default;
};

struct control_packet {
  control_type type = control_type::discover_request; ///< perhaps none of those above
  std::vector<control_field> fields;

  friend bool operator==(const control_packet&, const control_packet&) = default;

  /// The first field of this tag as a number of 32 bits; nothing if it is not there or of another size.
  std::optional<uint32_t> number(control_tag tag) const;
  /// The first field of this tag as text, up to its NUL, which the sender may have left out.
  std::optional<std::string> text(control_tag tag) const;
  void add_number(control_tag tag, uint32_t value);
  /// With a NUL at its end.
  void add_text(control_tag tag, std::string_view value);
};

/// Bytes of the packet that begins here. Errors: need_more (its head is not whole), too_large (payload over limits::control_payload_bytes_max).
[[nodiscard]] base::result<size_t> control_packet_size(std::span<const uint8_t> in);

/// Reads exactly one packet. Errors: need_more, too_large, mismatch (CRC), malformed (a value runs over the end, bytes behind the packet).
[[nodiscard]] base::result<control_packet> decode_control(std::span<const uint8_t> in);

/// Errors: too_large.
[[nodiscard]] base::result<std::vector<uint8_t>> encode_control(const control_packet& packet);

} // namespace ec::tuner::internal
