#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_io.hpp"
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

/// Pieces of the draft-18 codec, split by message family. Only profile_moqt18*.cpp include this.
namespace ec::moq::moqt18_wire {

using base::byte_reader;
using base::byte_writer;

inline auto violation(std::string reason, uint64_t code = session_code::protocol_violation) {
  return boost::outcome_v2::failure(wire_stop{false, code, std::move(reason)});
}
inline auto more() {
  return boost::outcome_v2::failure(wire_stop{true, 0, {}});
}

/// Fields of something whose length is known: running out of bytes is a violation.
decoded<uint64_t> need_vi(byte_reader& in);
decoded<uint8_t> need_u8(byte_reader& in);
/// A length and that many bytes, `max` at most.
decoded<std::string> need_string(byte_reader& in, size_t max);
decoded<track_namespace> need_namespace(byte_reader& in);
decoded<full_track_name> need_track_name(byte_reader& in);
decoded<location> need_location(byte_reader& in);

void put_string(byte_writer& out, std::string_view text);
void put_namespace(byte_writer& out, const track_namespace& ns);
void put_track_name(byte_writer& out, const full_track_name& name);
void put_location(byte_writer& out, location l);

/// Which parameters a message may carry, one bit for each [MOQT 10.2].
enum param_bit : uint32_t {
  p_object_timeout = 1u << 0,
  p_token = 1u << 1,
  p_rendezvous = 1u << 2,
  p_subgroup_timeout = 1u << 3,
  p_expires = 1u << 4,
  p_largest = 1u << 5,
  p_fill = 1u << 6,
  p_forward = 1u << 7,
  p_priority = 1u << 8,
  p_filter = 1u << 9,
  p_order = 1u << 10,
  p_new_group = 1u << 11,
  p_prefix = 1u << 12,
};

/// A count and that many parameters; one outside `allowed` is a violation.
decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed);
void put_parameters(byte_writer& out, const parameters& p);

/// All that is left of `in`.
decoded<track_properties> need_track_properties(byte_reader& in);
void put_track_properties(byte_writer& out, const track_properties& p);

decoded<setup> need_setup(byte_reader& in);
void put_setup(byte_writer& out, const setup& s);

/// Walks key-value pairs: calls `each(type, number, bytes)` (a decoded<void>); bytes for odd types, number for even ones.
template <class Each>
decoded<void> walk_pairs(byte_reader& in, Each each) {
  uint64_t type = 0;
  while (!in.done()) {
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

// Data streams and datagrams, profile_moqt18_data.cpp.
decoded<uni_header> decode_uni_header(byte_reader& in);
std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h);
std::vector<uint8_t> encode_fetch_header(const fetch_header& h);
decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous);
std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous);
decoded<fetch_item> decode_fetch_item(byte_reader& in, fetch_cursor& cursor);
std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor);
decoded<datagram> decode_datagram(byte_reader& in);
std::vector<uint8_t> encode_datagram(const datagram_header& h);
std::vector<uint8_t> encode_padding(bool datagram);
decoded<object_properties> check_object_properties(std::span<const uint8_t> in);

} // namespace ec::moq::moqt18_wire
