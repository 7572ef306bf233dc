#include "moq/profile.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/support/moq_describe.hpp"

using namespace ec;
using namespace ec::test;

namespace {

json::value load(const std::filesystem::path& path) {
  return json::parse(read_text(path)).value();
}

std::filesystem::path vectors(const char* file) {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  return std::filesystem::path(root ? root : ".") / "tests/vectors/moqt/18" / file;
}

std::string text(const json::value& v, const char* key) {
  const auto* member = v.find(key);
  const auto* s = member ? member->as_string() : nullptr;
  return s ? *s : "";
}

bool flag(const json::value& v, const char* key) {
  const auto* member = v.find(key);
  const auto* b = member ? member->as_bool() : nullptr;
  return b && *b;
}

struct stream_read {
  json::value fields;
  std::vector<uint8_t> again; ///< the same, encoded by us
};

/// Reads a whole data stream and writes it again. `order`: of a fetch.
moq::decoded<stream_read> read_stream(std::span<const uint8_t> raw, moq::group_order order, const moq::object_codec& draft = moq::moqt18()) {
  base::byte_reader in(raw);
  auto header = draft.decode_uni_header(in);
  if (!header) return boost::outcome_v2::failure(header.error());
  describer d;
  json::array objects;
  stream_read out;
  const auto append = [&](std::vector<uint8_t> part) { out.again.insert(out.again.end(), part.begin(), part.end()); };
  const auto payload = [&](describer& o, uint64_t count) {
    const auto bytes = in.take(count);
    if (!bytes) return false;
    o.put("payload", json::value(base::to_hex(*bytes)));
    out.again.insert(out.again.end(), bytes->begin(), bytes->end());
    return true;
  };
  const auto incomplete = [] { return boost::outcome_v2::failure(moq::wire_stop{true, 0, {}}); };
  if (auto* h = std::get_if<moq::subgroup_header>(&header.value())) {
    d.put("kind", json::value("subgroup"));
    d.put("alias", number(h->alias));
    d.put("group", number(h->group));
    d.put("subgroup", h->subgroup);
    if (h->priority) d.put("priority", json::value(int(*h->priority)));
    if (h->has_properties) d.put("properties", json::value(true));
    if (h->end_of_group) d.put("end_of_group", json::value(true));
    if (h->first_object) d.put("first_object", json::value(true));
    append(draft.encode_subgroup_header(*h));
    std::optional<uint64_t> previous;
    while (!in.done()) {
      const auto o = draft.decode_subgroup_object(in, *h, previous);
      if (!o) return boost::outcome_v2::failure(o.error());
      describer one;
      one.put("id", number(o.value().id));
      append(draft.encode_subgroup_object(o.value(), *h, previous));
      if (!payload(one, o.value().payload_bytes)) return incomplete();
      if (!o.value().properties.empty()) one.put("properties", json::value(base::to_hex(o.value().properties)));
      if (o.value().status != moq::object_status::normal) one.put("status", json::value(int(o.value().status)));
      previous = o.value().id;
      objects.push_back(one.out);
    }
  } else if (auto* f = std::get_if<moq::fetch_header>(&header.value())) {
    d.put("kind", json::value("fetch"));
    d.put("id", number(f->id));
    d.put("order", json::value(int(order)));
    append(draft.encode_fetch_header(*f));
    moq::fetch_cursor from, to;
    from.order = to.order = order;
    while (!in.done()) {
      const auto item = draft.decode_fetch_item(in, from);
      if (!item) return boost::outcome_v2::failure(item.error());
      describer one;
      append(draft.encode_fetch_item(item.value(), to));
      if (const auto* end = std::get_if<moq::fetch_range_end>(&item.value())) {
        one.put("range", place(end->last));
        one.put("unknown", json::value(end->unknown));
      } else {
        const auto& o = std::get<moq::object_header>(item.value());
        one.put("at", place({o.group, o.id}));
        if (o.subgroup) one.put("subgroup", number(o.subgroup));
        one.put("priority", json::value(int(o.priority)));
        if (!payload(one, o.payload_bytes)) return incomplete();
        if (!o.properties.empty()) one.put("properties", json::value(base::to_hex(o.properties)));
        if (o.datagram) one.put("datagram", json::value(true));
      }
      objects.push_back(one.out);
    }
  }
  d.put("objects", json::value(objects));
  out.fields = json::value(d.out);
  return out;
}

} // namespace

TEST_CASE("golden control messages decode to their fields and encode to their bytes") {
  const auto file = load(vectors("control.json"));
  const auto& all = *file.find("vectors")->as_array();
  CHECK(all.size() == 52);
  for (const auto& v : all) {
    CAPTURE(text(v, "name"));
    const auto raw = base::from_hex(text(v, "hex")).value();
    const auto on = kind_named(text(v, "on"));
    base::byte_reader in(raw);
    const auto m = moq::moqt18().decode_control(in, on);
    REQUIRE_MESSAGE(m.has_value(), m.error().reason);
    CHECK(in.done());
    CHECK(json::canonical(describe(m.value())) == json::canonical(*v.find("fields")));
    const auto again = moq::moqt18().encode_control(m.value());
    if (flag(v, "canonical")) {
      CHECK(base::to_hex(again) == text(v, "hex"));
    } else {
      base::byte_reader second(again);
      const auto same = moq::moqt18().decode_control(second, on);
      CHECK((same.has_value() && same.value() == m.value()));
    }
    // Every part of it asks for more and takes nothing.
    for (size_t cut = 0; cut < raw.size(); ++cut) {
      base::byte_reader part(std::span<const uint8_t>(raw).first(cut));
      const auto none = moq::moqt18().decode_control(part, on);
      REQUIRE_FALSE(none.has_value());
      CHECK(none.error().need_more);
      CHECK(part.position() == 0);
    }
    // A byte too many or too few inside the length is a violation, never a crash.
    for (const int change : {-1, 1}) {
      auto bent = raw;
      base::byte_reader head(bent);
      head.moqt_vi64();
      const size_t at = head.position();
      const auto length = static_cast<int>(bent[at] << 8 | bent[at + 1]) + change;
      if (length < 0) continue;
      bent[at] = static_cast<uint8_t>(length >> 8);
      bent[at + 1] = static_cast<uint8_t>(length);
      if (change > 0) bent.push_back(0);
      base::byte_reader other(bent);
      const auto got = moq::moqt18().decode_control(other, on);
      // Only what ends in bytes of any length can stay valid: pairs and tokens.
      if (!got) CHECK_FALSE(got.error().need_more);
    }
  }
}

TEST_CASE("golden data streams decode to their objects and encode to their bytes") {
  const auto file = load(vectors("streams.json"));
  const auto& all = *file.find("vectors")->as_array();
  CHECK(all.size() == 58);
  for (const auto& v : all) {
    CAPTURE(text(v, "name"));
    const auto raw = base::from_hex(text(v, "hex")).value();
    const auto* order = v.find("fields")->find("order");
    const auto read = read_stream(raw, order && *order->as_int() == 2 ? moq::group_order::descending : moq::group_order::ascending);
    REQUIRE_MESSAGE(read.has_value(), read.error().reason);
    CHECK(json::canonical(read.value().fields) == json::canonical(*v.find("fields")));
    // A subgroup given as the zero that could be left out is written shorter: only types that we write are compared.
    const bool same = flag(v, "canonical");
    if (same) CHECK(base::to_hex(read.value().again) == text(v, "hex"));
  }
}

TEST_CASE("golden datagrams decode to their fields") {
  const auto file = load(vectors("datagrams.json"));
  const auto& all = *file.find("vectors")->as_array();
  CHECK(all.size() == 25);
  for (const auto& v : all) {
    CAPTURE(text(v, "name"));
    const auto raw = base::from_hex(text(v, "hex")).value();
    base::byte_reader in(raw);
    const auto got = moq::moqt18().decode_datagram(in);
    REQUIRE_MESSAGE(got.has_value(), got.error().reason);
    describer d;
    if (const auto* h = std::get_if<moq::datagram_header>(&got.value())) {
      d.put("alias", number(h->alias));
      d.put("group", number(h->group));
      d.put("id", number(h->id));
      if (h->priority) d.put("priority", json::value(int(*h->priority)));
      if (!h->properties.empty()) d.put("properties", json::value(base::to_hex(h->properties)));
      if (h->end_of_group) d.put("end_of_group", json::value(true));
      if (h->has_payload) d.put("payload", json::value(base::to_hex(in.rest())));
      else d.put("status", json::value(int(h->status)));
      // One form stands for all: written again it says the same.
      auto bytes = moq::moqt18().encode_datagram(*h);
      bytes.insert(bytes.end(), raw.end() - static_cast<ptrdiff_t>(h->has_payload ? in.left() : 0), raw.end());
      base::byte_reader again_in(bytes);
      const auto again = moq::moqt18().decode_datagram(again_in);
      REQUIRE(again.has_value());
      const auto& same = std::get<moq::datagram_header>(again.value());
      CHECK(std::tie(same.alias, same.group, same.id, same.priority, same.end_of_group, same.status, same.has_payload) ==
            std::tie(h->alias, h->group, h->id, h->priority, h->end_of_group, h->status, h->has_payload));
      CHECK(base::to_hex(same.properties) == base::to_hex(h->properties));
      CHECK(base::to_hex(again_in.rest()) == base::to_hex(in.rest()));
    } else {
      d.put("padding", json::value(true));
    }
    CHECK(json::canonical(json::value(d.out)) == json::canonical(*v.find("fields")));
  }
}

TEST_CASE("the integers of the draft-18 tables that others made") {
  const auto path = test_data("moq-vectors/draft18/varint.json");
  if (!path) return;
  const auto file = load(*path);
  const auto value_of = [](const json::value& v) { return std::stoull(v.as_string() ? *v.as_string() : std::to_string(*v.as_int())); };
  size_t seen = 0;
  for (const char* section : {"vectors", "non_minimal"}) {
    for (const auto& e : *file.find(section)->find("entries")->as_array()) {
      const auto* encoding = e.find("encoding");
      if (!encoding) continue;
      const auto raw = base::from_hex(*encoding->as_string()).value();
      base::byte_reader in(raw);
      CHECK(in.moqt_vi64() == value_of(*e.find("value")));
      CHECK(in.done());
      ++seen;
    }
  }
  for (const auto& v : *file.find("roundtrip_values")->find("entries")->as_array()) {
    base::byte_writer out;
    out.moqt_vi64(value_of(v));
    base::byte_reader in(out.span());
    CHECK(in.moqt_vi64() == value_of(v));
    ++seen;
  }
  for (const auto& e : *file.find("truncated")->find("entries")->as_array()) {
    const auto raw = base::from_hex(text(e, "encoding")).value();
    base::byte_reader in(raw);
    CHECK_FALSE(in.moqt_vi64().has_value());
    ++seen;
  }
  CHECK(seen > 25);
}

TEST_CASE("every message type of the draft-18 table is known, every other and the reserved ones are not") {
  const auto path = test_data("moq-vectors/draft18/message_types.json");
  if (!path) return;
  const auto file = load(*path);
  std::set<uint64_t> known;
  for (const auto& e : *file.find("entries")->as_array()) {
    if (!flag(e, "reserved")) known.insert(std::stoull(text(e, "value"), nullptr, 16));
  }
  for (uint64_t type = 0; type < 0x3000; ++type) {
    base::byte_writer out;
    out.moqt_vi64(type);
    base::byte_reader in(out.span());
    const auto m = moq::moqt18().decode_control(in, std::nullopt);
    REQUIRE_FALSE(m.has_value());
    CHECK_MESSAGE(m.error().need_more == known.contains(type), type);
  }
}

TEST_CASE("draft-17 vectors that others made decode here where both drafts agree") {
  const auto root = test_data("moq-vectors/draft17/codec");
  if (!root) return;
  // Requests carry a required-request-id delta in 17 and none in 18; SUBSCRIBE_NAMESPACE is another message there. And the
  // authors wrote integers of 64 and more as QUIC does, which neither draft does: "40 64" for 100 is 64 and a stray byte.
  // So only files without requests are read, and in them vectors whose bytes all stand for themselves.
  struct set {
    const char* file;
    std::optional<moq::request_kind> on;
    std::set<std::string> left_out;
  };
  const set sets[] = {
    {"messages/fetch-ok.json", moq::request_kind::fetch, {"with-params-and-properties", "with-track-properties"}}, // EXPIRES is not for FETCH_OK in 18; integers
    {"messages/goaway.json", moq::request_kind::subscribe, {"with-uri", "non-canonical-uri-length"}},              // integers
    {"messages/namespace.json", moq::request_kind::subscribe_namespace, {}},
    {"messages/namespace-done.json", moq::request_kind::subscribe_namespace, {}},
    {"messages/publish-blocked.json", moq::request_kind::subscribe_tracks, {}},
    {"messages/publish-done.json", moq::request_kind::subscribe, {}},
    {"messages/request-error.json", moq::request_kind::subscribe, {}},
    {"messages/request-ok.json", moq::request_kind::subscribe, {"with-expires"}},                                  // integers
    {"messages/publish-ok.json", moq::request_kind::publish, {"with-params", "with-delivery-timeout", "with-expires", "with-new-group-request", "with-multiple-params"}}, // integers, u8 priority
    {"messages/subscribe-ok.json", moq::request_kind::subscribe, {"with-track-properties", "with-max-cache-duration", "with-params-and-properties"}}, // integers
  };
  size_t decoded = 0;
  for (const auto& s : sets) {
    const auto file = load(*root / s.file);
    for (const auto& v : *file.find("vectors")->as_array()) {
      const auto id = text(v, "id");
      if (s.left_out.contains(id)) continue;
      CAPTURE(s.file);
      CAPTURE(id);
      const auto raw = base::from_hex(text(v, "hex")).value();
      base::byte_reader in(raw);
      const auto m = moq::moqt18().decode_control(in, s.on);
      if (v.find("error")) {
        CHECK((!m && m.error().need_more));
        continue;
      }
      REQUIRE_MESSAGE(m.has_value(), m.error().reason);
      CHECK(in.done());
      const auto again = moq::moqt18().encode_control(m.value());
      if (std::string_view(s.file) != "messages/publish-ok.json") CHECK(base::to_hex(again) == text(v, "hex"));
      ++decoded;
    }
  }
  CHECK(decoded == 49);
  size_t streams = 0;
  const std::pair<const char*, std::set<std::string>> stream_sets[] = {
    // Integers; and 18 closes the session over properties of an end marker.
    {"data-streams/subgroup.json", {"subgroup-explicit-subgroup-id", "subgroup-properties-status-object"}},
    {"data-streams/fetch-header.json", {"fetch-end-of-non-existent-range", "fetch-end-of-unknown-range", "fetch-datagram-flag"}}, // integers
  };
  for (const auto& [name, left_out] : stream_sets) {
    const auto file = load(*root / name);
    for (const auto& v : *file.find("vectors")->as_array()) {
      const auto id = text(v, "id");
      if (left_out.contains(id)) continue;
      CAPTURE(id);
      const auto raw = base::from_hex(text(v, "hex")).value();
      const auto read = read_stream(raw, moq::group_order::ascending);
      if (v.find("error")) {
        CHECK((!read && read.error().need_more));
        continue;
      }
      REQUIRE_MESSAGE(read.has_value(), read.error().reason);
      const auto& want = *v.find("decoded")->find("objects")->as_array();
      const auto& got = *read.value().fields.find("objects")->as_array();
      REQUIRE(got.size() == want.size());
      for (size_t i = 0; i < got.size(); ++i) CHECK(text(got[i], "payload") == text(want[i], "payload_hex"));
      ++streams;
    }
  }
  CHECK(streams >= 8);
}

TEST_CASE("draft-16 streams of objects that others made decode to their payloads and encode to their bytes") {
  const auto root = test_data("moq-vectors/draft16/codec/data-streams");
  if (!root) return;
  size_t streams = 0;
  for (const auto* name : {"subgroup.json", "fetch-header.json"}) {
    const auto file = load(*root / name);
    for (const auto& v : *file.find("vectors")->as_array()) {
      CAPTURE(name);
      CAPTURE(text(v, "id"));
      const auto raw = base::from_hex(text(v, "hex")).value();
      const auto read = read_stream(raw, moq::group_order::ascending, moq::moqt16_objects());
      if (v.find("error")) {
        CHECK((!read && read.error().need_more));
        continue;
      }
      // The text forbids extensions of an end marker, and a first object without a priority.
      if (std::set<std::string>{"subgroup-extensions-status-object", "fetch-with-explicit-subgroup", "fetch-datagram-forwarding"}.contains(text(v, "id"))) {
        CHECK((!read && !read.error().need_more));
        continue;
      }
      REQUIRE_MESSAGE(read.has_value(), read.error().reason);
      CHECK(base::to_hex(read.value().again) == text(v, "hex"));
      const auto& want = *v.find("decoded")->find("objects")->as_array();
      const auto& got = *read.value().fields.find("objects")->as_array();
      REQUIRE(got.size() == want.size());
      for (size_t i = 0; i < got.size(); ++i) CHECK(text(got[i], "payload") == text(want[i], "payload_hex"));
      ++streams;
    }
  }
  const auto datagrams = load(*root / "datagram.json");
  for (const auto& v : *datagrams.find("vectors")->as_array()) {
    CAPTURE(text(v, "id"));
    const auto raw = base::from_hex(text(v, "hex")).value();
    base::byte_reader in(raw);
    const auto d = moq::moqt16_objects().decode_datagram(in);
    CHECK(d.has_value() != (v.find("error") != nullptr));
    if (!d) continue;
    const auto& h = std::get<moq::datagram_header>(d.value());
    auto again = moq::moqt16_objects().encode_datagram(h);
    again.insert(again.end(), in.rest().begin(), in.rest().end());
    const bool shorter = h.id == 0 && !(raw[0] & 0x04); // an id of 0 that could be left out
    if (!shorter) CHECK(base::to_hex(again) == text(v, "hex"));
    base::byte_reader second(again);
    const auto same = moq::moqt16_objects().decode_datagram(second);
    REQUIRE(same.has_value());
    const auto& g = std::get<moq::datagram_header>(same.value());
    CHECK((g.alias == h.alias && g.group == h.group && g.id == h.id && g.priority == h.priority && g.status == h.status && g.end_of_group == h.end_of_group));
    CHECK(std::ranges::equal(g.properties, h.properties));
    ++streams;
  }
  CHECK(streams >= 23);
}

TEST_CASE("track names print in the form of the draft and read back") {
  const moq::full_track_name name{{{"example.net", "team2", "project_x"}}, "report"};
  CHECK(moq::to_string(name) == "example.2enet-team2-project_x--report");
  CHECK(moq::parse_track_name("example.2enet-team2-project_x--report").value() == name);
  const moq::full_track_name odd{{{std::string("\0-.", 3)}}, ""};
  CHECK(moq::parse_track_name(moq::to_string(odd)).value() == odd);
  for (const char* bad : {"a", "a.61--b", "a.2E--b", "a.2--b", "a.--b", "-a--b", "a---b", "a b--c"}) {
    CAPTURE(bad);
    CHECK_FALSE(moq::parse_track_name(bad).has_value());
  }
}
