#pragma once

#include <optional>
#include <vector>

#include "moq/internal/wire_fields.hpp"

/// Subgroup streams and datagrams, which the drafts of MoQ Transport write alike but for their integers; `F` is a wire::fields.
namespace ec::moq::wire {

// Types of streams that each draft has [MOQT 18 11.4.2, 16 10.4.2].
inline constexpr uint64_t uni_fetch = 0x05;
inline constexpr uint64_t sg_form = 0x10, sg_form_mask = ~uint64_t{0x2f}, sg_properties = 0x01, sg_id_mode = 0x06, sg_id_first = 0x02,
                          sg_id_present = 0x04, sg_end = 0x08, sg_default_priority = 0x20;
inline constexpr uint64_t sg_first = 0x40; ///< draft 18 alone
// Fetch objects [MOQT 18 11.4.4.1, 16 10.4.4].
inline constexpr uint64_t f_subgroup = 0x03, f_object = 0x04, f_group = 0x08, f_priority = 0x10, f_properties = 0x20, f_datagram = 0x40,
                          f_end_none = 0x8c, f_end_unknown = 0x10c;
// Datagrams [MOQT 18 11.3.1, 16 10.3.1].
inline constexpr uint64_t d_properties = 0x01, d_end = 0x02, d_zero_id = 0x04, d_default_priority = 0x08, d_status = 0x20;

template <class F>
decoded<std::span<const uint8_t>> properties_of(byte_reader& in) {
  WIRE_TRY(const auto length, F::more_vi(in));
  if (length > base::limits::moq_properties_bytes_max) return violation("the properties of an object are too long");
  const auto bytes = in.take(length);
  if (!bytes) return more();
  return *bytes;
}

inline decoded<object_status> status_of(uint64_t value) {
  switch (value) {
  case 0: return object_status::normal;
  case 3: return object_status::end_of_group;
  case 4: return object_status::end_of_track;
  default: return violation("unknown object status");
  }
}

/// The header behind the type of a stream. `with_first`: the draft tells whether a stream starts with its subgroup's first object.
template <class F>
decoded<subgroup_header> subgroup_of(byte_reader& in, uint64_t type, bool with_first) {
  const uint64_t form = with_first ? type & ~sg_first : type;
  if ((form & sg_form_mask) != sg_form || (type & sg_id_mode) == sg_id_mode) return violation("unknown stream type " + std::to_string(type));
  subgroup_header h;
  WIRE_SET(h.alias, F::more_vi(in));
  WIRE_SET(h.group, F::more_vi(in));
  if ((type & sg_id_mode) == sg_id_present) {
    WIRE_SET(h.subgroup, F::more_vi(in));
  } else if ((type & sg_id_mode) == 0) {
    h.subgroup = 0;
  }
  if (!(type & sg_default_priority)) {
    WIRE_SET(h.priority, F::more_u8(in));
  }
  h.has_properties = type & sg_properties;
  h.end_of_group = type & sg_end;
  h.first_object = type & sg_first;
  return h;
}

template <class F>
std::vector<uint8_t> put_subgroup_header(const subgroup_header& h, bool with_first) {
  uint64_t type = sg_form;
  if (h.has_properties) type |= sg_properties;
  if (!h.subgroup) type |= sg_id_first;
  else if (*h.subgroup != 0) type |= sg_id_present;
  if (h.end_of_group) type |= sg_end;
  if (!h.priority) type |= sg_default_priority;
  if (with_first && h.first_object) type |= sg_first;
  byte_writer out(24);
  F::put(out, type);
  F::put(out, h.alias);
  F::put(out, h.group);
  if (h.subgroup && *h.subgroup != 0) F::put(out, *h.subgroup);
  if (h.priority) out.u8(*h.priority);
  return out.take();
}

template <class F>
decoded<object_header> subgroup_object_of(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) {
  object_header o;
  WIRE_TRY(const auto delta, F::more_vi(in));
  if (previous) {
    if (*previous == ~uint64_t{0} || delta > ~uint64_t{0} - *previous - 1) return violation("an object id is over 2^64 - 1");
    o.id = *previous + 1 + delta;
  } else {
    o.id = delta;
  }
  if (h.has_properties) {
    WIRE_SET(o.properties, properties_of<F>(in));
  }
  WIRE_SET(o.payload_bytes, F::more_vi(in));
  if (o.payload_bytes == 0) {
    WIRE_TRY(const auto code, F::more_vi(in));
    WIRE_SET(o.status, status_of(code));
    if (o.status != object_status::normal && !o.properties.empty()) return violation("only a normal object has properties");
  }
  o.group = h.group;
  return o;
}

template <class F>
std::vector<uint8_t> put_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous) {
  byte_writer out(24 + o.properties.size());
  F::put(out, previous ? o.id - *previous - 1 : o.id);
  if (h.has_properties) {
    F::put(out, o.properties.size());
    out.raw(o.properties);
  }
  F::put(out, o.payload_bytes);
  if (o.payload_bytes == 0) F::put(out, static_cast<uint64_t>(o.status));
  return out.take();
}

/// The last place of a range of a fetch that holds nothing.
template <class F>
decoded<fetch_range_end> fetched_end(byte_reader& in, uint64_t flags) {
  fetch_range_end end;
  WIRE_SET(end.last.group, F::more_vi(in));
  WIRE_SET(end.last.object, F::more_vi(in));
  end.unknown = flags == f_end_unknown;
  return end;
}

inline decoded<void> check_fetch_flags(uint64_t flags, const fetch_cursor& cursor) {
  if (flags > 0x7f) return violation("unknown fetch serialization flags");
  if (cursor.first && (flags & (f_group | f_object)) != (f_group | f_object)) return violation("the first object of a fetch refers to one before");
  return boost::outcome_v2::success();
}

/// Of a fetched object that is no datagram.
template <class F>
decoded<uint64_t> fetched_subgroup(byte_reader& in, uint64_t flags, const fetch_cursor& cursor) {
  const uint64_t mode = flags & f_subgroup;
  if (mode == 0) return uint64_t{0};
  if (mode == f_subgroup) return F::more_vi(in);
  if (!cursor.subgroup) return violation("a fetched object refers to a subgroup that was not given");
  if (mode == 1) return *cursor.subgroup;
  if (*cursor.subgroup == ~uint64_t{0}) return violation("a subgroup id is over 2^64 - 1");
  return *cursor.subgroup + 1;
}

/// What follows the ids of a fetched object, its payload excepted.
template <class F>
decoded<void> take_fetched_rest(byte_reader& in, uint64_t flags, const fetch_cursor& cursor, object_header& o) {
  if (flags & f_priority) {
    WIRE_SET(o.priority, F::more_u8(in));
  } else {
    if (!cursor.priority) return violation("a fetched object refers to a priority that was not given");
    o.priority = *cursor.priority;
  }
  if (flags & f_properties) {
    WIRE_SET(o.properties, properties_of<F>(in));
  }
  WIRE_SET(o.payload_bytes, F::more_vi(in));
  return boost::outcome_v2::success();
}

inline uint64_t fetch_flags(const object_header& o, const fetch_cursor& cursor, bool has_properties) {
  uint64_t flags = 0;
  if (cursor.first || o.group != cursor.prior.group) flags |= f_group | f_object;
  else if (o.id != cursor.prior.object + 1) flags |= f_object;
  if (o.datagram) flags |= f_datagram;
  else if (o.subgroup != 0) flags |= cursor.subgroup == o.subgroup ? 1 : f_subgroup;
  if (cursor.priority != o.priority) flags |= f_priority;
  if (has_properties) flags |= f_properties;
  return flags;
}

template <class F>
void put_fetched_rest(byte_writer& out, uint64_t flags, const object_header& o, std::span<const uint8_t> properties) {
  if (flags & f_priority) out.u8(o.priority);
  if (flags & f_properties) {
    F::put(out, properties.size());
    out.raw(properties);
  }
  F::put(out, o.payload_bytes);
}

inline void advance(fetch_cursor& cursor, const fetch_range_end& end) {
  cursor.first = false;
  cursor.prior = end.last;
}
inline void advance(fetch_cursor& cursor, const object_header& o) {
  cursor.first = false;
  cursor.prior = {o.group, o.id};
  if (!o.datagram) cursor.subgroup = o.subgroup;
  cursor.priority = o.priority;
}

template <class F>
std::vector<uint8_t> put_fetch_header(const fetch_header& h) {
  byte_writer out(10);
  F::put(out, uni_fetch);
  F::put(out, h.id);
  return out.take();
}

template <class F>
decoded<datagram_header> datagram_of(byte_reader& in, uint64_t type) {
  if (type > 0x2f || (type & 0x10) || ((type & d_status) && (type & d_end))) return violation("unknown datagram type " + std::to_string(type));
  datagram_header h;
  WIRE_SET(h.alias, F::need_vi(in));
  WIRE_SET(h.group, F::need_vi(in));
  if (!(type & d_zero_id)) {
    WIRE_SET(h.id, F::need_vi(in));
  }
  if (!(type & d_default_priority)) {
    WIRE_SET(h.priority, F::need_u8(in));
  }
  if (type & d_properties) {
    WIRE_TRY(const auto length, F::need_vi(in));
    const auto bytes = in.take(length);
    if (!bytes) return violation("a datagram is shorter than its fields");
    if (length == 0) return violation("a datagram has empty properties");
    h.properties = *bytes;
  }
  h.end_of_group = type & d_end;
  h.has_payload = !(type & d_status);
  if (!h.has_payload) {
    WIRE_TRY(const auto code, F::need_vi(in));
    WIRE_SET(h.status, status_of(code));
    if (h.status != object_status::normal && !h.properties.empty()) return violation("only a normal object has properties");
    if (!in.done()) return violation("bytes follow the status of a datagram");
  }
  return h;
}

template <class F>
std::vector<uint8_t> put_datagram(const datagram_header& h) {
  uint64_t type = 0;
  if (!h.properties.empty()) type |= d_properties;
  if (h.end_of_group && h.has_payload) type |= d_end;
  if (h.id == 0) type |= d_zero_id;
  if (!h.priority) type |= d_default_priority;
  if (!h.has_payload) type |= d_status;
  byte_writer out(40 + h.properties.size());
  F::put(out, type);
  F::put(out, h.alias);
  F::put(out, h.group);
  if (h.id != 0) F::put(out, h.id);
  if (h.priority) out.u8(*h.priority);
  if (!h.properties.empty()) {
    F::put(out, h.properties.size());
    out.raw(h.properties);
  }
  if (!h.has_payload) F::put(out, static_cast<uint64_t>(h.status));
  return out.take();
}

} // namespace ec::moq::wire
