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
// Track and object properties [MOQT 12].
constexpr uint64_t prop_object_timeout = 0x02, prop_max_cache = 0x04, prop_subgroup_timeout = 0x06, prop_immutable = 0x0b,
                   prop_priority = 0x0e, prop_order = 0x22, prop_dynamic = 0x30, prop_group_gap = 0x3c, prop_object_gap = 0x3e;
constexpr uint64_t prop_mandatory_first = 0x4000, prop_mandatory_last = 0x7fff;
// Setup options [MOQT 10.3.1].
constexpr uint64_t option_path = 0x01, option_token = 0x03, option_token_cache = 0x04, option_authority = 0x05,
                   option_implementation = 0x07;
constexpr uint64_t filter_largest_group_of_moxygen = 250;

std::string text(std::span<const uint8_t> bytes) {
  return std::string(base::as_text(bytes));
}

/// A token fills its value exactly, else it cannot be decoded [MOQT 10.2.2].
decoded<auth_token> token_of(std::span<const uint8_t> value) {
  const auto bad = [] { return violation("an authorization token cannot be decoded", session_code::key_value_formatting_error); };
  byte_reader in(value);
  auth_token t;
  const auto kind = in.moqt_vi64();
  if (!kind || *kind > 3) return bad();
  t.kind = static_cast<auth_token::alias_type>(*kind);
  if (t.kind != auth_token::alias_type::use_value) {
    const auto alias = in.moqt_vi64();
    if (!alias) return bad();
    t.alias = *alias;
  }
  if (t.kind == auth_token::alias_type::register_alias || t.kind == auth_token::alias_type::use_value) {
    const auto type = in.moqt_vi64();
    if (!type) return bad();
    t.type = *type;
    t.value = text(in.rest());
  } else if (!in.done()) {
    return bad();
  }
  return t;
}

std::string token_bytes(const auth_token& t) {
  byte_writer out;
  out.moqt_vi64(static_cast<uint64_t>(t.kind));
  if (t.kind != auth_token::alias_type::use_value) out.moqt_vi64(t.alias);
  if (t.kind == auth_token::alias_type::register_alias || t.kind == auth_token::alias_type::use_value) {
    out.moqt_vi64(t.type);
    out.raw(t.value);
  }
  return text(out.span());
}

decoded<subscription_filter> filter_of(std::span<const uint8_t> value) {
  byte_reader in(value);
  subscription_filter f;
  WIRE_TRY(const auto type, need_vi(in));
  switch (type) {
  case 1: f.type = subscription_filter::kind::next_group; break;
  case 2: f.type = subscription_filter::kind::largest_object; break;
  case 3:
  case 4: {
    f.type = static_cast<subscription_filter::kind>(type);
    WIRE_SET(f.start, need_location(in));
    if (type == 3) break;
    WIRE_TRY(const auto delta, need_vi(in));
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
    put_location(out, f.start);
  }
  if (f.type == subscription_filter::kind::absolute_range) out.moqt_vi64(f.end_group - f.start.group);
  return text(out.span());
}

/// Writes types as deltas; the caller puts the values in between.
class delta_writer {
public:
  explicit delta_writer(byte_writer& out) : out_(out) {}
  void type(uint64_t type) {
    out_.moqt_vi64(type - previous_);
    previous_ = type;
  }
  void number(uint64_t t, uint64_t value) {
    type(t);
    out_.moqt_vi64(value);
  }
  void octet(uint64_t t, uint8_t value) {
    type(t);
    out_.u8(value);
  }
  void bytes(uint64_t t, std::string_view value) {
    type(t);
    put_string(out_, value);
  }

private:
  byte_writer& out_;
  uint64_t previous_ = 0;
};

} // namespace

decoded<uint64_t> need_vi(byte_reader& in) {
  const auto v = in.moqt_vi64();
  if (!v) return violation("a message is shorter than its fields");
  return *v;
}

decoded<uint8_t> need_u8(byte_reader& in) {
  const auto v = in.u8();
  if (!v) return violation("a message is shorter than its fields");
  return *v;
}

decoded<std::string> need_string(byte_reader& in, size_t max) {
  WIRE_TRY(const auto length, need_vi(in));
  if (length > max) return violation("a string is longer than " + std::to_string(max) + " bytes");
  const auto bytes = in.take(length);
  if (!bytes) return violation("a message is shorter than its fields");
  return text(*bytes);
}

decoded<track_namespace> need_namespace(byte_reader& in) {
  WIRE_TRY(const auto count, need_vi(in));
  if (count > limits::moq_namespace_fields_max) return violation("a namespace has more than 32 fields");
  track_namespace ns;
  size_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    WIRE_TRY(auto field, need_string(in, limits::moq_full_track_name_bytes_max));
    if (field.empty()) return violation("a namespace field is empty");
    total += field.size();
    if (total > limits::moq_full_track_name_bytes_max) return violation("a namespace is over 4096 bytes");
    ns.fields.push_back(std::move(field));
  }
  return ns;
}

decoded<full_track_name> need_track_name(byte_reader& in) {
  full_track_name out;
  WIRE_SET(out.ns, need_namespace(in));
  WIRE_SET(out.name, need_string(in, limits::moq_full_track_name_bytes_max));
  if (out.ns.bytes() + out.name.size() > limits::moq_full_track_name_bytes_max) return violation("a full track name is over 4096 bytes");
  return out;
}

decoded<location> need_location(byte_reader& in) {
  location l;
  WIRE_SET(l.group, need_vi(in));
  WIRE_SET(l.object, need_vi(in));
  return l;
}

void put_string(byte_writer& out, std::string_view text) {
  out.moqt_vi64(text.size());
  out.raw(text);
}

void put_namespace(byte_writer& out, const track_namespace& ns) {
  out.moqt_vi64(ns.fields.size());
  for (const auto& field : ns.fields) put_string(out, field);
}

void put_track_name(byte_writer& out, const full_track_name& name) {
  put_namespace(out, name.ns);
  put_string(out, name.name);
}

void put_location(byte_writer& out, location l) {
  out.moqt_vi64(l.group);
  out.moqt_vi64(l.object);
}

decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed) {
  WIRE_TRY(const auto count, need_vi(in));
  parameters p;
  uint64_t type = 0;
  uint32_t seen = 0;
  // Each parameter takes two bytes at least, so a count that lies runs out of bytes at once.
  for (uint64_t i = 0; i < count; ++i) {
    WIRE_TRY(const auto delta, need_vi(in));
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
      WIRE_SET(p.object_delivery_timeout_ms, need_vi(in));
      break;
    }
    case p_token: {
      WIRE_TRY(const auto length, need_vi(in));
      const auto value = in.take(length);
      if (!value) return violation("a message is shorter than its fields");
      WIRE_TRY(auto token, token_of(*value));
      p.tokens.push_back(std::move(token));
      break;
    }
    case p_rendezvous: {
      WIRE_SET(p.rendezvous_timeout_ms, need_vi(in));
      break;
    }
    case p_subgroup_timeout: {
      WIRE_SET(p.subgroup_delivery_timeout_ms, need_vi(in));
      break;
    }
    case p_expires: {
      WIRE_SET(p.expires_ms, need_vi(in));
      break;
    }
    case p_largest: {
      WIRE_SET(p.largest, need_location(in));
      break;
    }
    case p_fill: {
      WIRE_SET(p.fill_timeout_ms, need_vi(in));
      break;
    }
    case p_forward: {
      WIRE_TRY(const auto v, need_u8(in));
      if (v > 1) return violation("FORWARD is neither 0 nor 1");
      p.forward = v == 1;
      break;
    }
    case p_priority: {
      WIRE_SET(p.priority, need_u8(in));
      break;
    }
    case p_filter: {
      WIRE_TRY(const auto length, need_vi(in));
      const auto value = in.take(length);
      if (!value) return violation("a message is shorter than its fields");
      WIRE_SET(p.filter, filter_of(*value));
      break;
    }
    case p_order: {
      WIRE_TRY(const auto v, need_u8(in));
      if (v != 1 && v != 2) return violation("GROUP_ORDER is neither 1 nor 2");
      p.order = static_cast<group_order>(v);
      break;
    }
    case p_new_group: {
      WIRE_SET(p.new_group_request, need_vi(in));
      break;
    }
    case p_prefix: {
      WIRE_SET(p.prefix, need_namespace(in));
      break;
    }
    default: break;
    }
  }
  return p;
}

void put_parameters(byte_writer& out, const parameters& p) {
  byte_writer body;
  delta_writer w(body);
  size_t count = 0;
  const auto number = [&](uint64_t type, const std::optional<uint64_t>& v) {
    if (!v) return;
    w.number(type, *v);
    ++count;
  };
  number(param_object_timeout, p.object_delivery_timeout_ms);
  for (const auto& token : p.tokens) {
    w.bytes(param_token, token_bytes(token));
    ++count;
  }
  number(param_rendezvous, p.rendezvous_timeout_ms);
  number(param_subgroup_timeout, p.subgroup_delivery_timeout_ms);
  number(param_expires, p.expires_ms);
  if (p.largest) {
    w.type(param_largest);
    put_location(body, *p.largest);
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
    put_namespace(body, *p.prefix);
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
  WIRE_TRYV(walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    WIRE_TRYV(one(type, number, bytes, true));
    if (type != prop_immutable) return boost::outcome_v2::success();
    byte_reader inner(bytes);
    return walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t> b) -> decoded<void> { return one(t, n, b, false); });
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
    (void)walk_pairs(in, [&](uint64_t type, uint64_t, std::span<const uint8_t>) -> decoded<void> {
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
  delta_writer w(out);
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
  WIRE_TRYV(walk_pairs(in, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    switch (type) {
    case option_path: return once(s.path, bytes);
    case option_authority: return once(s.authority, bytes);
    case option_implementation: return once(s.implementation, bytes);
    case option_token: {
      WIRE_TRY(auto token, token_of(bytes));
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
  delta_writer w(out);
  if (s.path) w.bytes(option_path, *s.path);
  for (const auto& token : s.tokens) w.bytes(option_token, token_bytes(token));
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
  const auto walked = walk_pairs(outer, [&](uint64_t type, uint64_t number, std::span<const uint8_t> bytes) -> decoded<void> {
    one(type, number);
    if (type == prop_immutable) {
      if (std::exchange(immutable_seen, true)) p.malformed = true;
      byte_reader inner(bytes);
      const auto nested = walk_pairs(inner, [&](uint64_t t, uint64_t n, std::span<const uint8_t>) -> decoded<void> {
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
