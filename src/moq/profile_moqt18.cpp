// draft-ietf-moq-transport-18: control messages.
#include <algorithm>
#include <cassert>
#include <type_traits>

#include "base/limits.hpp"
#include "moq/internal/moqt18.hpp"

namespace ec::moq {
namespace {

using namespace moqt18_wire;
namespace limits = base::limits;

// Message types [MOQT 10].
constexpr uint64_t m_request_update = 0x02, m_subscribe = 0x03, m_subscribe_ok = 0x04, m_request_error = 0x05,
                   m_publish_namespace = 0x06, m_request_ok = 0x07, m_namespace = 0x08, m_publish_done = 0x0b,
                   m_track_status = 0x0d, m_namespace_done = 0x0e, m_publish_blocked = 0x0f, m_goaway = 0x10, m_fetch = 0x16,
                   m_fetch_ok = 0x18, m_publish = 0x1d, m_publish_ok = 0x1e, m_subscribe_namespace = 0x50,
                   m_subscribe_tracks = 0x51, m_setup = 0x2f00;

// Parameters by message [MOQT 10.2.2 to 10.2.14].
constexpr uint32_t for_subscribe = p_object_timeout | p_token | p_rendezvous | p_subgroup_timeout | p_forward | p_priority |
                                   p_filter | p_order | p_new_group;
constexpr uint32_t for_publish_ok = p_object_timeout | p_subgroup_timeout | p_expires | p_forward | p_priority | p_filter |
                                    p_order | p_new_group;
constexpr uint32_t for_subscribe_ok = p_expires | p_largest;
constexpr uint32_t for_fetch = p_token | p_fill | p_priority | p_order;
constexpr uint32_t for_publish = p_token | p_expires | p_largest | p_forward;

/// REQUEST_OK answers the request or an update of it; both come on the same stream.
uint32_t for_request_ok(std::optional<request_kind> on) {
  if (!on) return 0;
  switch (*on) {
  case request_kind::subscribe: return p_expires | p_largest;
  case request_kind::publish: return for_publish_ok | p_largest;
  case request_kind::track_status: return p_expires | p_largest;
  default: return 0;
  }
}

uint32_t for_update(std::optional<request_kind> on) {
  if (!on) return 0;
  switch (*on) {
  case request_kind::subscribe:
  case request_kind::publish:
    return p_object_timeout | p_token | p_subgroup_timeout | p_forward | p_priority | p_filter | p_new_group;
  case request_kind::fetch: return p_token | p_priority;
  case request_kind::subscribe_namespace: return p_token | p_prefix;
  case request_kind::subscribe_tracks: return p_token | p_prefix | p_forward;
  case request_kind::publish_namespace: return p_token | p_hops | p_route_cost;
  case request_kind::track_status: return 0;
  }
  return 0;
}

/// Exactly what is left, as UTF-8 is not checked: a reason is for people only [MOQT 1.4.4].
decoded<std::string> need_reason(byte_reader& in) {
  return field::need_string(in, limits::moq_reason_bytes_max);
}

decoded<message> body(uint64_t type, byte_reader& in, std::optional<request_kind> on) {
  switch (type) {
  case m_setup: {
    WIRE_TRY(auto m, need_setup(in));
    return message{std::move(m)};
  }
  case m_goaway: {
    goaway m;
    WIRE_SET(m.uri, field::need_string(in, limits::moq_uri_bytes_max));
    WIRE_SET(m.timeout_ms, field::need_vi(in));
    if (!on) {
      WIRE_SET(m.first_unprocessed, field::need_vi(in));
    }
    return message{std::move(m)};
  }
  case m_subscribe: {
    subscribe m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.track, field::need_track_name(in));
    WIRE_SET(m.params, need_parameters(in, for_subscribe));
    return message{std::move(m)};
  }
  case m_track_status: {
    track_status m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.track, field::need_track_name(in));
    // Delivery parameters "are not included", which is no violation of its own: it is a SUBSCRIBE by another type.
    WIRE_SET(m.params, need_parameters(in, for_subscribe));
    return message{std::move(m)};
  }
  case m_subscribe_ok: {
    subscribe_ok m;
    WIRE_SET(m.alias, field::need_vi(in));
    WIRE_SET(m.params, need_parameters(in, for_subscribe_ok));
    WIRE_SET(m.properties, need_track_properties(in));
    return message{std::move(m)};
  }
  case m_request_ok:
  case m_publish_ok: {
    request_ok m;
    WIRE_SET(m.params, need_parameters(in, for_request_ok(on)));
    if (on != request_kind::track_status && !in.done()) return violation("REQUEST_OK carries properties here");
    WIRE_SET(m.properties, need_track_properties(in));
    return message{std::move(m)};
  }
  case m_request_error: {
    request_error m;
    WIRE_SET(m.code, field::need_vi(in));
    WIRE_TRY(const auto retry, field::need_vi(in));
    if (retry > 0) m.retry_after_ms = retry - 1;
    WIRE_SET(m.reason, need_reason(in));
    if (m.code == request_code::redirect) {
      redirect r;
      WIRE_SET(r.uri, field::need_string(in, limits::moq_uri_bytes_max));
      WIRE_SET(r.track, field::need_track_name(in));
      const bool of_namespace = on == request_kind::subscribe_namespace || on == request_kind::publish_namespace;
      if (of_namespace && !r.track.name.empty()) return violation("a redirect of a namespace names a track");
      m.to = std::move(r);
    }
    return message{std::move(m)};
  }
  case m_request_update: {
    request_update m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.params, need_parameters(in, for_update(on)));
    return message{std::move(m)};
  }
  case m_publish: {
    publish m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.track, field::need_track_name(in));
    WIRE_SET(m.alias, field::need_vi(in));
    WIRE_SET(m.params, need_parameters(in, for_publish));
    WIRE_SET(m.properties, need_track_properties(in));
    return message{std::move(m)};
  }
  case m_publish_done: {
    publish_done m;
    WIRE_SET(m.status, field::need_vi(in));
    WIRE_SET(m.stream_count, field::need_vi(in));
    WIRE_SET(m.reason, need_reason(in));
    return message{std::move(m)};
  }
  case m_fetch: {
    fetch m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_TRYV(field::take_range(in, m));
    WIRE_SET(m.params, need_parameters(in, for_fetch));
    return message{std::move(m)};
  }
  case m_fetch_ok: {
    fetch_ok m;
    WIRE_TRY(const auto end_of_track, field::need_u8(in));
    m.end_of_track = end_of_track != 0;
    WIRE_SET(m.end, field::need_location(in));
    WIRE_SET(m.params, need_parameters(in, 0));
    WIRE_SET(m.properties, need_track_properties(in));
    return message{std::move(m)};
  }
  case m_publish_namespace: {
    publish_namespace m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.ns, field::need_namespace(in));
    WIRE_SET(m.params, need_parameters(in, p_token | p_hops | p_route_cost));
    return message{std::move(m)};
  }
  case m_subscribe_namespace: {
    subscribe_namespace m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.prefix, field::need_namespace(in));
    WIRE_SET(m.params, need_parameters(in, p_token));
    return message{std::move(m)};
  }
  case m_subscribe_tracks: {
    subscribe_tracks m;
    WIRE_SET(m.id, field::need_vi(in));
    WIRE_SET(m.prefix, field::need_namespace(in));
    WIRE_SET(m.params, need_parameters(in, p_token | p_forward));
    return message{std::move(m)};
  }
  case m_namespace: {
    namespace_active m;
    WIRE_SET(m.suffix, field::need_namespace(in));
    if (in.done()) return message{std::move(m)};
    // Only where both sides speak MoQ Cluster, which the session knows by the path.
    WIRE_TRY(auto way, need_parameters(in, p_hops | p_route_cost));
    if (!way.hops) return violation("a message is longer than its fields");
    m.hops = std::move(way.hops);
    m.route_cost = way.route_cost;
    return message{std::move(m)};
  }
  case m_namespace_done: {
    namespace_done m;
    WIRE_SET(m.suffix, field::need_namespace(in));
    return message{std::move(m)};
  }
  case m_publish_blocked: {
    publish_blocked m;
    WIRE_SET(m.suffix, field::need_track_name(in));
    return message{std::move(m)};
  }
  default: return violation("unknown message type " + std::to_string(type));
  }
}

/// Writes the payload of each message and tells its type.
struct encoder {
  byte_writer& out;

  uint64_t operator()(const setup& m) const {
    put_setup(out, m);
    return m_setup;
  }
  uint64_t operator()(const goaway& m) const {
    field::put_string(out, m.uri);
    out.moqt_vi64(m.timeout_ms);
    if (m.first_unprocessed) out.moqt_vi64(*m.first_unprocessed);
    return m_goaway;
  }
  uint64_t operator()(const subscribe& m) const {
    out.moqt_vi64(m.id);
    field::put_track_name(out, m.track);
    put_parameters(out, m.params);
    return m_subscribe;
  }
  uint64_t operator()(const track_status& m) const {
    out.moqt_vi64(m.id);
    field::put_track_name(out, m.track);
    put_parameters(out, m.params);
    return m_track_status;
  }
  uint64_t operator()(const subscribe_ok& m) const {
    out.moqt_vi64(m.alias);
    put_parameters(out, m.params);
    put_track_properties(out, m.properties);
    return m_subscribe_ok;
  }
  uint64_t operator()(const request_ok& m) const {
    put_parameters(out, m.params);
    put_track_properties(out, m.properties);
    return m_request_ok;
  }
  uint64_t operator()(const request_error& m) const {
    out.moqt_vi64(m.code);
    out.moqt_vi64(m.retry_after_ms ? std::min(*m.retry_after_ms, ~uint64_t{0} - 1) + 1 : 0);
    field::put_string(out, std::string_view(m.reason).substr(0, limits::moq_reason_bytes_max));
    if (m.code == request_code::redirect) {
      const redirect r = m.to.value_or(redirect{});
      field::put_string(out, r.uri);
      field::put_track_name(out, r.track);
    }
    return m_request_error;
  }
  uint64_t operator()(const request_update& m) const {
    out.moqt_vi64(m.id);
    put_parameters(out, m.params);
    return m_request_update;
  }
  uint64_t operator()(const publish& m) const {
    out.moqt_vi64(m.id);
    field::put_track_name(out, m.track);
    out.moqt_vi64(m.alias);
    put_parameters(out, m.params);
    put_track_properties(out, m.properties);
    return m_publish;
  }
  uint64_t operator()(const publish_done& m) const {
    out.moqt_vi64(m.status);
    out.moqt_vi64(m.stream_count);
    field::put_string(out, std::string_view(m.reason).substr(0, limits::moq_reason_bytes_max));
    return m_publish_done;
  }
  uint64_t operator()(const fetch& m) const {
    out.moqt_vi64(m.id);
    field::put_range(out, m);
    put_parameters(out, m.params);
    return m_fetch;
  }
  uint64_t operator()(const fetch_ok& m) const {
    out.u8(m.end_of_track ? 1 : 0);
    field::put_location(out, m.end);
    put_parameters(out, m.params);
    put_track_properties(out, m.properties);
    return m_fetch_ok;
  }
  uint64_t operator()(const publish_namespace& m) const {
    out.moqt_vi64(m.id);
    field::put_namespace(out, m.ns);
    put_parameters(out, m.params);
    return m_publish_namespace;
  }
  uint64_t operator()(const subscribe_namespace& m) const {
    out.moqt_vi64(m.id);
    field::put_namespace(out, m.prefix);
    put_parameters(out, m.params);
    return m_subscribe_namespace;
  }
  uint64_t operator()(const subscribe_tracks& m) const {
    out.moqt_vi64(m.id);
    field::put_namespace(out, m.prefix);
    put_parameters(out, m.params);
    return m_subscribe_tracks;
  }
  uint64_t operator()(const namespace_active& m) const {
    field::put_namespace(out, m.suffix);
    if (m.hops) {
      parameters way;
      way.hops = m.hops;
      way.route_cost = m.route_cost;
      put_parameters(out, way);
    }
    return m_namespace;
  }
  uint64_t operator()(const namespace_done& m) const {
    field::put_namespace(out, m.suffix);
    return m_namespace_done;
  }
  uint64_t operator()(const publish_blocked& m) const {
    field::put_track_name(out, m.suffix);
    return m_publish_blocked;
  }
};

class moqt18_profile final : public profile {
public:
  std::string_view name() const override { return "moqt-18"; }

  decoded<message> decode_control(byte_reader& in, std::optional<request_kind> on) const override {
    return framed<field>(in, [on](uint64_t type, byte_reader& payload) { return body(type, payload, on); });
  }

  std::vector<uint8_t> encode_control(const message& m) const override {
    byte_writer payload;
    const uint64_t type = std::visit(encoder{payload}, m);
    assert(payload.size() <= limits::moq_control_message_bytes_max);
    return put_framed<field>(type, payload.span());
  }

  decoded<uni_header> decode_uni_header(byte_reader& in) const override { return moqt18_wire::decode_uni_header(in); }
  std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h) const override {
    return moqt18_wire::encode_subgroup_header(h);
  }
  std::vector<uint8_t> encode_fetch_header(const fetch_header& h) const override { return moqt18_wire::encode_fetch_header(h); }
  decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h,
                                                std::optional<uint64_t> previous) const override {
    return moqt18_wire::decode_subgroup_object(in, h, previous);
  }
  std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h,
                                              std::optional<uint64_t> previous) const override {
    return moqt18_wire::encode_subgroup_object(o, h, previous);
  }
  decoded<fetch_item> decode_fetch_item(byte_reader& in, fetch_cursor& cursor) const override {
    return moqt18_wire::decode_fetch_item(in, cursor);
  }
  std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor) const override {
    return moqt18_wire::encode_fetch_item(item, cursor);
  }
  decoded<datagram> decode_datagram(byte_reader& in) const override { return moqt18_wire::decode_datagram(in); }
  std::vector<uint8_t> encode_datagram(const datagram_header& h) const override { return moqt18_wire::encode_datagram(h); }
  std::vector<uint8_t> encode_padding(bool datagram) const override { return moqt18_wire::encode_padding(datagram); }
  decoded<object_properties> check_object_properties(std::span<const uint8_t> in) const override {
    return moqt18_wire::check_object_properties(in);
  }
  uint64_t id_max() const override { return leading_ones::max; }
};

} // namespace

const profile& moqt18() {
  static const moqt18_profile instance;
  return instance;
}

} // namespace ec::moq
