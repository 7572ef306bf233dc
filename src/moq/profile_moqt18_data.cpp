// draft-ietf-moq-transport-18: streams of objects, datagrams.
#include "base/limits.hpp"
#include "moq/internal/moqt18.hpp"

namespace ec::moq::moqt18_wire {
namespace {

constexpr uint64_t uni_setup = 0x2f00, uni_fetch = 0x05, uni_padding = 0x132b3e28, datagram_padding = 0x132b3e29;
// Subgroup header [MOQT 11.4.2].
constexpr uint64_t sg_form = 0x10, sg_form_mask = ~uint64_t{0x6f}, sg_properties = 0x01, sg_id_mode = 0x06,
                   sg_id_first = 0x02, sg_id_present = 0x04, sg_end = 0x08, sg_default_priority = 0x20, sg_first = 0x40;
// Fetch objects [MOQT 11.4.4.1].
constexpr uint64_t f_subgroup = 0x03, f_object = 0x04, f_group = 0x08, f_priority = 0x10, f_properties = 0x20, f_datagram = 0x40,
                   f_end_none = 0x8c, f_end_unknown = 0x10c;
// Datagrams [MOQT 11.3.1].
constexpr uint64_t d_properties = 0x01, d_end = 0x02, d_zero_id = 0x04, d_default_priority = 0x08, d_status = 0x20;

/// Fields of a stream that may still grow: running out of bytes asks for more.
decoded<uint64_t> vi(byte_reader& in) {
  const auto v = in.moqt_vi64();
  if (!v) return more();
  return *v;
}

decoded<uint8_t> octet(byte_reader& in) {
  const auto v = in.u8();
  if (!v) return more();
  return *v;
}

decoded<std::span<const uint8_t>> properties(byte_reader& in) {
  WIRE_TRY(const auto length, vi(in));
  if (length > base::limits::moq_properties_bytes_max) return violation("the properties of an object are too long");
  const auto bytes = in.take(length);
  if (!bytes) return more();
  return *bytes;
}

decoded<object_status> status(uint64_t value) {
  switch (value) {
  case 0: return object_status::normal;
  case 3: return object_status::end_of_group;
  case 4: return object_status::end_of_track;
  default: return violation("unknown object status");
  }
}

/// Puts the reader back if nothing came out.
template <class T>
decoded<T> or_rewind(byte_reader& in, size_t start, decoded<T> out) {
  if (!out) in.rewind(start);
  return out;
}

decoded<uni_header> uni(byte_reader& in) {
  const size_t start = in.position();
  WIRE_TRY(const auto type, vi(in));
  if (type == uni_setup) {
    in.rewind(start);
    return uni_header{control_stream{}};
  }
  if (type == uni_padding) return uni_header{padding_stream{}};
  if (type == uni_fetch) {
    fetch_header h;
    WIRE_SET(h.id, vi(in));
    return uni_header{h};
  }
  if ((type & sg_form_mask) != sg_form || (type & sg_id_mode) == sg_id_mode) return violation("unknown stream type " + std::to_string(type));
  subgroup_header h;
  WIRE_SET(h.alias, vi(in));
  WIRE_SET(h.group, vi(in));
  if ((type & sg_id_mode) == sg_id_present) {
    WIRE_SET(h.subgroup, vi(in));
  } else if ((type & sg_id_mode) == 0) {
    h.subgroup = 0;
  }
  if (!(type & sg_default_priority)) {
    WIRE_SET(h.priority, octet(in));
  }
  h.has_properties = type & sg_properties;
  h.end_of_group = type & sg_end;
  h.first_object = type & sg_first;
  return uni_header{h};
}

decoded<object_header> subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) {
  object_header o;
  WIRE_TRY(const auto delta, vi(in));
  if (previous) {
    if (*previous == ~uint64_t{0} || delta > ~uint64_t{0} - *previous - 1) return violation("an object id is over 2^64 - 1");
    o.id = *previous + 1 + delta;
  } else {
    o.id = delta;
  }
  if (h.has_properties) {
    WIRE_SET(o.properties, properties(in));
  }
  WIRE_SET(o.payload_bytes, vi(in));
  if (o.payload_bytes == 0) {
    WIRE_TRY(const auto code, vi(in));
    WIRE_SET(o.status, status(code));
    if (o.status != object_status::normal && !o.properties.empty()) return violation("only a normal object has properties");
  }
  o.group = h.group;
  return o;
}

decoded<fetch_item> fetch_one(byte_reader& in, fetch_cursor& cursor) {
  WIRE_TRY(const auto flags, vi(in));
  if (flags == f_end_none || flags == f_end_unknown) {
    // Both ids are absolute and there is no payload length: what implementations agree on (moq-transport issue 1861).
    fetch_range_end end;
    WIRE_SET(end.last.group, vi(in));
    WIRE_SET(end.last.object, vi(in));
    end.unknown = flags == f_end_unknown;
    cursor.first = false;
    cursor.prior = end.last;
    return fetch_item{end};
  }
  if (flags > 0x7f) return violation("unknown fetch serialization flags");
  object_header o;
  if (cursor.first && (flags & (f_group | f_object)) != (f_group | f_object)) {
    return violation("the first object of a fetch refers to one before");
  }
  o.group = cursor.prior.group;
  if (flags & f_group) {
    WIRE_TRY(const auto delta, vi(in));
    if (cursor.first) {
      o.group = delta;
    } else if (cursor.order == group_order::ascending) {
      if (cursor.prior.group == ~uint64_t{0} || delta > ~uint64_t{0} - cursor.prior.group - 1) return violation("a group id is over 2^64 - 1");
      o.group = cursor.prior.group + delta + 1;
    } else {
      if (delta >= cursor.prior.group) return violation("a group id is below 0");
      o.group = cursor.prior.group - delta - 1;
    }
  }
  o.datagram = flags & f_datagram;
  std::optional<uint64_t> subgroup = cursor.subgroup;
  if (!o.datagram) {
    switch (flags & f_subgroup) {
    case 0: subgroup = 0; break;
    case 1:
    case 2:
      if (!cursor.subgroup) return violation("a fetched object refers to a subgroup that was not given");
      if ((flags & f_subgroup) == 2) {
        if (*cursor.subgroup == ~uint64_t{0}) return violation("a subgroup id is over 2^64 - 1");
        subgroup = *cursor.subgroup + 1;
      }
      break;
    default: {
      WIRE_SET(subgroup, vi(in));
      break;
    }
    }
    o.subgroup = *subgroup;
  }
  if (flags & f_object) {
    WIRE_TRY(const auto delta, vi(in));
    if (flags & f_group) {
      o.id = delta;
    } else {
      if (delta > ~uint64_t{0} - cursor.prior.object) return violation("an object id is over 2^64 - 1");
      o.id = cursor.prior.object + delta;
    }
  } else {
    if (cursor.prior.object == ~uint64_t{0}) return violation("an object id is over 2^64 - 1");
    o.id = cursor.prior.object + 1;
  }
  if (flags & f_priority) {
    WIRE_SET(o.priority, octet(in));
  } else {
    if (!cursor.priority) return violation("a fetched object refers to a priority that was not given");
    o.priority = *cursor.priority;
  }
  if (flags & f_properties) {
    WIRE_SET(o.properties, properties(in));
  }
  WIRE_SET(o.payload_bytes, vi(in));
  cursor.first = false;
  cursor.prior = {o.group, o.id};
  cursor.subgroup = subgroup;
  cursor.priority = o.priority;
  return fetch_item{o};
}

} // namespace

decoded<uni_header> decode_uni_header(byte_reader& in) {
  return or_rewind(in, in.position(), uni(in));
}

std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h) {
  uint64_t type = sg_form;
  if (h.has_properties) type |= sg_properties;
  if (!h.subgroup) type |= sg_id_first;
  else if (*h.subgroup != 0) type |= sg_id_present;
  if (h.end_of_group) type |= sg_end;
  if (!h.priority) type |= sg_default_priority;
  if (h.first_object) type |= sg_first;
  byte_writer out(24);
  out.moqt_vi64(type);
  out.moqt_vi64(h.alias);
  out.moqt_vi64(h.group);
  if (h.subgroup && *h.subgroup != 0) out.moqt_vi64(*h.subgroup);
  if (h.priority) out.u8(*h.priority);
  return out.take();
}

std::vector<uint8_t> encode_fetch_header(const fetch_header& h) {
  byte_writer out(10);
  out.moqt_vi64(uni_fetch);
  out.moqt_vi64(h.id);
  return out.take();
}

decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) {
  return or_rewind(in, in.position(), subgroup_object(in, h, previous));
}

std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous) {
  byte_writer out(24 + o.properties.size());
  out.moqt_vi64(previous ? o.id - *previous - 1 : o.id);
  if (h.has_properties) {
    out.moqt_vi64(o.properties.size());
    out.raw(o.properties);
  }
  out.moqt_vi64(o.payload_bytes);
  if (o.payload_bytes == 0) out.moqt_vi64(static_cast<uint64_t>(o.status));
  return out.take();
}

decoded<fetch_item> decode_fetch_item(byte_reader& in, fetch_cursor& cursor) {
  return or_rewind(in, in.position(), fetch_one(in, cursor));
}

std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor) {
  byte_writer out(40);
  if (const auto* end = std::get_if<fetch_range_end>(&item)) {
    out.moqt_vi64(end->unknown ? f_end_unknown : f_end_none);
    out.moqt_vi64(end->last.group);
    out.moqt_vi64(end->last.object);
    cursor.first = false;
    cursor.prior = end->last;
    return out.take();
  }
  const auto& o = std::get<object_header>(item);
  uint64_t flags = 0;
  const bool new_group = cursor.first || o.group != cursor.prior.group;
  if (new_group) flags |= f_group | f_object;
  else if (o.id != cursor.prior.object + 1) flags |= f_object;
  if (o.datagram) flags |= f_datagram;
  else if (o.subgroup != 0) flags |= cursor.subgroup == o.subgroup ? 1 : f_subgroup;
  if (cursor.priority != o.priority) flags |= f_priority;
  if (!o.properties.empty()) flags |= f_properties;
  out.moqt_vi64(flags);
  if (flags & f_group) {
    if (cursor.first) out.moqt_vi64(o.group);
    else if (cursor.order == group_order::ascending) out.moqt_vi64(o.group - cursor.prior.group - 1);
    else out.moqt_vi64(cursor.prior.group - o.group - 1);
  }
  if (!o.datagram && (flags & f_subgroup) == f_subgroup) out.moqt_vi64(o.subgroup);
  if (flags & f_object) out.moqt_vi64(new_group ? o.id : o.id - cursor.prior.object);
  if (flags & f_priority) out.u8(o.priority);
  if (flags & f_properties) {
    out.moqt_vi64(o.properties.size());
    out.raw(o.properties);
  }
  out.moqt_vi64(o.payload_bytes);
  cursor.first = false;
  cursor.prior = {o.group, o.id};
  if (!o.datagram) cursor.subgroup = o.subgroup;
  cursor.priority = o.priority;
  return out.take();
}

decoded<datagram> decode_datagram(byte_reader& in) {
  WIRE_TRY(const auto type, need_vi(in));
  if (type == datagram_padding) return datagram{padding_datagram{}};
  if (type > 0x2f || (type & 0x10) || ((type & d_status) && (type & d_end))) return violation("unknown datagram type " + std::to_string(type));
  datagram_header h;
  WIRE_SET(h.alias, need_vi(in));
  WIRE_SET(h.group, need_vi(in));
  if (!(type & d_zero_id)) {
    WIRE_SET(h.id, need_vi(in));
  }
  if (!(type & d_default_priority)) {
    WIRE_SET(h.priority, need_u8(in));
  }
  if (type & d_properties) {
    WIRE_TRY(const auto length, need_vi(in));
    const auto bytes = in.take(length);
    if (!bytes) return violation("a datagram is shorter than its fields");
    if (length == 0) return violation("a datagram has empty properties");
    h.properties = *bytes;
  }
  h.end_of_group = type & d_end;
  h.has_payload = !(type & d_status);
  if (!h.has_payload) {
    WIRE_TRY(const auto code, need_vi(in));
    WIRE_SET(h.status, status(code));
    if (h.status != object_status::normal && !h.properties.empty()) return violation("only a normal object has properties");
    if (!in.done()) return violation("bytes follow the status of a datagram");
  }
  return datagram{h};
}

std::vector<uint8_t> encode_datagram(const datagram_header& h) {
  uint64_t type = 0;
  if (!h.properties.empty()) type |= d_properties;
  if (h.end_of_group && h.has_payload) type |= d_end;
  if (h.id == 0) type |= d_zero_id;
  if (!h.priority) type |= d_default_priority;
  if (!h.has_payload) type |= d_status;
  byte_writer out(40 + h.properties.size());
  out.moqt_vi64(type);
  out.moqt_vi64(h.alias);
  out.moqt_vi64(h.group);
  if (h.id != 0) out.moqt_vi64(h.id);
  if (h.priority) out.u8(*h.priority);
  if (!h.properties.empty()) {
    out.moqt_vi64(h.properties.size());
    out.raw(h.properties);
  }
  if (!h.has_payload) out.moqt_vi64(static_cast<uint64_t>(h.status));
  return out.take();
}

std::vector<uint8_t> encode_padding(bool datagram) {
  byte_writer out(9);
  out.moqt_vi64(datagram ? datagram_padding : uni_padding);
  return out.take();
}

} // namespace ec::moq::moqt18_wire
