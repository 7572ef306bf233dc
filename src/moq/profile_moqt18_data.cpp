// draft-ietf-moq-transport-18: streams of objects, datagrams.
#include "base/limits.hpp"
#include "moq/internal/moqt18.hpp"
#include "moq/internal/wire_objects.hpp"

namespace ec::moq::moqt18_wire {
namespace {

constexpr uint64_t uni_setup = 0x2f00, uni_padding = 0x132b3e28, datagram_padding = 0x132b3e29;

decoded<uni_header> uni(byte_reader& in) {
  const size_t start = in.position();
  WIRE_TRY(const auto type, field::more_vi(in));
  if (type == uni_setup) {
    in.rewind(start);
    return uni_header{control_stream{}};
  }
  if (type == uni_padding) return uni_header{padding_stream{}};
  if (type == uni_fetch) {
    fetch_header h;
    WIRE_SET(h.id, field::more_vi(in));
    return uni_header{h};
  }
  WIRE_TRY(auto h, subgroup_of<field>(in, type, true));
  return uni_header{h};
}

decoded<fetch_item> fetch_one(byte_reader& in, fetch_cursor& cursor) {
  WIRE_TRY(const auto flags, field::more_vi(in));
  if (flags == f_end_none || flags == f_end_unknown) {
    // Both ids are absolute and there is no payload length: what implementations agree on (moq-transport issue 1861).
    WIRE_TRY(const auto end, fetched_end<field>(in, flags));
    advance(cursor, end);
    return fetch_item{end};
  }
  WIRE_TRYV(check_fetch_flags(flags, cursor));
  object_header o;
  o.group = cursor.prior.group;
  if (flags & f_group) {
    WIRE_TRY(const auto delta, field::more_vi(in));
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
  if (!o.datagram) {
    WIRE_SET(o.subgroup, fetched_subgroup<field>(in, flags, cursor));
  }
  if (flags & f_object) {
    WIRE_TRY(const auto delta, field::more_vi(in));
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
  WIRE_TRYV(take_fetched_rest<field>(in, flags, cursor, o));
  advance(cursor, o);
  return fetch_item{o};
}

} // namespace

decoded<uni_header> decode_uni_header(byte_reader& in) {
  return or_rewind(in, in.position(), uni(in));
}

std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h) {
  return put_subgroup_header<field>(h, true);
}

std::vector<uint8_t> encode_fetch_header(const fetch_header& h) {
  return put_fetch_header<field>(h);
}

decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) {
  return or_rewind(in, in.position(), subgroup_object_of<field>(in, h, previous));
}

std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous) {
  return put_subgroup_object<field>(o, h, previous);
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
    advance(cursor, *end);
    return out.take();
  }
  const auto& o = std::get<object_header>(item);
  const uint64_t flags = fetch_flags(o, cursor, !o.properties.empty());
  out.moqt_vi64(flags);
  if (flags & f_group) {
    if (cursor.first) out.moqt_vi64(o.group);
    else if (cursor.order == group_order::ascending) out.moqt_vi64(o.group - cursor.prior.group - 1);
    else out.moqt_vi64(cursor.prior.group - o.group - 1);
  }
  if (!o.datagram && (flags & f_subgroup) == f_subgroup) out.moqt_vi64(o.subgroup);
  if (flags & f_object) out.moqt_vi64(flags & f_group ? o.id : o.id - cursor.prior.object);
  put_fetched_rest<field>(out, flags, o, o.properties);
  advance(cursor, o);
  return out.take();
}

decoded<datagram> decode_datagram(byte_reader& in) {
  WIRE_TRY(const auto type, field::need_vi(in));
  if (type == datagram_padding) return datagram{padding_datagram{}};
  WIRE_TRY(auto h, datagram_of<field>(in, type));
  return datagram{h};
}

std::vector<uint8_t> encode_datagram(const datagram_header& h) {
  return put_datagram<field>(h);
}

std::vector<uint8_t> encode_padding(bool datagram) {
  byte_writer out(9);
  out.moqt_vi64(datagram ? datagram_padding : uni_padding);
  return out.take();
}

} // namespace ec::moq::moqt18_wire
