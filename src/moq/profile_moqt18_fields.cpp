// draft-ietf-moq-transport-18: names, parameters, properties, setup options.
#include <algorithm>

#include "base/limits.hpp"
#include "moq/internal/moqt18.hpp"

namespace ec::moq::moqt18_wire {
namespace {

namespace limits = base::limits;

// Message parameters [MOQT 10.2].
constexpr uint64_t param_object_timeout = 0x02, param_token = 0x03, param_rendezvous = 0x04, param_subgroup_timeout = 0x06,
                   param_expires = 0x08, param_largest = 0x09, param_fill = 0x0a, param_forward = 0x10, param_priority = 0x20,
                   param_filter = 0x21, param_order = 0x22, param_new_group = 0x32, param_prefix = 0x34;
// Track and object properties that only this draft has [MOQT 12].
constexpr uint64_t prop_subgroup_timeout = 0x06;
constexpr uint64_t prop_mandatory_first = 0x4000, prop_mandatory_last = 0x7fff;
// Setup options [MOQT 10.3.1].
constexpr uint64_t option_path = 0x01, option_token = 0x03, option_token_cache = 0x04, option_authority = 0x05,
                   option_implementation = 0x07;
constexpr uint64_t filter_largest_group_of_moxygen = 250;

decoded<subscription_filter> filter_of(std::span<const uint8_t> value) {
  byte_reader in(value);
  subscription_filter f;
  WIRE_TRY(const auto type, field::need_vi(in));
  switch (type) {
  case 1: f.type = subscription_filter::kind::next_group; break;
  case 2: f.type = subscription_filter::kind::largest_object; break;
  case 3:
  case 4: {
    f.type = static_cast<subscription_filter::kind>(type);
    WIRE_SET(f.start, field::need_location(in));
    if (type == 3) break;
    WIRE_TRY(const auto delta, field::need_vi(in));
    if (delta > ~uint64_t{0} - f.start.group) return violation("the end group of a filter is over 2^64 - 1");
    f.end_group = f.start.group + delta;
    break;
  }
  case filter_largest_group_of_moxygen:
    // moxygen clients send it on draft 18; the request is refused instead of the session [interop 3.4].
    f.type = subscription_filter::kind::unsupported;
    return f;
  default: return violation("unknown filter type");
  }
  if (!in.done()) return violation("a filter is longer than its type says");
  return f;
}

std::string filter_bytes(const subscription_filter& f) {
  byte_writer out;
  out.moqt_vi64(static_cast<uint64_t>(f.type));
  if (f.type == subscription_filter::kind::absolute_start || f.type == subscription_filter::kind::absolute_range) {
    field::put_location(out, f.start);
  }
  if (f.type == subscription_filter::kind::absolute_range) out.moqt_vi64(f.end_group - f.start.group);
  return text(out.span());
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
      WIRE_SET(p.filter, filter_of(*value));
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
    w.bytes(param_filter, filter_bytes(*p.filter));
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
  out.moqt_vi64(count);
  out.raw(body.span());
}

decoded<track_properties> need_track_properties(byte_reader& in) {
  track_properties p;
  const auto one = [&p](uint64_t type, uint64_t number, std::span<const uint8_t> bytes, bool outer) -> decoded<void> {
    switch (type) {
    case prop_object_timeout: p.object_delivery_timeout_ms = number; break;
    case prop_max_cache: p.max_cache_duration_ms = number; break;
    case prop_subgroup_timeout: p.subgroup_delivery_timeout_ms = number; break;
    case prop_priority:
      if (number > 255) return violation("a default publisher priority is over 255");
      p.priority = static_cast<uint8_t>(number);
      break;
    case prop_order:
      if (number != 1 && number != 2) return violation("a default group order is neither 1 nor 2");
      p.order = static_cast<group_order>(number);
      break;
    case prop_dynamic:
      if (number > 1) return violation("DYNAMIC_GROUPS is over 1");
      p.dynamic_groups = number == 1;
      break;
    default:
      if (type >= prop_mandatory_first && type <= prop_mandatory_last) p.mandatory_unknown = type;
      if (outer) p.others.push_back({type, number, text(bytes)});
      break;
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
  std::vector<track_properties::other> all = p.others;
  // What was read from within the immutable properties stays there, and only there.
  std::vector<uint64_t> inside;
  for (const auto& o : p.others) {
    if (o.type != prop_immutable) continue;
    byte_reader in(base::as_span(o.value));
    (void)field::walk_pairs(in, [&](uint64_t type, uint64_t, std::span<const uint8_t>) -> decoded<void> {
      inside.push_back(type);
      return boost::outcome_v2::success();
    });
  }
  const auto number = [&](uint64_t type, std::optional<uint64_t> v) {
    if (v && std::ranges::find(inside, type) == inside.end()) all.push_back({type, *v, {}});
  };
  number(prop_object_timeout, p.object_delivery_timeout_ms);
  number(prop_max_cache, p.max_cache_duration_ms);
  number(prop_subgroup_timeout, p.subgroup_delivery_timeout_ms);
  if (p.priority) number(prop_priority, *p.priority);
  if (p.order) number(prop_order, static_cast<uint64_t>(*p.order));
  if (p.dynamic_groups) number(prop_dynamic, *p.dynamic_groups ? 1 : 0);
  std::ranges::stable_sort(all, {}, &track_properties::other::type);
  field::pair_writer w(out);
  for (const auto& o : all) {
    if (o.type % 2 == 0) w.number(o.type, o.number);
    else w.bytes(o.type, o.value);
  }
}

decoded<setup> need_setup(byte_reader& in) {
  setup s;
  bool cache_seen = false;
  const auto once = [](std::optional<std::string>& into, std::span<const uint8_t> bytes) -> decoded<void> {
    if (into) return violation("a setup option comes twice");
    into = text(bytes);
    return boost::outcome_v2::success();
  };
  WIRE_TRYV(field::walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    switch (type) {
    case option_path: return once(s.path, bytes);
    case option_authority: return once(s.authority, bytes);
    case option_implementation: return once(s.implementation, bytes);
    case option_token: {
      WIRE_TRY(auto token, field::token_of(bytes));
      s.tokens.push_back(std::move(token));
      break;
    }
    case option_token_cache:
      if (std::exchange(cache_seen, true)) return violation("a setup option comes twice");
      s.max_auth_token_cache_size = number;
      break;
    default: break; // unknown options are ignored, repeated ones too
    }
    return boost::outcome_v2::success();
  }));
  return s;
}

void put_setup(byte_writer& out, const setup& s) {
  field::pair_writer w(out);
  if (s.path) w.bytes(option_path, *s.path);
  for (const auto& token : s.tokens) w.bytes(option_token, field::token_bytes(token));
  if (s.max_auth_token_cache_size > 0) w.number(option_token_cache, s.max_auth_token_cache_size);
  if (s.authority) w.bytes(option_authority, *s.authority);
  if (s.implementation) w.bytes(option_implementation, *s.implementation);
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
