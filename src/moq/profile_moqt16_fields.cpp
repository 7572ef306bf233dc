// draft-ietf-moq-transport-16: parameters, extension headers, setup parameters.
#include <utility>

#include "moq/internal/moqt16.hpp"

namespace ec::moq::moqt16_wire {
namespace {

// Message parameters [MOQT 16 9.2.2].
constexpr uint64_t param_timeout = 0x02, param_token = 0x03, param_expires = 0x08, param_largest = 0x09, param_forward = 0x10,
                   param_priority = 0x20, param_filter = 0x21, param_order = 0x22, param_new_group = 0x32;
// The setup parameter that this draft alone has [MOQT 16 9.3.1].
constexpr uint64_t option_max_request_id = 0x02;

uint32_t bit_of(uint64_t type) {
  switch (type) {
  case param_timeout: return p_timeout;
  case param_token: return p_token;
  case param_expires: return p_expires;
  case param_largest: return p_largest;
  case param_forward: return p_forward;
  case param_priority: return p_priority;
  case param_filter: return p_filter;
  case param_order: return p_order;
  case param_new_group: return p_new_group;
  default: return 0;
  }
}

decoded<location> location_of(std::span<const uint8_t> value) {
  byte_reader in(value);
  const auto l = field::need_location(in);
  if (!l || !in.done()) return violation("LARGEST_OBJECT is no location", session_code::key_value_formatting_error);
  return l.value();
}

decoded<void> take_parameter(parameters& p, uint64_t type, uint64_t number, std::span<const uint8_t> bytes) {
  switch (type) {
  case param_timeout:
    if (number == 0) return violation("DELIVERY_TIMEOUT is 0");
    p.object_delivery_timeout_ms = number;
    break;
  case param_token: {
    WIRE_TRY(auto token, field::token_of(bytes));
    p.tokens.push_back(std::move(token));
    break;
  }
  case param_expires: p.expires_ms = number; break;
  case param_largest: {
    WIRE_SET(p.largest, location_of(bytes));
    break;
  }
  case param_forward:
    if (number > 1) return violation("FORWARD is neither 0 nor 1");
    p.forward = number == 1;
    break;
  case param_priority:
    if (number > 255) return violation("a subscriber priority is over 255");
    p.priority = static_cast<uint8_t>(number);
    break;
  case param_filter: {
    WIRE_SET(p.filter, field::filter_of(bytes, field::range_end::id));
    break;
  }
  case param_order:
    if (number != 1 && number != 2) return violation("GROUP_ORDER is neither 1 nor 2");
    p.order = static_cast<group_order>(number);
    break;
  default: p.new_group_request = number; break;
  }
  return boost::outcome_v2::success();
}

} // namespace

decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed) {
  WIRE_TRY(const auto count, field::need_vi(in));
  parameters p;
  parameters ignored;
  uint32_t seen = 0;
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    const uint32_t bit = bit_of(type);
    if (bit == 0) return violation("unknown message parameter " + std::to_string(type));
    if ((seen & bit) && bit != p_token) return violation("parameter " + std::to_string(type) + " comes twice");
    seen |= bit;
    // One that may not stand in this message is ignored [MOQT 16 9.2.2], if it is well-formed.
    return take_parameter(allowed & bit ? p : ignored, type, number, bytes);
  }, count));
  return p;
}

void put_parameters(byte_writer& out, const parameters& p, uint32_t allowed) {
  byte_writer body;
  field::pair_writer w(body);
  const auto number = [&](uint64_t type, const std::optional<uint64_t>& v) {
    if (v && (allowed & bit_of(type))) w.number(type, *v);
  };
  if (p.object_delivery_timeout_ms != uint64_t{0}) number(param_timeout, p.object_delivery_timeout_ms); // 0, no limit, is not to be said
  if (allowed & p_token) {
    for (const auto& token : p.tokens) w.bytes(param_token, field::token_bytes(token));
  }
  number(param_expires, p.expires_ms);
  if (p.largest && (allowed & p_largest)) {
    byte_writer at;
    field::put_location(at, *p.largest);
    w.bytes(param_largest, base::as_text(at.span()));
  }
  if (p.forward) number(param_forward, *p.forward ? 1 : 0);
  if (p.priority) number(param_priority, *p.priority);
  if (p.filter && p.filter->type != subscription_filter::kind::none && (allowed & p_filter)) w.bytes(param_filter, field::filter_bytes(*p.filter, field::range_end::id));
  if (p.order) number(param_order, static_cast<uint64_t>(*p.order));
  number(param_new_group, p.new_group_request);
  field::put(out, w.count());
  out.raw(body.span());
}

decoded<track_properties> need_track_properties(byte_reader& in) {
  track_properties p;
  const auto one = [&p](uint64_t type, uint64_t number) -> decoded<bool> {
    if (type != prop_object_timeout) return take_track_property(p, type, number);
    if (number == 0) return violation("DELIVERY_TIMEOUT is 0");
    p.object_delivery_timeout_ms = number;
    return true;
  };
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    WIRE_TRY(const bool known, one(type, number));
    if (known) return boost::outcome_v2::success();
    if (type != prop_immutable) {
      p.others.push_back({type, number, text(bytes)});
      return boost::outcome_v2::success();
    }
    WIRE_TRY(const auto inside, pairs_to_18(bytes));
    p.others.push_back({type, 0, text(inside)});
    byte_reader inner(bytes);
    return field::walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t>) -> decoded<void> {
      WIRE_TRYV(one(t, n));
      return boost::outcome_v2::success();
    });
  }));
  return p;
}

void put_track_properties(byte_writer& out, const track_properties& p) {
  std::vector<track_properties::other> others;
  for (const auto& o : p.others) {
    if (o.type > quic_integers::max || o.number > quic_integers::max) continue;
    if (o.type != prop_immutable) others.push_back(o);
    else others.push_back({o.type, 0, text(pairs_from_18(base::as_span(o.value)))});
  }
  property_list all(p, std::move(others));
  if (p.object_delivery_timeout_ms != uint64_t{0}) all.add(prop_object_timeout, p.object_delivery_timeout_ms);
  std::move(all).put<field>(out);
}

decoded<setup> need_setup(byte_reader& in, uint64_t& max_request_id) {
  setup s;
  setup_reader<field> options(s, "parameter");
  max_request_id = 0;
  bool max_seen = false;
  WIRE_TRY(const auto count, field::need_vi(in));
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    if (type != option_max_request_id) return options.take(type, number, bytes);
    if (std::exchange(max_seen, true)) return options.twice();
    max_request_id = number;
    return boost::outcome_v2::success();
  }, count));
  return s;
}

void put_setup(byte_writer& out, const setup& s, uint64_t max_request_id) {
  byte_writer body;
  field::pair_writer w(body);
  if (s.path) w.bytes(option_path, *s.path);
  if (max_request_id > 0) w.number(option_max_request_id, max_request_id);
  for (const auto& token : s.tokens) w.bytes(option_token, field::token_bytes(token));
  if (s.max_auth_token_cache_size > 0) w.number(option_token_cache, s.max_auth_token_cache_size);
  if (s.authority) w.bytes(option_authority, *s.authority);
  if (s.implementation) w.bytes(option_implementation, *s.implementation);
  field::put(out, w.count());
  out.raw(body.span());
}

decoded<std::vector<uint8_t>> pairs_to_18(std::span<const uint8_t> in) {
  byte_writer out(in.size() + 8);
  fields<leading_ones>::pair_writer w(out);
  byte_reader pairs(in);
  WIRE_TRYV(field::walk_pairs(pairs, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    if (type != prop_immutable) {
      w.pair(type, number, bytes);
      return boost::outcome_v2::success();
    }
    byte_writer inside;
    fields<leading_ones>::pair_writer deep(inside);
    byte_reader inner(bytes);
    const auto read = field::walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t> b) -> decoded<void> {
      deep.pair(t, n, b);
      return boost::outcome_v2::success();
    });
    w.bytes(type, read ? base::as_text(inside.span()) : std::string_view("\xff"));
    return boost::outcome_v2::success();
  }));
  return out.take();
}

std::vector<uint8_t> pairs_from_18(std::span<const uint8_t> in) {
  byte_writer out(in.size() + 8);
  field::pair_writer w(out);
  byte_reader pairs(in);
  (void)fields<leading_ones>::walk_pairs(pairs, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    if (type > quic_integers::max || number > quic_integers::max) return boost::outcome_v2::success();
    if (type != prop_immutable) {
      w.pair(type, number, bytes);
      return boost::outcome_v2::success();
    }
    byte_writer inside;
    field::pair_writer deep(inside);
    byte_reader inner(bytes);
    (void)fields<leading_ones>::walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t> b) -> decoded<void> {
      if (t <= quic_integers::max && n <= quic_integers::max) deep.pair(t, n, b);
      return boost::outcome_v2::success();
    });
    w.bytes(type, base::as_text(inside.span()));
    return boost::outcome_v2::success();
  });
  return out.take();
}

} // namespace ec::moq::moqt16_wire
