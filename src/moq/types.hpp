#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

/// Media over QUIC Transport: names, locations, objects and codes. Nothing here knows a draft.
namespace ec::moq {

/// Ordered fields of a track namespace [MOQT 2.4.1]. Shape: 0 to 32 fields of at least one byte, any bytes.
struct track_namespace {
  std::vector<std::string> fields;

  auto operator<=>(const track_namespace&) const = default;
  bool operator==(const track_namespace&) const = default;
  /// True if the first fields of `ns` are exactly these; every namespace has the empty one as a prefix.
  bool is_prefix_of(const track_namespace& ns) const;
  /// The fields of this namespace behind `prefix`; call only if `prefix` is one.
  track_namespace suffix_after(const track_namespace& prefix) const;
  /// `this` followed by `suffix`.
  track_namespace joined(const track_namespace& suffix) const;
  /// Sum of the lengths of the fields, in bytes.
  size_t bytes() const;
};

/// What a subscriber asks for: a namespace and a name, 4,096 bytes at most together [MOQT 2.4.1].
struct full_track_name {
  track_namespace ns;
  std::string name;

  auto operator<=>(const full_track_name&) const = default;
  bool operator==(const full_track_name&) const = default;
};

/// Printable form: fields joined by '-', then '--' and the name; bytes outside [A-Za-z0-9_] as '.xx' [MOQT 1.5].
std::string to_string(const track_namespace& ns);
std::string to_string(const full_track_name& name);
/// The name that a printable form spells. Errors: malformed (upper-case or needless escapes, no "--").
[[nodiscard]] base::result<full_track_name> parse_track_name(std::string_view text);

/// True if a request may use this name: field count, lengths, total.
bool is_valid(const track_namespace& ns);
bool is_valid(const full_track_name& name);

/// Where an object sits in its track; ordered by group, then object [MOQT 1.4.2].
struct location {
  uint64_t group = 0;
  uint64_t object = 0;

  auto operator<=>(const location&) const = default;
};

/// Order in which groups of one request are sent [MOQT 7.1]; the values are the wire's.
enum class group_order : uint8_t { ascending = 1, descending = 2 };

/// What an object says of itself [MOQT 11.2.1.1]; the values are the wire's.
enum class object_status : uint8_t { normal = 0, end_of_group = 3, end_of_track = 4 };

/// One object, whole. `properties` are key-value pairs as they stand on the wire, without their length.
struct object {
  uint64_t group = 0;
  uint64_t subgroup = 0;
  uint64_t id = 0;
  uint8_t priority = 128; ///< publisher priority, lower first
  base::bytes properties;
  base::bytes payload;    ///< empty unless status is normal
  object_status status = object_status::normal;
  bool datagram = false;  ///< published as a datagram, and in no subgroup then [MOQT 11.2.1]
  bool ends_group = false; ///< of a datagram: its group has no larger object [MOQT 11.3.1]

  location at() const { return {group, id}; }
};

/// An object of which not all has come.
struct object_part {
  object begun;               ///< its payload: what has come of it, from its beginning on
  uint64_t payload_bytes = 0; ///< of the whole
};

/// Origin ids of the nodes that an announcement went through, its first publisher's first; 0: one that does not tell [lite ANNOUNCE_BROADCAST].
using hop_path = std::vector<uint64_t>;

/// Of `best` (null: none yet) and `way` the one to tell who has the origin id `exclude` (0: nobody knows): not through him, and not too long; `told`
/// (null: none) if it is one of them, else the shorter.
const hop_path* better_way(const hop_path* best, const hop_path& way, const hop_path* told, uint64_t exclude);

using request_id = uint64_t;
/// Never a real request id.
inline constexpr request_id no_request = ~uint64_t{0};

/// Session termination codes [MOQT 3.4].
namespace session_code {
inline constexpr uint64_t no_error = 0x0, internal_error = 0x1, unauthorized = 0x2, protocol_violation = 0x3,
                          invalid_request_id = 0x4, duplicate_track_alias = 0x5, key_value_formatting_error = 0x6,
                          invalid_path = 0x8, malformed_path = 0x9, goaway_timeout = 0x10, control_message_timeout = 0x11,
                          data_stream_timeout = 0x12, auth_token_cache_overflow = 0x13, duplicate_auth_token_alias = 0x14,
                          version_negotiation_failed = 0x15, malformed_auth_token = 0x16, unknown_auth_token_alias = 0x17,
                          expired_auth_token = 0x18, invalid_authority = 0x19, malformed_authority = 0x1a;
}

/// Codes of REQUEST_ERROR [MOQT 10.6].
namespace request_code {
inline constexpr uint64_t internal_error = 0x0, unauthorized = 0x1, timeout = 0x2, not_supported = 0x3,
                          malformed_auth_token = 0x4, expired_auth_token = 0x5, going_away = 0x6, excessive_load = 0x9,
                          does_not_exist = 0x10, invalid_range = 0x11, malformed_track = 0x12, duplicate_subscription = 0x19,
                          uninterested = 0x20, prefix_overlap = 0x30, namespace_too_large = 0x31,
                          invalid_joining_request_id = 0x32, unsupported_extension = 0x33, redirect = 0x34;
}

/// Status codes of PUBLISH_DONE [MOQT 10.11].
namespace done_code {
inline constexpr uint64_t internal_error = 0x0, unauthorized = 0x1, track_ended = 0x2, subscription_ended = 0x3,
                          going_away = 0x4, too_far_behind = 0x5, expired = 0x6, update_failed = 0x8, excessive_load = 0x9,
                          malformed_track = 0x12;
}

/// Codes of RESET_STREAM and STOP_SENDING [MOQT 3.2.3].
namespace reset_code {
inline constexpr uint64_t internal_error = 0x0, cancelled = 0x1, delivery_timeout = 0x2, session_closed = 0x3,
                          going_away = 0x4, too_far_behind = 0x5, unknown_object_status = 0x6, expired_auth_token = 0x7,
                          excessive_load = 0x9, malformed_track = 0x12;
}

} // namespace ec::moq

template <>
struct std::hash<ec::moq::full_track_name> {
  size_t operator()(const ec::moq::full_track_name& name) const noexcept;
};
