#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "moq/internal/wire_fields.hpp"
#include "moq/profile.hpp"

/// The bytes of draft-ietf-moq-transport-16. Messages are those of `moq/message.hpp` where both drafts say the same.
namespace ec::moq::moqt16_wire {

using namespace wire;
using field = wire::fields<wire::quic_integers>;

/// Message types [MOQT 16 9].
enum class type : uint64_t {
  request_update = 0x02,
  subscribe = 0x03,
  subscribe_ok = 0x04,
  request_error = 0x05,
  publish_namespace = 0x06,
  request_ok = 0x07,
  name_space = 0x08,
  publish_namespace_done = 0x09,
  unsubscribe = 0x0a,
  publish_done = 0x0b,
  publish_namespace_cancel = 0x0c,
  track_status = 0x0d,
  namespace_done = 0x0e,
  goaway = 0x10,
  subscribe_namespace = 0x11,
  max_request_id = 0x15,
  fetch = 0x16,
  fetch_cancel = 0x17,
  fetch_ok = 0x18,
  requests_blocked = 0x1a,
  publish = 0x1d,
  publish_ok = 0x1e,
  client_setup = 0x20,
  server_setup = 0x21,
};

/// Closes a session whose peer went over MAX_REQUEST_ID [MOQT 16 9.5].
inline constexpr uint64_t too_many_requests = 0x7;

/// What a SUBSCRIBE_NAMESPACE asks for [MOQT 16 9.25].
inline constexpr uint64_t ask_publish = 0, ask_namespaces = 1, ask_both = 2;

/// One control message. `body` is the message of the same meaning: PUBLISH_OK is a request_ok, PUBLISH_NAMESPACE_CANCEL a
/// request_error, SUBSCRIBE_NAMESPACE always a subscribe_namespace (`number` says what it asks for); ids in it are not used.
struct control_message {
  type is = type::goaway;
  request_id id = 0; ///< its own, or of the request that it is about; not of setups, GOAWAY, NAMESPACE, NAMESPACE_DONE, limits
  message body;      ///< not of UNSUBSCRIBE, FETCH_CANCEL, PUBLISH_NAMESPACE_DONE, limits
  uint64_t number = 0; ///< setups, MAX_REQUEST_ID, REQUESTS_BLOCKED: the limit; REQUEST_UPDATE: the request that is updated

  bool operator==(const control_message&) const = default;
};

/// The message at the front of `in`. Parameters that may not stand in it are left out, unknown ones are violations.
decoded<control_message> decode_control(byte_reader& in);
/// Its bytes; what the draft has no word for is left out. Empty: over 65535 bytes.
std::vector<uint8_t> encode_control(const control_message& m);

/// Which parameters a message may carry, one bit for each [MOQT 16 9.2.2].
enum param_bit : uint32_t {
  p_timeout = 1u << 0,
  p_token = 1u << 1,
  p_expires = 1u << 2,
  p_largest = 1u << 3,
  p_forward = 1u << 4,
  p_priority = 1u << 5,
  p_filter = 1u << 6,
  p_order = 1u << 7,
  p_new_group = 1u << 8,
};

// Parameters, properties, setups: profile_moqt16_fields.cpp.
decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed);
void put_parameters(byte_writer& out, const parameters& p, uint32_t allowed);
/// All that is left of `in`.
decoded<track_properties> need_track_properties(byte_reader& in);
void put_track_properties(byte_writer& out, const track_properties& p);
/// `max_request_id`: 0 if absent.
decoded<setup> need_setup(byte_reader& in, uint64_t& max_request_id);
void put_setup(byte_writer& out, const setup& s, uint64_t max_request_id);

/// Key-value pairs of this draft written as draft 18's, those within immutable properties too: integers differ, values do not. If
/// what is within cannot be read, it becomes something that cannot be read there either. Errors: violation.
decoded<std::vector<uint8_t>> pairs_to_18(std::span<const uint8_t> in);
/// And back. Numbers over 2^62 - 1 cannot be said: those pairs are left out.
std::vector<uint8_t> pairs_from_18(std::span<const uint8_t> in);

} // namespace ec::moq::moqt16_wire
