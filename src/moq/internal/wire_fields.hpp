#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_io.hpp"
#include "base/limits.hpp"
#include "moq/profile.hpp"

/// `WIRE_TRY(auto x, f())` declares x with the value of f(), `WIRE_SET(m.id, f())` assigns it, `WIRE_TRYV(f())` takes no
/// value; all return f()'s wire_stop if it has none.
#define WIRE_JOIN(a, b) WIRE_JOIN_NOW(a, b)
#define WIRE_JOIN_NOW(a, b) a##b
#define WIRE_TRY(decl, ...) WIRE_TRY_NAMED(WIRE_JOIN(wire_try_, __COUNTER__), decl, __VA_ARGS__)
#define WIRE_TRY_NAMED(name, decl, ...)                                                  \
  auto name = (__VA_ARGS__);                                                             \
  if (!name) return boost::outcome_v2::failure(std::move(name).error());                 \
  decl = std::move(name).value()
#define WIRE_SET(target, ...)                                                            \
  do {                                                                                   \
    WIRE_TRY(target, __VA_ARGS__);                                                       \
  } while (false)
#define WIRE_TRYV(...)                                                                   \
  do {                                                                                   \
    auto wire_try = (__VA_ARGS__);                                                       \
    if (!wire_try) return boost::outcome_v2::failure(std::move(wire_try).error());       \
  } while (false)

/// Fields that the drafts of MoQ Transport share, for either kind of integer. Only profile_*.cpp and what belongs to them include this.
namespace ec::moq::wire {

using base::byte_reader;
using base::byte_writer;

inline auto violation(std::string reason, uint64_t code = session_code::protocol_violation) {
  return boost::outcome_v2::failure(wire_stop{false, code, std::move(reason)});
}
inline auto more() {
  return boost::outcome_v2::failure(wire_stop{true, 0, {}});
}

inline std::string text(std::span<const uint8_t> bytes) {
  return std::string(base::as_text(bytes));
}

/// Puts the reader back if nothing came out.
template <class T>
decoded<T> or_rewind(byte_reader& in, size_t start, decoded<T> out) {
  if (!out) in.rewind(start);
  return out;
}

/// Integers of drafts 17 and later: up to 2^64 - 1 [MOQT 18 1.4.1].
struct leading_ones {
  static constexpr uint64_t max = ~uint64_t{0};
  static std::optional<uint64_t> read(byte_reader& in) { return in.moqt_vi64(); }
  static void write(byte_writer& out, uint64_t value) { out.moqt_vi64(value); }
};

/// QUIC's integers, of drafts up to 16: up to 2^62 - 1; what is larger is written as that.
struct quic_integers {
  static constexpr uint64_t max = base::quic_varint_max;
  static std::optional<uint64_t> read(byte_reader& in) { return in.quic_varint(); }
  static void write(byte_writer& out, uint64_t value) { out.quic_varint(std::min(value, max)); }
};

/// Coders of fields. `need_*`: of something whose length is known, so that running out of bytes is a violation; `more_*`: of a
/// stream that may still grow, which asks for more.
template <class Integers>
struct fields {
  using integers = Integers;
  static void put(byte_writer& out, uint64_t value) { Integers::write(out, value); }

  static decoded<uint64_t> need_vi(byte_reader& in) {
    const auto v = Integers::read(in);
    if (!v) return violation("a message is shorter than its fields");
    return *v;
  }
  static decoded<uint8_t> need_u8(byte_reader& in) {
    const auto v = in.u8();
    if (!v) return violation("a message is shorter than its fields");
    return *v;
  }
  static decoded<uint64_t> more_vi(byte_reader& in) {
    const auto v = Integers::read(in);
    if (!v) return more();
    return *v;
  }
  static decoded<uint8_t> more_u8(byte_reader& in) {
    const auto v = in.u8();
    if (!v) return more();
    return *v;
  }

  /// A length and that many bytes, `max` at most.
  static decoded<std::string> need_string(byte_reader& in, size_t max) {
    WIRE_TRY(const auto length, need_vi(in));
    if (length > max) return violation("a string is longer than " + std::to_string(max) + " bytes");
    const auto bytes = in.take(length);
    if (!bytes) return violation("a message is shorter than its fields");
    return text(*bytes);
  }
  static void put_string(byte_writer& out, std::string_view text) {
    put(out, text.size());
    out.raw(text);
  }

  static decoded<track_namespace> need_namespace(byte_reader& in) {
    WIRE_TRY(const auto count, need_vi(in));
    if (count > base::limits::moq_namespace_fields_max) return violation("a namespace has more than 32 fields");
    track_namespace ns;
    size_t total = 0;
    for (uint64_t i = 0; i < count; ++i) {
      WIRE_TRY(auto field, need_string(in, base::limits::moq_full_track_name_bytes_max));
      if (field.empty()) return violation("a namespace field is empty");
      total += field.size();
      if (total > base::limits::moq_full_track_name_bytes_max) return violation("a namespace is over 4096 bytes");
      ns.fields.push_back(std::move(field));
    }
    return ns;
  }
  static void put_namespace(byte_writer& out, const track_namespace& ns) {
    put(out, ns.fields.size());
    for (const auto& field : ns.fields) put_string(out, field);
  }

  static decoded<full_track_name> need_track_name(byte_reader& in) {
    full_track_name out;
    WIRE_SET(out.ns, need_namespace(in));
    WIRE_SET(out.name, need_string(in, base::limits::moq_full_track_name_bytes_max));
    if (out.ns.bytes() + out.name.size() > base::limits::moq_full_track_name_bytes_max) return violation("a full track name is over 4096 bytes");
    return out;
  }
  static void put_track_name(byte_writer& out, const full_track_name& name) {
    put_namespace(out, name.ns);
    put_string(out, name.name);
  }

  static decoded<location> need_location(byte_reader& in) {
    location l;
    WIRE_SET(l.group, need_vi(in));
    WIRE_SET(l.object, need_vi(in));
    return l;
  }
  static void put_location(byte_writer& out, location l) {
    put(out, l.group);
    put(out, l.object);
  }

  /// How a draft says the last group of a filter: its id, or how far behind the first one it is.
  enum class range_end : uint8_t { id, distance };

  /// A filter fills its value exactly.
  static decoded<subscription_filter> filter_of(std::span<const uint8_t> value, range_end how) {
    constexpr uint64_t filter_largest_group_of_moxygen = 250;
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
      WIRE_TRY(const auto end, need_vi(in));
      if (how == range_end::id && end < f.start.group) return violation("the end group of a filter is before its start");
      if (how == range_end::distance && end > ~uint64_t{0} - f.start.group) return violation("the end group of a filter is over 2^64 - 1");
      f.end_group = how == range_end::id ? end : f.start.group + end;
      break;
    }
    case filter_largest_group_of_moxygen:
      // moxygen clients send it; the request is refused instead of the session [interop 3.4].
      f.type = subscription_filter::kind::unsupported;
      return f;
    default: return violation("unknown filter type");
    }
    if (!in.done()) return violation("a filter is longer than its type says");
    return f;
  }
  static std::string filter_bytes(const subscription_filter& f, range_end how) {
    byte_writer out;
    put(out, static_cast<uint64_t>(f.type));
    if (f.type == subscription_filter::kind::absolute_start || f.type == subscription_filter::kind::absolute_range) put_location(out, f.start);
    if (f.type == subscription_filter::kind::absolute_range) put(out, how == range_end::id ? f.end_group : f.end_group - f.start.group);
    return text(out.span());
  }

  /// What a FETCH asks for, between its id and its parameters.
  static decoded<void> take_range(byte_reader& in, fetch& m) {
    WIRE_TRY(const auto kind, need_vi(in));
    if (kind < 1 || kind > 3) return violation("unknown fetch type");
    m.type = static_cast<fetch::kind>(kind);
    if (m.type == fetch::kind::standalone) {
      WIRE_SET(m.track, need_track_name(in));
      WIRE_SET(m.start, need_location(in));
      WIRE_SET(m.end, need_location(in));
    } else {
      WIRE_SET(m.joining_id, need_vi(in));
      WIRE_SET(m.joining_start, need_vi(in));
    }
    return boost::outcome_v2::success();
  }
  static void put_range(byte_writer& out, const fetch& m) {
    put(out, static_cast<uint64_t>(m.type));
    if (m.type == fetch::kind::standalone) {
      put_track_name(out, m.track);
      put_location(out, m.start);
      put_location(out, m.end);
    } else {
      put(out, m.joining_id);
      put(out, m.joining_start);
    }
  }

  /// A token fills its value exactly, else it cannot be decoded [MOQT 18 10.2.2, 16 9.2.2.1].
  static decoded<auth_token> token_of(std::span<const uint8_t> value) {
    const auto bad = [] { return violation("an authorization token cannot be decoded", session_code::key_value_formatting_error); };
    byte_reader in(value);
    auth_token t;
    const auto kind = Integers::read(in);
    if (!kind || *kind > 3) return bad();
    t.kind = static_cast<auth_token::alias_type>(*kind);
    if (t.kind != auth_token::alias_type::use_value) {
      const auto alias = Integers::read(in);
      if (!alias) return bad();
      t.alias = *alias;
    }
    if (t.kind == auth_token::alias_type::register_alias || t.kind == auth_token::alias_type::use_value) {
      const auto type = Integers::read(in);
      if (!type) return bad();
      t.type = *type;
      t.value = text(in.rest());
    } else if (!in.done()) {
      return bad();
    }
    return t;
  }
  static std::string token_bytes(const auth_token& t) {
    byte_writer out;
    put(out, static_cast<uint64_t>(t.kind));
    if (t.kind != auth_token::alias_type::use_value) put(out, t.alias);
    if (t.kind == auth_token::alias_type::register_alias || t.kind == auth_token::alias_type::use_value) {
      put(out, t.type);
      out.raw(t.value);
    }
    return text(out.span());
  }

  /// Walks key-value pairs: calls `each(type, number, bytes)` (a decoded<void>); bytes for odd types, number for even ones.
  /// `count`: that many, otherwise all that is left.
  template <class Each>
  static decoded<void> walk_pairs(byte_reader& in, Each each, std::optional<uint64_t> count = {}) {
    uint64_t type = 0;
    // Each pair takes two bytes at least, so a count that lies runs out of bytes at once.
    for (uint64_t i = 0; count ? i < *count : !in.done(); ++i) {
      WIRE_TRY(const auto delta, need_vi(in));
      if (delta > ~uint64_t{0} - type) return violation("a key-value type is over 2^64 - 1");
      type += delta;
      if (type % 2 == 0) {
        WIRE_TRY(const auto number, need_vi(in));
        WIRE_TRYV(each(type, number, std::span<const uint8_t>{}));
      } else {
        WIRE_TRY(const auto length, need_vi(in));
        if (length > 0xffff) return violation("a key-value length is over 65535");
        const auto bytes = in.take(length);
        if (!bytes) return violation("a key-value pair runs past its end");
        WIRE_TRYV(each(type, uint64_t{0}, *bytes));
      }
    }
    return boost::outcome_v2::success();
  }

  /// Writes the types of pairs as deltas, in ascending order.
  class pair_writer {
  public:
    explicit pair_writer(byte_writer& out) : out_(out) {}
    void type(uint64_t type) {
      put(out_, type - previous_);
      previous_ = type;
      ++count_;
    }
    void number(uint64_t t, uint64_t value) {
      type(t);
      put(out_, value);
    }
    void octet(uint64_t t, uint8_t value) {
      type(t);
      out_.u8(value);
    }
    void bytes(uint64_t t, std::string_view value) {
      type(t);
      put_string(out_, value);
    }
    /// As walk_pairs() tells it.
    void pair(uint64_t t, uint64_t value, std::span<const uint8_t> octets) {
      if (t % 2 == 0) number(t, value);
      else bytes(t, base::as_text(octets));
    }
    size_t count() const { return count_; }

  private:
    byte_writer& out_;
    uint64_t previous_ = 0;
    size_t count_ = 0;
  };
};

/// Properties of tracks and objects that both drafts know [MOQT 18 12, 16 11].
inline constexpr uint64_t prop_object_timeout = 0x02, prop_max_cache = 0x04, prop_immutable = 0x0b, prop_priority = 0x0e, prop_order = 0x22,
                          prop_dynamic = 0x30, prop_group_gap = 0x3c, prop_object_gap = 0x3e;

/// A property of a track that both drafts read alike; false: `type` is another.
inline decoded<bool> take_track_property(track_properties& p, uint64_t type, uint64_t number) {
  switch (type) {
  case prop_max_cache: p.max_cache_duration_ms = number; return true;
  case prop_priority:
    if (number > 255) return violation("a default publisher priority is over 255");
    p.priority = static_cast<uint8_t>(number);
    return true;
  case prop_order:
    if (number != 1 && number != 2) return violation("a default group order is neither 1 nor 2");
    p.order = static_cast<group_order>(number);
    return true;
  case prop_dynamic:
    if (number > 1) return violation("DYNAMIC_GROUPS is over 1");
    p.dynamic_groups = number == 1;
    return true;
  default: return false;
  }
}

/// What a track says of itself, to be written: `others` as the draft has them, and what is known of `p` but for the timeouts, which the
/// draft adds. What was read from within the immutable properties stays there, and only there.
class property_list {
public:
  property_list(const track_properties& p, std::vector<track_properties::other> others) : all_(std::move(others)) {
    for (const auto& o : p.others) {
      if (o.type != prop_immutable) continue;
      byte_reader in(base::as_span(o.value)); // kept in draft 18's form
      (void)fields<leading_ones>::walk_pairs(in, [&](uint64_t type, uint64_t, std::span<const uint8_t>) -> decoded<void> {
        inside_.push_back(type);
        return boost::outcome_v2::success();
      });
    }
    add(prop_max_cache, p.max_cache_duration_ms);
    if (p.priority) add(prop_priority, *p.priority);
    if (p.order) add(prop_order, static_cast<uint64_t>(*p.order));
    if (p.dynamic_groups) add(prop_dynamic, *p.dynamic_groups ? 1 : 0);
  }
  void add(uint64_t type, std::optional<uint64_t> number) {
    if (number && std::ranges::find(inside_, type) == inside_.end()) all_.push_back({type, *number, {}});
  }
  template <class F>
  void put(byte_writer& out) && {
    std::ranges::stable_sort(all_, {}, &track_properties::other::type);
    typename F::pair_writer w(out);
    for (const auto& o : all_) w.pair(o.type, o.number, base::as_span(o.value));
  }

private:
  std::vector<track_properties::other> all_;
  std::vector<uint64_t> inside_;
};

// Options of SETUP that both drafts know [MOQT 18 10.3.1, 16 9.3.1].
inline constexpr uint64_t option_path = 0x01, option_token = 0x03, option_token_cache = 0x04, option_authority = 0x05, option_implementation = 0x07;
// Of the extension MoQ Cluster, in draft 18 only [draft-lcurley-moq-cluster-01].
inline constexpr uint64_t option_hop_id = 0x40b54;

/// Reads options into a setup, each but tokens once. `noun`: what the draft calls one.
template <class F>
class setup_reader {
public:
  setup_reader(setup& into, std::string_view noun) : into_(into), noun_(noun) {}

  /// An option that comes twice.
  auto twice() const { return violation("a setup " + std::string(noun_) + " comes twice"); }

  /// Unknown ones are passed over, repeated ones too.
  decoded<void> take(uint64_t type, uint64_t number, std::span<const uint8_t> bytes) {
    switch (type) {
    case option_path: return once(into_.path, bytes);
    case option_authority: return once(into_.authority, bytes);
    case option_implementation: return once(into_.implementation, bytes);
    case option_token: {
      WIRE_TRY(auto token, F::token_of(bytes));
      into_.tokens.push_back(std::move(token));
      break;
    }
    case option_token_cache:
      if (std::exchange(cache_seen_, true)) return twice();
      into_.max_auth_token_cache_size = number;
      break;
    case option_hop_id:
      if (into_.hop_id) return twice();
      into_.hop_id = number;
      break;
    default: break;
    }
    return boost::outcome_v2::success();
  }

private:
  decoded<void> once(std::optional<std::string>& to, std::span<const uint8_t> bytes) const {
    if (to) return twice();
    to = text(bytes);
    return boost::outcome_v2::success();
  }

  setup& into_;
  std::string_view noun_;
  bool cache_seen_ = false;
};

/// A control message: its type, 16 bits of length, and what `body(type, payload)` reads, which is all of the payload.
template <class F, class Body>
auto framed(byte_reader& in, Body body) -> decltype(body(uint64_t{}, in)) {
  const size_t start = in.position();
  const auto type = F::integers::read(in);
  const auto length = type ? in.u16() : std::nullopt;
  const auto payload = length ? in.take(*length) : std::nullopt;
  if (!payload) {
    in.rewind(start);
    // A type that nobody knows is refused before its payload is waited for.
    if (type) {
      byte_reader none({});
      if (auto probe = body(*type, none); !probe && probe.error().reason.starts_with("unknown message")) return probe;
    }
    return more();
  }
  byte_reader rest(*payload);
  auto m = body(*type, rest);
  if (m && !rest.done()) {
    in.rewind(start);
    return violation("a message is longer than its fields");
  }
  if (!m) in.rewind(start);
  return m;
}

template <class F>
std::vector<uint8_t> put_framed(uint64_t type, std::span<const uint8_t> payload) {
  byte_writer out(payload.size() + 6);
  F::put(out, type);
  out.u16(static_cast<uint16_t>(payload.size()));
  out.raw(payload);
  return out.take();
}

} // namespace ec::moq::wire
