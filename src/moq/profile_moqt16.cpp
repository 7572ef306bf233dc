// draft-ietf-moq-transport-16: control messages.
#include <type_traits>

#include "moq/internal/moqt16.hpp"

namespace ec::moq::moqt16_wire {
namespace {

namespace limits = base::limits;

// Parameters by message [MOQT 16 9.2.2].
constexpr uint32_t for_subscribe = p_timeout | p_token | p_forward | p_priority | p_filter | p_order | p_new_group;
constexpr uint32_t for_publish_ok = p_timeout | p_expires | p_forward | p_priority | p_filter | p_order | p_new_group;
constexpr uint32_t for_subscribe_ok = p_expires | p_largest;
constexpr uint32_t for_request_ok = p_expires | p_largest;
constexpr uint32_t for_update = p_timeout | p_token | p_forward | p_priority | p_filter | p_new_group;
constexpr uint32_t for_fetch = p_token | p_priority | p_order;
constexpr uint32_t for_publish = p_token | p_expires | p_largest | p_forward;
constexpr uint32_t for_subscribe_namespace = p_token | p_forward;

/// Codes that mean something else here, or nothing; one table for each direction [MOQT 16 13.4.2, 13.4.3].
uint64_t request_code_out(uint64_t code) {
  switch (code) {
  case request_code::going_away:
  case request_code::excessive_load:
  case request_code::namespace_too_large: return request_code::internal_error;
  case request_code::unsupported_extension: return request_code::not_supported;
  case request_code::redirect: return request_code::does_not_exist;
  default: return code;
  }
}
uint64_t request_code_in(uint64_t code) {
  // There is nothing behind it here that says where to.
  return code == request_code::redirect ? request_code::does_not_exist : code;
}
constexpr uint64_t done_expired = 5, done_too_far_behind = 6;
uint64_t done_code_out(uint64_t code) {
  switch (code) {
  case done_code::expired: return done_expired;
  case done_code::too_far_behind: return done_too_far_behind;
  case done_code::excessive_load: return done_code::internal_error;
  default: return code;
  }
}
uint64_t done_code_in(uint64_t code) {
  switch (code) {
  case done_expired: return done_code::expired;
  case done_too_far_behind: return done_code::too_far_behind;
  default: return code;
  }
}

decoded<std::string> need_reason(byte_reader& in) {
  return field::need_string(in, limits::moq_reason_bytes_max);
}
void put_reason(byte_writer& out, std::string_view reason) {
  field::put_string(out, reason.substr(0, limits::moq_reason_bytes_max));
}

decoded<control_message> body(uint64_t number, byte_reader& in) {
  control_message c;
  c.is = static_cast<type>(number);
  const auto names_request = [&]() -> decoded<void> {
    WIRE_SET(c.id, field::need_vi(in));
    return boost::outcome_v2::success();
  };
  switch (c.is) {
  case type::client_setup:
  case type::server_setup: {
    WIRE_SET(c.body, need_setup(in, c.number));
    return c;
  }
  case type::goaway: {
    goaway m;
    WIRE_SET(m.uri, field::need_string(in, limits::moq_uri_bytes_max));
    c.body = std::move(m);
    return c;
  }
  case type::max_request_id:
  case type::requests_blocked: {
    WIRE_SET(c.number, field::need_vi(in));
    return c;
  }
  case type::unsubscribe:
  case type::fetch_cancel:
  case type::publish_namespace_done: {
    WIRE_TRYV(names_request());
    return c;
  }
  case type::publish_namespace_cancel: {
    WIRE_TRYV(names_request());
    request_error m;
    WIRE_TRY(const auto code, field::need_vi(in));
    m.code = request_code_in(code);
    WIRE_SET(m.reason, need_reason(in));
    c.body = std::move(m);
    return c;
  }
  case type::subscribe: {
    WIRE_TRYV(names_request());
    subscribe m;
    WIRE_SET(m.track, field::need_track_name(in));
    WIRE_SET(m.params, need_parameters(in, for_subscribe));
    c.body = std::move(m);
    return c;
  }
  case type::track_status: {
    WIRE_TRYV(names_request());
    track_status m;
    WIRE_SET(m.track, field::need_track_name(in));
    // Delivery parameters "are not included", which is no violation of its own: it is a SUBSCRIBE by another type.
    WIRE_SET(m.params, need_parameters(in, for_subscribe));
    c.body = std::move(m);
    return c;
  }
  case type::subscribe_ok: {
    WIRE_TRYV(names_request());
    subscribe_ok m;
    WIRE_SET(m.alias, field::need_vi(in));
    WIRE_SET(m.params, need_parameters(in, for_subscribe_ok));
    WIRE_SET(m.properties, need_track_properties(in));
    c.body = std::move(m);
    return c;
  }
  case type::request_ok: {
    WIRE_TRYV(names_request());
    request_ok m;
    WIRE_SET(m.params, need_parameters(in, for_request_ok));
    c.body = std::move(m);
    return c;
  }
  case type::publish_ok: {
    WIRE_TRYV(names_request());
    request_ok m;
    WIRE_SET(m.params, need_parameters(in, for_publish_ok));
    c.body = std::move(m);
    return c;
  }
  case type::request_error: {
    WIRE_TRYV(names_request());
    request_error m;
    WIRE_TRY(const auto code, field::need_vi(in));
    m.code = request_code_in(code);
    WIRE_TRY(const auto retry, field::need_vi(in));
    if (retry > 0) m.retry_after_ms = retry - 1;
    WIRE_SET(m.reason, need_reason(in));
    c.body = std::move(m);
    return c;
  }
  case type::request_update: {
    WIRE_TRYV(names_request());
    WIRE_SET(c.number, field::need_vi(in));
    request_update m;
    WIRE_SET(m.params, need_parameters(in, for_update));
    c.body = std::move(m);
    return c;
  }
  case type::publish: {
    WIRE_TRYV(names_request());
    publish m;
    WIRE_SET(m.track, field::need_track_name(in));
    WIRE_SET(m.alias, field::need_vi(in));
    WIRE_SET(m.params, need_parameters(in, for_publish));
    WIRE_SET(m.properties, need_track_properties(in));
    c.body = std::move(m);
    return c;
  }
  case type::publish_done: {
    WIRE_TRYV(names_request());
    publish_done m;
    WIRE_TRY(const auto status, field::need_vi(in));
    m.status = done_code_in(status);
    WIRE_SET(m.stream_count, field::need_vi(in));
    WIRE_SET(m.reason, need_reason(in));
    c.body = std::move(m);
    return c;
  }
  case type::fetch: {
    WIRE_TRYV(names_request());
    fetch m;
    WIRE_TRYV(field::take_range(in, m));
    WIRE_SET(m.params, need_parameters(in, for_fetch));
    c.body = std::move(m);
    return c;
  }
  case type::fetch_ok: {
    WIRE_TRYV(names_request());
    fetch_ok m;
    WIRE_TRY(const auto end_of_track, field::need_u8(in));
    m.end_of_track = end_of_track != 0;
    WIRE_SET(m.end, field::need_location(in));
    WIRE_SET(m.params, need_parameters(in, 0));
    WIRE_SET(m.properties, need_track_properties(in));
    c.body = std::move(m);
    return c;
  }
  case type::publish_namespace: {
    WIRE_TRYV(names_request());
    publish_namespace m;
    WIRE_SET(m.ns, field::need_namespace(in));
    WIRE_SET(m.params, need_parameters(in, p_token));
    c.body = std::move(m);
    return c;
  }
  case type::subscribe_namespace: {
    WIRE_TRYV(names_request());
    subscribe_namespace m;
    WIRE_SET(m.prefix, field::need_namespace(in));
    WIRE_SET(c.number, field::need_vi(in));
    if (c.number > ask_both) return violation("unknown subscribe options");
    WIRE_SET(m.params, need_parameters(in, for_subscribe_namespace));
    c.body = std::move(m);
    return c;
  }
  case type::name_space: {
    namespace_active m;
    WIRE_SET(m.suffix, field::need_namespace(in));
    c.body = std::move(m);
    return c;
  }
  case type::namespace_done: {
    namespace_done m;
    WIRE_SET(m.suffix, field::need_namespace(in));
    c.body = std::move(m);
    return c;
  }
  }
  return violation("unknown message type " + std::to_string(number));
}

/// The part of a message behind the ids.
struct payload_writer {
  byte_writer& out;
  const control_message& c;

  void operator()(const setup& m) const { put_setup(out, m, c.number); }
  void operator()(const goaway& m) const { field::put_string(out, m.uri); }
  void operator()(const subscribe& m) const {
    field::put_track_name(out, m.track);
    put_parameters(out, m.params, for_subscribe);
  }
  void operator()(const track_status& m) const {
    field::put_track_name(out, m.track);
    put_parameters(out, m.params, for_subscribe);
  }
  void operator()(const subscribe_ok& m) const {
    field::put(out, m.alias);
    put_parameters(out, m.params, for_subscribe_ok);
    put_track_properties(out, m.properties);
  }
  void operator()(const request_ok& m) const { put_parameters(out, m.params, c.is == type::publish_ok ? for_publish_ok : for_request_ok); }
  void operator()(const request_error& m) const {
    field::put(out, request_code_out(m.code));
    if (c.is == type::request_error) field::put(out, m.retry_after_ms ? std::min(*m.retry_after_ms, quic_integers::max - 1) + 1 : 0);
    put_reason(out, m.reason);
  }
  void operator()(const request_update& m) const {
    field::put(out, c.number);
    put_parameters(out, m.params, for_update);
  }
  void operator()(const publish& m) const {
    field::put_track_name(out, m.track);
    field::put(out, m.alias);
    put_parameters(out, m.params, for_publish);
    put_track_properties(out, m.properties);
  }
  void operator()(const publish_done& m) const {
    field::put(out, done_code_out(m.status));
    field::put(out, m.stream_count);
    put_reason(out, m.reason);
  }
  void operator()(const fetch& m) const {
    field::put_range(out, m);
    put_parameters(out, m.params, for_fetch);
  }
  void operator()(const fetch_ok& m) const {
    out.u8(m.end_of_track ? 1 : 0);
    field::put_location(out, m.end);
    put_parameters(out, m.params, 0);
    put_track_properties(out, m.properties);
  }
  void operator()(const publish_namespace& m) const {
    field::put_namespace(out, m.ns);
    put_parameters(out, m.params, p_token);
  }
  void operator()(const subscribe_namespace& m) const {
    field::put_namespace(out, m.prefix);
    field::put(out, c.number);
    put_parameters(out, m.params, for_subscribe_namespace);
  }
  void operator()(const namespace_active& m) const { field::put_namespace(out, m.suffix); }
  void operator()(const namespace_done& m) const { field::put_namespace(out, m.suffix); }
  // The draft has neither; whoever writes them says them otherwise.
  void operator()(const subscribe_tracks&) const {}
  void operator()(const publish_blocked&) const {}
};

bool names_request(type t) {
  switch (t) {
  case type::client_setup:
  case type::server_setup:
  case type::goaway:
  case type::max_request_id:
  case type::requests_blocked:
  case type::name_space:
  case type::namespace_done: return false;
  default: return true;
  }
}

} // namespace

decoded<control_message> decode_control(byte_reader& in) {
  return framed<field>(in, body);
}

std::vector<uint8_t> encode_control(const control_message& m) {
  byte_writer payload;
  if (names_request(m.is)) field::put(payload, m.id);
  switch (m.is) {
  case type::max_request_id:
  case type::requests_blocked: field::put(payload, m.number); break;
  case type::unsubscribe:
  case type::fetch_cancel:
  case type::publish_namespace_done: break;
  default: std::visit(payload_writer{payload, m}, m.body);
  }
  if (payload.size() > limits::moq_control_message_bytes_max) return {};
  return put_framed<field>(static_cast<uint64_t>(m.is), payload.span());
}

} // namespace ec::moq::moqt16_wire
