#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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

} // namespace ec::moq::wire
