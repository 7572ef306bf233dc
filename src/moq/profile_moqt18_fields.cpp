// draft-ietf-moq-transport-18: names, parameters, properties, setup options.
#include <algorithm>

#include "base/limits.hpp"
#include "base/limits_lite.hpp"
#include "moq/internal/moqt18.hpp"

namespace ec::moq::moqt18_wire {
namespace {

namespace limits = base::limits;

// Message parameters [MOQT 10.2].
constexpr uint64_t param_object_timeout = 0x02, param_token = 0x03, param_rendezvous = 0x04, param_subgroup_timeout = 0x06,
                   param_expires = 0x08, param_largest = 0x09, param_fill = 0x0a, param_forward = 0x10, param_priority = 0x20,
                   param_filter = 0x21, param_order = 0x22, param_new_group = 0x32, param_prefix = 0x34;
// Those of announcements in the extension MoQ Cluster [draft-lcurley-moq-cluster-01].
constexpr uint64_t param_hop_path = 0x40b57, param_route_cost = 0x40b58;
// Track and object properties that only this draft has [MOQT 12].
constexpr uint64_t prop_subgroup_timeout = 0x06;
constexpr uint64_t prop_mandatory_first = 0x4000, prop_mandatory_last = 0x7fff;

/// All of `value`: ids, none of them twice but 0, which tells nothing.
decoded<hop_path> hops_of(std::span<const uint8_t> value) {
  byte_reader in(value);
  hop_path out;
  while (!in.done()) {
    const auto id = field::need_vi(in);
    if (!id) return violation("a hop path is cut off");
    if (out.size() >= limits::moq_hops_max) return violation("an announcement went through too many nodes");
    if (id.value() != 0 && std::ranges::find(out, id.value()) != out.end()) return violation("an announcement went through a node twice");
    out.push_back(id.value());
  }
  if (out.empty()) return violation("a hop path is empty");
  return out;
}

} // namespace

decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed) {
  WIRE_TRY(const auto count, field::need_vi(in));
  parameters p;
  uint64_t type = 0;
  uint32_t seen = 0;
  // Each parameter takes two bytes at least, so a count that lies runs out of bytes at once.
  for (uint64_t i = 0; i < count; ++i) {
    WIRE_TRY(const auto delta, field::need_vi(in));
    if (delta > ~uint64_t{0} - type) return violation("a parameter type is over 2^64 - 1");
    type += delta;
    uint32_t bit = 0;
    switch (type) {
    case param_object_timeout: bit = p_object_timeout; break;
    case param_token: bit = p_token; break;
    case param_rendezvous: bit = p_rendezvous; break;
    case param_subgroup_timeout: bit = p_subgroup_timeout; break;
    case param_expires: bit = p_expires; break;
    case param_largest: bit = p_largest; break;
    case param_fill: bit = p_fill; break;
    case param_forward: bit = p_forward; break;
    case param_priority: bit = p_priority; break;
    case param_filter: bit = p_filter; break;
    case param_order: bit = p_order; break;
    case param_new_group: bit = p_new_group; break;
    case param_prefix: bit = p_prefix; break;
    case param_hop_path: bit = p_hops; break;
    case param_route_cost: bit = p_route_cost; break;
    default: return violation("unknown message parameter " + std::to_string(type));
    }
    if (!(allowed & bit)) return violation("parameter " + std::to_string(type) + " may not stand in this message");
    if ((seen & bit) && bit != p_token) return violation("parameter " + std::to_string(type) + " comes twice");
    seen |= bit;
    switch (bit) {
    case p_object_timeout: {
      WIRE_SET(p.object_delivery_timeout_ms, field::need_vi(in));
      break;
    }
    case p_token: {
      WIRE_TRY(const auto length, field::need_vi(in));
      const auto value = in.take(length);
      if (!value) return violation("a message is shorter than its fields");
      WIRE_TRY(auto token, field::token_of(*value));
      p.tokens.push_back(std::move(token));
      break;
    }
    case p_rendezvous: {
      WIRE_SET(p.rendezvous_timeout_ms, field::need_vi(in));
      break;
    }
    case p_subgroup_timeout: {
      WIRE_SET(p.subgroup_delivery_timeout_ms, field::need_vi(in));
      break;
    }
    case p_expires: {
      WIRE_SET(p.expires_ms, field::need_vi(in));
      break;
    }
    case p_largest: {
      WIRE_SET(p.largest, field::need_location(in));
      break;
    }
    case p_fill: {
      WIRE_SET(p.fill_timeout_ms, field::need_vi(in));
      break;
    }
    case p_forward: {
      WIRE_TRY(const auto v, field::need_u8(in));
      if (v > 1) return violation("FORWARD is neither 0 nor 1");
      p.forward = v == 1;
      break;
    }
    case p_priority: {
      WIRE_SET(p.priority, field::need_u8(in));
      break;
    }
    case p_filter: {
      WIRE_TRY(const auto length, field::need_vi(in));
      const auto value = in.take(length);
      if (!value) return violation("a message is shorter than its fields");
      WIRE_SET(p.filter, field::filter_of(*value, field::range_end::distance));
      break;
    }
    case p_order: {
      WIRE_TRY(const auto v, field::need_u8(in));
      if (v != 1 && v != 2) return violation("GROUP_ORDER is neither 1 nor 2");
      p.order = static_cast<group_order>(v);
      break;
    }
    case p_new_group: {
      WIRE_SET(p.new_group_request, field::need_vi(in));
      break;
    }
    case p_prefix: {
      WIRE_SET(p.prefix, field::need_namespace(in));
      break;
    }
    case p_hops: {
      WIRE_TRY(const auto length, field::need_vi(in));
      const auto value = in.take(length);
      if (!value) return violation("a message is shorter than its fields");
      WIRE_SET(p.hops, hops_of(*value));
      break;
    }
    case p_route_cost: {
      WIRE_SET(p.route_cost, field::need_vi(in));
      break;
    }
    default: break;
    }
  }
  return p;
}

void put_parameters(byte_writer& out, const parameters& p) {
  byte_writer body;
  field::pair_writer w(body);
  size_t count = 0;
  const auto number = [&](uint64_t type, const std::optional<uint64_t>& v) {
    if (!v) return;
    w.number(type, *v);
    ++count;
  };
  number(param_object_timeout, p.object_delivery_timeout_ms);
  for (const auto& token : p.tokens) {
    w.bytes(param_token, field::token_bytes(token));
    ++count;
  }
  number(param_rendezvous, p.rendezvous_timeout_ms);
  number(param_subgroup_timeout, p.subgroup_delivery_timeout_ms);
  number(param_expires, p.expires_ms);
  if (p.largest) {
    w.type(param_largest);
    field::put_location(body, *p.largest);
    ++count;
  }
  number(param_fill, p.fill_timeout_ms);
  if (p.forward) {
    w.octet(param_forward, *p.forward ? 1 : 0);
    ++count;
  }
  if (p.priority) {
    w.octet(param_priority, *p.priority);
    ++count;
  }
  if (p.filter && p.filter->type != subscription_filter::kind::none) {
    w.bytes(param_filter, field::filter_bytes(*p.filter, field::range_end::distance));
    ++count;
  }
  if (p.order) {
    w.octet(param_order, static_cast<uint8_t>(*p.order));
    ++count;
  }
  number(param_new_group, p.new_group_request);
  if (p.prefix) {
    w.type(param_prefix);
    field::put_namespace(body, *p.prefix);
    ++count;
  }
  if (p.hops) {
    byte_writer value;
    for (const auto hop : *p.hops) value.moqt_vi64(hop);
    w.bytes(param_hop_path, base::as_text(value.span()));
    ++count;
  }
  number(param_route_cost, p.route_cost);
  out.moqt_vi64(count);
  out.raw(body.span());
}

decoded<track_properties> need_track_properties(byte_reader& in) {
  track_properties p;
  const auto one = [&p](uint64_t type, uint64_t number, std::span<const uint8_t> bytes, bool outer) -> decoded<void> {
    switch (type) {
    case prop_object_timeout: p.object_delivery_timeout_ms = number; break;
    case prop_subgroup_timeout: p.subgroup_delivery_timeout_ms = number; break;
    default: {
      WIRE_TRY(const bool known, take_track_property(p, type, number));
      if (known) break;
      if (type >= prop_mandatory_first && type <= prop_mandatory_last) p.mandatory_unknown = type;
      if (outer) p.others.push_back({type, number, text(bytes)});
      break;
    }
    }
    return boost::outcome_v2::success();
  };
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    WIRE_TRYV(one(type, number, bytes, true));
    if (type != prop_immutable) return boost::outcome_v2::success();
    byte_reader inner(bytes);
    return field::walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t> b) -> decoded<void> { return one(t, n, b, false); });
  }));
  return p;
}

void put_track_properties(byte_writer& out, const track_properties& p) {
  property_list all(p, p.others);
  all.add(prop_object_timeout, p.object_delivery_timeout_ms);
  all.add(prop_subgroup_timeout, p.subgroup_delivery_timeout_ms);
  std::move(all).put<field>(out);
}

decoded<setup> need_setup(byte_reader& in) {
  setup s;
  setup_reader<field> options(s, "option");
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) { return options.take(type, number, bytes); }));
  return s;
}

void put_setup(byte_writer& out, const setup& s) {
  field::pair_writer w(out);
  if (s.path) w.bytes(option_path, *s.path);
  for (const auto& token : s.tokens) w.bytes(option_token, field::token_bytes(token));
  if (s.max_auth_token_cache_size > 0) w.number(option_token_cache, s.max_auth_token_cache_size);
  if (s.authority) w.bytes(option_authority, *s.authority);
  if (s.implementation) w.bytes(option_implementation, *s.implementation);
  if (s.hop_id) w.number(option_hop_id, *s.hop_id);
}

decoded<object_properties> check_object_properties(std::span<const uint8_t> in) {
  object_properties p;
  bool immutable_seen = false;
  const auto one = [&p](uint64_t type, uint64_t number) {
    const auto once = [&](std::optional<uint64_t>& into) {
      if (into) p.malformed = true;
      into = number;
    };
    if (type == prop_group_gap) once(p.prior_group_gap);
    if (type == prop_object_gap) once(p.prior_object_gap);
    if (type >= prop_mandatory_first && type <= prop_mandatory_last) p.malformed = true;
  };
  byte_reader outer(in);
  const auto walked = field::walk_pairs(outer, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    one(type, number);
    if (type == prop_immutable) {
      if (std::exchange(immutable_seen, true)) p.malformed = true;
      byte_reader inner(bytes);
      const auto nested = field::walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t>) -> decoded<void> {
        if (t == prop_immutable) p.malformed = true;
        one(t, n);
        return boost::outcome_v2::success();
      });
      if (!nested) p.malformed = true; // [MOQT 12.7]
    }
    return boost::outcome_v2::success();
  });
  if (!walked) return boost::outcome_v2::failure(walked.error());
  return p;
}

} // namespace ec::moq::moqt18_wire
