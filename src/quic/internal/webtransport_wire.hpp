#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

/// The bytes of WebTransport over HTTP/3 that HTTP/3 itself does not know: numbers, SETTINGS, capsules, protocol lists. No state of a
/// connection.
namespace ec::quic::internal {

// What a stream of a session begins with, in front of the session's id.
inline constexpr uint64_t uni_stream_type = 0x54;
inline constexpr uint64_t bidi_stream_signal = 0x41;

// HTTP/3 error codes [RFC 9114 8.1, RFC 9297 2.1] and those of WebTransport.
inline constexpr uint64_t h3_no_error = 0x100;
inline constexpr uint64_t h3_general_protocol_error = 0x101;
inline constexpr uint64_t h3_internal_error = 0x102;
inline constexpr uint64_t h3_closed_critical_stream = 0x104;
inline constexpr uint64_t h3_excessive_load = 0x107;
inline constexpr uint64_t h3_id_error = 0x108;
inline constexpr uint64_t h3_request_rejected = 0x10b;
inline constexpr uint64_t h3_request_cancelled = 0x10c;
inline constexpr uint64_t h3_message_error = 0x10e;
inline constexpr uint64_t h3_datagram_error = 0x33;
inline constexpr uint64_t wt_session_gone = 0x170d7b68;
inline constexpr uint64_t wt_buffered_stream_rejected = 0x3994bd84;

/// An application's code on the wire. Codes have 32 bits: larger ones become the largest.
uint64_t to_http3_code(uint64_t code);
/// The application's code; nothing if the number is none of those that carry one.
std::optional<uint64_t> from_http3_code(uint64_t code);

/// Identifiers and values.
using http3_settings = std::vector<std::pair<uint64_t, uint64_t>>;

/// `control` begins a control stream (type, then the SETTINGS frame [RFC 9114 6.2.1]): the same with `extra` in the frame, in place of
/// what stands there under the same identifier, else behind it. need_more until the frame is whole; malformed; too_large.
base::result<std::vector<uint8_t>> with_settings(std::span<const uint8_t> control, const http3_settings& extra);

/// The two bytes and the session's id that a stream of a session begins with.
std::vector<uint8_t> stream_prefix(bool bidi, uint64_t session);

struct capsule {
  enum class kind { close, drain };
  kind what = kind::drain;
  uint32_t code = 0;  ///< close
  std::string reason; ///< close
};

std::vector<uint8_t> write_close_capsule(uint64_t code, std::string_view reason);
std::vector<uint8_t> write_drain_capsule();

/// Reads the capsules of a CONNECT stream [RFC 9297 3.2], however they are cut. Unknown ones are skipped without being kept.
class capsule_reader {
public:
  /// What was completed by these bytes. malformed, too_large: a length that its capsule cannot have, found before memory is taken.
  base::result<std::vector<capsule>> push(std::span<const uint8_t> bytes);
  /// True between capsules: the stream may end here.
  bool at_boundary() const { return held_.empty() && skip_ == 0; }

private:
  std::vector<uint8_t> held_; ///< an unfinished head, or a known capsule
  uint64_t skip_ = 0;         ///< bytes of an unknown one that are still to come
};

/// The names in a list of strings [RFC 9651 3.1, 3.3.3], or in one of bare words, as older drafts write it. What is no name is left out.
std::vector<std::string> protocol_names(std::string_view list);
/// `"moqt-18", "moqt-16"`.
std::string protocol_list(const std::vector<std::string>& names);

} // namespace ec::quic::internal
