// draft-ietf-moq-transport-16: streams of objects, datagrams.
#include "moq/internal/moqt16.hpp"
#include "moq/internal/wire_objects.hpp"

namespace ec::moq {
namespace {

using namespace moqt16_wire;

/// Properties become draft 18's.
template <class Header>
decoded<void> rewrite(Header& h) {
  if (h.properties.empty()) return boost::outcome_v2::success();
  WIRE_TRY(auto pairs, pairs_to_18(h.properties));
  h.rewritten = base::bytes::adopt(std::move(pairs));
  h.properties = h.rewritten;
  return boost::outcome_v2::success();
}

decoded<uni_header> uni(byte_reader& in) {
  WIRE_TRY(const auto type, field::more_vi(in));
  if (type == uni_fetch) {
    fetch_header h;
    WIRE_SET(h.id, field::more_vi(in));
    return uni_header{h};
  }
  WIRE_TRY(auto h, subgroup_of<field>(in, type, false));
  return uni_header{h};
}

decoded<object_header> subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) {
  WIRE_TRY(auto o, subgroup_object_of<field>(in, h, previous));
  WIRE_TRYV(rewrite(o));
  return o;
}

decoded<fetch_item> fetch_one(byte_reader& in, fetch_cursor& cursor) {
  WIRE_TRY(const auto flags, field::more_vi(in));
  if (flags == f_end_none || flags == f_end_unknown) {
    WIRE_TRY(const auto end, fetched_end<field>(in, flags));
    // Unlike subgroup, priority and extensions, the payload's length is not among what such an item lacks here [MOQT 16 10.4.4.2].
    WIRE_TRY(const auto length, field::more_vi(in));
    if (length != 0) return violation("the end of a range has a payload");
    advance(cursor, end);
    return fetch_item{end};
  }
  WIRE_TRYV(check_fetch_flags(flags, cursor));
  object_header o;
  o.group = cursor.prior.group;
  if (flags & f_group) {
    WIRE_SET(o.group, field::more_vi(in));
  }
  o.datagram = flags & f_datagram;
  if (!o.datagram) {
    WIRE_SET(o.subgroup, fetched_subgroup<field>(in, flags, cursor));
  }
  if (flags & f_object) {
    WIRE_SET(o.id, field::more_vi(in));
  } else {
    o.id = cursor.prior.object + 1;
  }
  WIRE_TRYV(take_fetched_rest<field>(in, flags, cursor, o));
  WIRE_TRYV(rewrite(o));
  advance(cursor, o);
  return fetch_item{o};
}

class moqt16_codec final : public object_codec {
public:
  decoded<uni_header> decode_uni_header(byte_reader& in) const override { return or_rewind(in, in.position(), uni(in)); }
  std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h) const override { return put_subgroup_header<field>(h, false); }
  std::vector<uint8_t> encode_fetch_header(const fetch_header& h) const override { return put_fetch_header<field>(h); }

  decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous) const override {
    return or_rewind(in, in.position(), subgroup_object(in, h, previous));
  }
  std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous) const override {
    if (o.properties.empty()) return put_subgroup_object<field>(o, h, previous);
    object_header own = o;
    const auto pairs = pairs_from_18(o.properties);
    own.properties = pairs;
    return put_subgroup_object<field>(own, h, previous);
  }

  decoded<fetch_item> decode_fetch_item(byte_reader& in, fetch_cursor& cursor) const override {
    return or_rewind(in, in.position(), fetch_one(in, cursor));
  }
  std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor) const override {
    byte_writer out(40);
    if (const auto* end = std::get_if<fetch_range_end>(&item)) {
      field::put(out, end->unknown ? f_end_unknown : f_end_none);
      field::put_location(out, end->last);
      field::put(out, 0); // no payload
      advance(cursor, *end);
      return out.take();
    }
    const auto& o = std::get<object_header>(item);
    const auto pairs = pairs_from_18(o.properties);
    const uint64_t flags = fetch_flags(o, cursor, !pairs.empty());
    field::put(out, flags);
    if (flags & f_group) field::put(out, o.group);
    if (!o.datagram && (flags & f_subgroup) == f_subgroup) field::put(out, o.subgroup);
    if (flags & f_object) field::put(out, o.id);
    put_fetched_rest<field>(out, flags, o, pairs);
    advance(cursor, o);
    return out.take();
  }

  decoded<datagram> decode_datagram(byte_reader& in) const override {
    WIRE_TRY(const auto type, field::need_vi(in));
    WIRE_TRY(auto h, datagram_of<field>(in, type));
    WIRE_TRYV(rewrite(h));
    return datagram{std::move(h)};
  }
  std::vector<uint8_t> encode_datagram(const datagram_header& h) const override {
    if (h.properties.empty()) return put_datagram<field>(h);
    datagram_header own = h;
    const auto pairs = pairs_from_18(h.properties);
    own.properties = pairs;
    return put_datagram<field>(own);
  }
  std::vector<uint8_t> encode_padding(bool) const override { return {}; }

  decoded<object_properties> check_object_properties(std::span<const uint8_t> in) const override {
    return moqt18().check_object_properties(in);
  }
  uint64_t id_max() const override { return quic_integers::max; }
};

} // namespace

const object_codec& moqt16_objects() {
  static const moqt16_codec instance;
  return instance;
}

} // namespace ec::moq
