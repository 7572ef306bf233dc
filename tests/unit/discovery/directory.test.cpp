#include "discovery/directory.hpp"

#include <set>

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "discovery/resolve.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
namespace json = ec::base::json;

namespace {

struct desk {
  discovery::directory directory;
  std::chrono::milliseconds passed{0};

  explicit desk(const std::string& token = {}, size_t listing_bytes_max = base::limits::directory_listing_bytes_max) :
    directory({.token = token, .instance = "a1", .listing_bytes_max = listing_bytes_max}) {}
  net::http_response ask(const net::http_request& r) { return directory.answer(r, noon + passed, base::mono_time{} + 1h + passed); }
  net::http_response get(const std::string& path, const std::string& query = {}, const std::string& from = "192.0.2.1:1") {
    return ask({"GET", path, query, {}, from, {}});
  }
  net::http_response post(const std::string& body, const net::headers& headers = {}, const std::string& from = "192.0.2.1:1") {
    return ask({"POST", "/api/stream-upsert", {}, headers, from, base::bytes::copy(body)});
  }
  discovery::directory_listing listing(const std::string& query = {}) {
    const auto answer = get("/api/public-streams", query);
    REQUIRE(answer.status == 200);
    auto read = discovery::read_listing(answer.body.text());
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    return std::move(read).value();
  }
};

std::string error_of(const net::http_response& r) {
  return *json::parse(r.body.text()).value().find("error")->as_string();
}

} // namespace

TEST_CASE("what is posted is listed, byte for byte, and only what is new the next time") {
  desk d;
  const auto text = signed_by(1, draft(1));
  CHECK(d.post(text).status == 201);
  CHECK(d.post(text).status == 200);
  auto first = d.listing();
  REQUIRE(first.encoded.size() == 1);
  CHECK(first.encoded[0].text() == text);
  const auto query = discovery::listing_url(net::parse_url("http://x").value(), first.place).query;
  CHECK(d.listing(query).encoded.empty());
  auto end = draft(1);
  end.sequence = 2;
  end.transports.clear();
  CHECK(d.post(signed_by(1, end)).status == 200);
  CHECK(d.post(signed_by(2, draft(2))).status == 201);
  const auto then = d.listing(query);
  CHECK(then.encoded.size() == 2); // that the first is gone has to be said, too
  // Of another start of the directory everything is new.
  CHECK(d.listing("instance=b2&since=1000").encoded.size() == 2);
  d.passed = 60s;
  CHECK(d.listing().encoded.empty());
}

TEST_CASE("a person reads streams and their sources, and may ask for one") {
  desk d;
  const std::string weak = "ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main";
  auto strong = draft(1);
  strong.aliases = {"ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1"};
  CHECK(d.post(signed_by(1, strong)).status == 201);
  CHECK(d.post(signed_by(2, draft(2, weak))).status == 201);
  const auto all = json::parse(d.get("/api/public-streams").body.text()).value();
  const auto& streams = *all.find("streams")->as_array();
  REQUIRE(streams.size() == 1);
  CHECK(*streams[0].find("sources")->as_int() == 2);
  CHECK(streams[0].find("names")->as_array()->size() == 2);
  CHECK(d.listing("stream=" + weak).encoded.size() == 2);
  CHECK(d.listing("stream=ec/stream/v1/broadcast/standard-atsc/tsid-1/channel-1.1/profile-ts-v1/variant-main").encoded.empty());
  CHECK(d.get("/api/public-streams", "stream=x").status == 400);
  const auto health = json::parse(d.get("/api/health").body.text()).value();
  CHECK(*health.find("status")->as_string() == "ok");
  CHECK(*health.find("streams")->as_int() == 1);
  CHECK(*health.find("announcements")->as_int() == 2);
}

TEST_CASE("who posts without the token, or a wrong one, is refused before anything is read") {
  desk d("correct horse");
  const auto text = signed_by(1, draft(1));
  CHECK(d.post(text).status == 401);
  CHECK(d.post(text, {{"Authorization", "Bearer wrong horse"}}).status == 401);
  CHECK(d.post(text, {{"Authorization", "correct horse"}}).status == 401);
  CHECK(d.directory.posts_unauthorized() == 3);
  CHECK(d.directory.table().signatures_checked() == 0);
  CHECK(d.post(text, {{"authorization", "Bearer correct horse"}}).status == 201);
  CHECK(d.get("/api/public-streams").body.text().find("horse") == std::string_view::npos);
}

TEST_CASE("each refusal has its status and says why") {
  desk d;
  CHECK(d.post("{").status == 400);
  CHECK(error_of(d.post("{")) == "malformed");
  CHECK(d.post(std::string(3000, ' ')).status == 413);
  auto forged = draft(1);
  CHECK(d.post(discovery::encode(forged)).status == 403);
  auto old = draft(1);
  old.updated_unix_ms -= 60'000;
  CHECK(error_of(d.post(signed_by(1, old))) == "expired");
  auto second = draft(1);
  second.sequence = 2;
  CHECK(d.post(signed_by(1, second)).status == 201);
  CHECK(d.post(signed_by(1, draft(1))).status == 409);
  CHECK(d.get("/").status == 404);
  CHECK(d.get("/api/stream-upsert").status == 405);
  CHECK(d.ask({"POST", "/api/public-streams", {}, {}, "192.0.2.1:1", {}}).status == 405);
}

TEST_CASE("one address that asks without end is put off, and others are answered") {
  desk d;
  int answered = 0;
  for (int i = 0; i < 1000; ++i) answered += d.get("/api/health").status == 200 ? 1 : 0;
  CHECK(answered == 120);
  CHECK(d.get("/api/health").headers.find("retry-after") == "1");
  CHECK(d.get("/api/health", {}, "192.0.2.2:1").status == 200);
  d.passed = 1s;
  CHECK(d.get("/api/health").status == 200);
}

TEST_CASE("a listing that is too large for one answer is read on") {
  desk d({}, 10'000);
  for (uint32_t i = 1; i <= 40; ++i) {
    auto a = draft(1 + i % 4, "ec/stream/v1/broadcast/standard-atsc/tsid-" + std::to_string(i) + "/channel-7.1/profile-ts-v1/variant-main");
    d.passed += 1s; // at a pace that each address may have
    a.updated_unix_ms = noon_ms + static_cast<uint64_t>(d.passed.count());
    REQUIRE(d.post(signed_by(1 + i % 4, a)).status == 201);
  }
  size_t got = 0, pages = 0;
  discovery::directory_place place;
  for (bool more = true; more && pages < 10; ++pages) {
    const auto page = d.listing(discovery::listing_url(net::parse_url("http://x").value(), place).query);
    CHECK(page.encoded.size() < 40);
    got += page.encoded.size();
    place = page.place;
    more = page.more;
  }
  CHECK(pages > 1);
  CHECK(got == 40);
}

TEST_CASE("a listing that is none is refused, whatever it holds") {
  for (const char* text : {"", "[]", "{}", R"({"version":2,"instance":"a","at":0,"announcements":[]})", R"({"version":1,"instance":"A b","at":0,"announcements":[]})",
         R"({"version":1,"instance":"a","at":-1,"announcements":[]})", R"({"version":1,"instance":"a","at":0,"announcements":{}})"})
    CHECK_FALSE(discovery::read_listing(text).has_value());
  CHECK(discovery::read_listing(R"({"version":1,"instance":"a","at":0,"announcements":[7,{}]})").value().encoded.size() == 2);
}

TEST_CASE("a policy says which way is taken, and the same sources give the same way") {
  const auto relay = discovery::relay_transport{"https://relay.example/moq", "x", {}, {}};
  auto first = draft(1), second = draft(2), third = draft(3);
  first.transports.emplace_back(relay);
  second.manifests = true;
  second.transports[0] = discovery::direct_transport{"203.0.113.1:1", "moqt-18", {}};
  third.transports = {relay};
  discovery::announcement_table table;
  for (uint32_t i = 1; i <= 3; ++i) {
    const auto text = signed_by(i, i == 1 ? first : i == 2 ? second : third);
    REQUIRE(table.push(base::as_span(text), {discovery::carrier_kind::gossip, "192.0.2.1:1"}, noon, {}).what == discovery::verdict::added);
  }
  const auto found = table.find(identity::stream_id::parse(wptv).value());
  const auto best = [&](const char* text) {
    const auto all = discovery::ways(found, discovery::parse_policy(text).value());
    return all.empty() ? std::string("none") : discovery::full_address(all.front().by);
  };
  CHECK(best("direct-first").starts_with("moqt://203.0.113.1:1#")); // who has the manifests, too
  CHECK(best("relay-first") == "https://relay.example/moq");
  CHECK(best("relay") == "https://relay.example/moq");
  CHECK(discovery::ways(found, discovery::policy::direct).size() == 2);
  CHECK(discovery::ways(found, discovery::policy::direct_first).size() == 3); // the relay once
  CHECK(discovery::ways({}, discovery::policy::direct_first).empty());
  CHECK_FALSE(discovery::parse_policy("any").has_value());
}

TEST_CASE("a node leaves out itself and whom it knows, by key, pin or address, and nobody else") {
  const auto pin_of = [](uint32_t number) { return key_of(number).public_key().bytes(); };
  discovery::announcement_table table;
  for (uint32_t i = 1; i <= 5; ++i) {
    auto a = draft(i);
    a.transports = {discovery::direct_transport{"203.0.113." + std::to_string(i) + ":1", "moqt-18", pin_of(i)}};
    if (i == 5) a.transports = {discovery::relay_transport{"moqt://relay.example:1/x", "x", {}, pin_of(9)}};
    const auto text = signed_by(i, a);
    REQUIRE(table.push(base::as_span(text), {discovery::carrier_kind::gossip, "192.0.2.1:1"}, noon, {}).what == discovery::verdict::added);
  }
  const auto left = [&](const discovery::acquaintances& known) {
    auto all = discovery::ways(table.find(identity::stream_id::parse(wptv).value()), discovery::policy::direct_first);
    discovery::leave_out(all, known);
    std::set<crypto::verifying_key> out;
    for (const auto& w : all) out.insert(w.to.what->signer);
    return out;
  };
  const auto without = [](std::set<uint32_t> gone) {
    std::set<crypto::verifying_key> out;
    for (uint32_t i = 1; i <= 5; ++i)
      if (!gone.contains(i)) out.insert(key_of(i).public_key());
    return out;
  };
  CHECK(left({}) == without({}));
  CHECK(left({.self = key_of(1).public_key(), .pins = {}, .addresses = {}}) == without({1}));
  CHECK(left({.self = {}, .pins = {pin_of(2)}, .addresses = {}}) == without({2})); // also where a stranger says that it is his
  CHECK(left({.self = {}, .pins = {}, .addresses = {"203.0.113.3:1"}}) == without({3}));
  CHECK(left({.self = {}, .pins = {pin_of(9)}, .addresses = {}}) == without({5}));
  CHECK(left({.self = key_of(9).public_key(), .pins = {pin_of(8)}, .addresses = {"203.0.113.3:2"}}) == without({}));
}
