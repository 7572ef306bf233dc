// What requests carry beside their track: authorization tokens, the wish for a new group; and GOAWAY on a request.
#include <algorithm>

#include <doctest/doctest.h>

#include "moq/profile.hpp"
#include "moq/session.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;
using moq::request_kind;
using std::chrono::milliseconds;

namespace {

moq::auth_token by_value(std::string value, uint64_t type = 0) {
  return {.kind = moq::auth_token::alias_type::use_value, .alias = 0, .type = type, .value = std::move(value)};
}

moq::request_error no(uint64_t code) {
  return {.code = code, .retry_after_ms = {}, .reason = "no", .to = {}};
}

moq::session_config with_cache(size_t bytes) {
  moq::session_config c;
  c.auth_token_cache_bytes = bytes;
  c.takes_publish = true;
  return c;
}

moq::session_config with_token(std::string value) {
  moq::session_config c;
  c.request_tokens = {by_value(std::move(value))};
  return c;
}

/// The server has track "t"; the client has "mine".
struct fixture : moq_link {
  moq::track* t = nullptr;
  explicit fixture(moq::session_config client_config = {}, moq::session_config server_config = with_cache(0)) :
    moq_link(std::move(client_config), std::move(server_config)) {
    t = server_tracks.add(track_name("t"), {}, now).value();
    REQUIRE(client_tracks.add(track_name("mine"), {}, now).has_value());
    start();
  }
};

/// A server fed with bytes. Every request it gets is a SUBSCRIBE of n--c with the given tokens.
struct fed {
  moq_end end;
  moq_recorder says;
  moq::track_store tracks;
  base::mono_time now{std::chrono::hours(1)};
  moq::session session;
  uint64_t requests = 0;

  explicit fed(size_t cache, std::string_view setup = "af000000") : session(config(cache), end, says, &tracks) {
    end.server = true;
    session.on_connected(now);
    feed(2, setup);
  }
  static moq::session_config config(size_t cache) {
    auto c = with_cache(cache);
    c.role = moq::session_role::server;
    return c;
  }
  void feed(uint64_t stream, std::string_view hex) { session.on_stream_data(stream, base::bytes::copy(*base::from_hex(hex)), false, now); }
  /// `tokens`: each as hex, without its length.
  void ask(const std::vector<std::string>& tokens) {
    std::string body = base::to_hex(std::vector<uint8_t>{uint8_t(2 * requests)}) + "01016e0163" + base::to_hex(std::vector<uint8_t>{uint8_t(tokens.size())});
    for (size_t i = 0; i < tokens.size(); ++i) body += (i == 0 ? "03" : "00") + base::to_hex(std::vector<uint8_t>{uint8_t(tokens[i].size() / 2)}) + tokens[i];
    const size_t bytes = body.size() / 2;
    feed(4 * requests++, "03" + base::to_hex(std::vector<uint8_t>{uint8_t(bytes >> 8), uint8_t(bytes)}) + body);
  }
};

const char* const register_0_a = "01000061"; // alias 0, type 0, "a"
const char* const register_1_b = "01010062";
const char* const use_0 = "0200";
const char* const delete_0 = "0000";
const char* const value_a = "030061";

} // namespace

TEST_CASE("tokens of SETUP are told with it") {
  moq::session_config c;
  c.setup_tokens = {by_value("one", 3), by_value("two")};
  fixture f(c);
  CHECK(f.server_says.setup_tokens == c.setup_tokens);
  CHECK(f.client_says.setup_tokens.empty());
}

TEST_CASE("every request is put to the application with its tokens, and what it refuses never happened") {
  for (const uint64_t code : {moq::request_code::unauthorized, moq::request_code::malformed_auth_token, moq::request_code::expired_auth_token}) {
    fixture f(with_token("secret"));
    f.server_says.authorize = [code](const auto&) { return no(code); };
    f.client->subscribe(track_name("t"), {});
    f.client->fetch(track_name("t"), {0, 0}, {9, 0}, {});
    f.client->publish(track_name("mine"), {});
    f.client->publish_namespace({{"mine"}});
    f.client->subscribe_namespace({{"ec"}});
    f.client->subscribe_tracks({{"ec"}}, true);
    f.client->track_status(track_name("t"));
    f.pump();
    const auto e = " " + std::to_string(code);
    CHECK(f.client_says.all() == "error 0" + e + "; error 2" + e + "; error 4" + e + "; error 6" + e + "; error 8" + e + "; error 10" + e + "; error 12" + e);
    CHECK(f.server_says.all() == "");
    CHECK(f.server->open_requests() == 0);
    REQUIRE(f.server_says.asked.size() == 7);
    const request_kind kinds[] = {request_kind::subscribe, request_kind::fetch, request_kind::publish, request_kind::publish_namespace,
                                  request_kind::subscribe_namespace, request_kind::subscribe_tracks, request_kind::track_status};
    const char* const names[] = {"ec-test--t", "ec-test--t", "ec-test--mine", "mine--", "ec--", "ec--", "ec-test--t"};
    for (size_t i = 0; i < 7; ++i) {
      CAPTURE(i);
      const auto& a = f.server_says.asked[i];
      CHECK(a.kind == kinds[i]);
      CHECK(moq::to_string(a.track) == names[i]);
      CHECK(a.tokens == std::vector{by_value("secret")});
      CHECK_FALSE(a.update);
    }
  }
}

TEST_CASE("a request of the peer is open from when it was allowed until it ends") {
  fixture f;
  const auto id = f.client->subscribe(track_name("t"), {});
  CHECK_FALSE(f.server->is_open(id));
  f.pump();
  CHECK(f.server->is_open(id));
  f.server->end_subscription(id, moq::done_code::unauthorized, "its token counts no more");
  f.pump();
  CHECK_FALSE(f.server->is_open(id));
}

TEST_CASE("a joining fetch is put to the application under the name of the track that it joins") {
  fixture f;
  REQUIRE(f.server_tracks.append(*f.t, test_object(1, 0), f.now).has_value());
  const auto id = f.client->subscribe(track_name("t"), {});
  f.pump();
  f.server_says.authorize = [](const auto&) { return no(moq::request_code::unauthorized); };
  f.client->joining_fetch_relative(id, 0, {});
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0 largest=1/0; error 2 1");
  CHECK(moq::to_string(f.server_says.asked.back().track) == "ec-test--t");
}

TEST_CASE("an update whose token is refused ends its request") {
  const auto update = [](fixture& f, moq::request_id id) {
    f.server_says.authorize = [](const auto& a) { return a.update ? std::optional(no(moq::request_code::expired_auth_token)) : std::nullopt; };
    moq::update_options o;
    o.tokens = {by_value("new")};
    f.client->update(id, o);
    f.pump();
    CHECK(f.server_says.asked.back().tokens == o.tokens);
  };
  SUBCASE("a subscription: PUBLISH_DONE with UPDATE_FAILED") {
    fixture f;
    const auto id = f.client->subscribe(track_name("t"), {});
    f.pump();
    update(f, id);
    f.wait(milliseconds(2500));
    CHECK(f.client_says.take() == "subscribed 0; done 0 8 streams=0");
    CHECK(moq::to_string(f.server_says.asked.back().track) == "ec-test--t");
    CHECK(f.server->open_requests() == 0);
  }
  SUBCASE("a fetch: its stream is reset with EXPIRED_AUTH_TOKEN") {
    fixture f;
    for (uint64_t i = 0; i < 3; ++i) {
      auto o = test_object(1, i);
      o.payload = base::bytes::adopt(std::vector<uint8_t>(800'000));
      REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
    }
    f.server_end.hold_data = true;
    const auto id = f.client->fetch(track_name("t"), {0, 0}, {9, 0}, {});
    f.pump();
    update(f, id);
    CHECK(std::ranges::find(f.server_end.resets, std::pair<uint64_t, uint64_t>(7, moq::reset_code::expired_auth_token)) != f.server_end.resets.end());
    CHECK(f.client_says.take() == "fetch-ok 0 1/3; error 0 5");
    CHECK(f.server->open_requests() == 0);
  }
  SUBCASE("tracks under a prefix, also when the prefix moves without a token") {
    fixture f;
    const auto id = f.client->subscribe_tracks({{"none"}}, true);
    f.pump();
    f.server_says.authorize = [](const auto& a) { return a.update && a.track.ns.fields[0] == "ec" ? std::optional(no(moq::request_code::unauthorized)) : std::nullopt; };
    f.client->update_prefix(id, {{"ec"}});
    f.pump();
    CHECK(f.client_says.take() == "ok 0; error 0 1");
    CHECK(f.server->open_requests() == 0);
  }
  SUBCASE("a token that is good changes nothing") {
    fixture f;
    const auto id = f.client->subscribe(track_name("t"), {});
    f.pump();
    moq::update_options o;
    o.tokens = {by_value("new")};
    f.client->update(id, o);
    f.pump();
    CHECK(f.client_says.take() == "subscribed 0; ok 0");
  }
}

TEST_CASE("a token is registered where there is room, and then said by its alias") {
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const auto says_it = [&](const moq_end& e, uint64_t stream) {
    const auto& bytes = e.written.at(stream);
    return base::as_text(bytes).find(secret) != std::string_view::npos;
  };
  SUBCASE("the peer keeps tokens") {
    fixture f(with_token(secret), with_cache(48));
    f.client->track_status(track_name("t"));
    f.client->track_status(track_name("t")); // the first has no answer yet
    f.pump();
    f.client->track_status(track_name("t"));
    f.client->publish(track_name("mine"), {});
    f.pump();
    CHECK(says_it(f.client_end, 0));
    CHECK(says_it(f.client_end, 4));
    CHECK_FALSE(says_it(f.client_end, 8));
    CHECK_FALSE(says_it(f.client_end, 12));
    REQUIRE(f.server_says.asked.size() == 4);
    for (const auto& a : f.server_says.asked) CHECK(a.tokens == std::vector{by_value(secret)});
    f.client->use_tokens({by_value("other")});
    f.client->track_status(track_name("t"));
    f.pump();
    CHECK(f.server_says.asked.back().tokens == std::vector{by_value("other")});
    CHECK_FALSE(f.server->closed());
  }
  SUBCASE("the peer has one byte too little") {
    fixture f(with_token(secret), with_cache(47));
    f.client->track_status(track_name("t"));
    f.pump();
    f.client->track_status(track_name("t"));
    f.pump();
    CHECK(says_it(f.client_end, 4));
    CHECK_FALSE(f.server->closed());
  }
  SUBCASE("requests that leave before the peer's SETUP") {
    moq_link link(with_token(secret), with_cache(1000));
    link.client->on_connected(link.now);
    link.client->track_status(track_name("t"));
    link.server->on_connected(link.now);
    link.pump();
    CHECK(link.server_says.asked.at(0).tokens == std::vector{by_value(secret)});
    CHECK_FALSE(link.server->closed());
  }
}

TEST_CASE("aliases live until they are deleted, whatever became of the request") {
  fed p(34);
  p.ask({register_0_a}); // of a track that is not here
  p.ask({use_0});
  CHECK(p.says.asked.at(1).tokens == std::vector{by_value("a")});
  p.ask({register_1_b, use_0});
  CHECK(p.says.asked.at(2).tokens == std::vector{by_value("b"), by_value("a")});
  p.ask({delete_0});
  CHECK(p.says.asked.at(3).tokens.empty());
  p.ask({register_0_a, delete_0, "01020061"});
  CHECK(p.end.closed == moq::session_code::protocol_violation); // the same token twice
}

TEST_CASE("what must not be done with aliases closes the session") {
  struct story {
    const char* name;
    size_t cache;
    std::vector<std::vector<std::string>> requests;
    uint64_t code;
  };
  namespace code = moq::session_code;
  const story all[] = {
    {"over the limit that was told", 33, {{register_0_a}, {register_1_b}}, code::auth_token_cache_overflow},
    {"no limit was told", 0, {{register_0_a}}, code::auth_token_cache_overflow},
    {"registered twice", 100, {{register_0_a}, {"01000062"}}, code::duplicate_auth_token_alias},
    {"used before it is registered", 100, {{use_0}}, code::unknown_auth_token_alias},
    {"deleted before it is registered", 100, {{delete_0}}, code::unknown_auth_token_alias},
    {"used after it was deleted", 100, {{register_0_a}, {delete_0}, {use_0}}, code::unknown_auth_token_alias},
    {"the same token by alias and by value", 100, {{register_0_a}, {use_0, value_a}}, code::protocol_violation},
    {"the same token twice by alias", 100, {{register_0_a}, {use_0, use_0}}, code::protocol_violation},
    {"an alias with bytes behind it", 100, {{"020061"}}, code::key_value_formatting_error},
    {"an unknown kind", 100, {{"0400"}}, code::key_value_formatting_error},
  };
  for (const auto& s : all) {
    CAPTURE(s.name);
    fed p(s.cache);
    for (size_t i = 0; i < s.requests.size(); ++i) {
      CHECK_FALSE(p.end.closed);
      p.ask(s.requests[i]);
    }
    REQUIRE(p.end.closed);
    CHECK(*p.end.closed == s.code);
  }
  fed deleted(17);
  for (int i = 0; i < 5; ++i) {
    deleted.ask({register_0_a});
    deleted.ask({delete_0});
  }
  CHECK_FALSE(deleted.end.closed); // what is deleted costs nothing
}

TEST_CASE("a token that SETUP registers over the limit counts as said by value") {
  fed over(16, "af0000060304" "01000061");
  CHECK(over.says.setup_tokens == std::vector{by_value("a")});
  CHECK_FALSE(over.end.closed);
  over.ask({use_0});
  CHECK(over.end.closed == moq::session_code::unknown_auth_token_alias);
  fed within(17, "af0000060304" "01000061");
  within.ask({use_0});
  CHECK_FALSE(within.end.closed);
  CHECK(within.says.asked.at(0).tokens == std::vector{by_value("a")});
}

TEST_CASE("a subscriber may wish for a new group of a track that can begin one") {
  moq::track_config dynamic;
  dynamic.dynamic_groups = true;
  fixture f;
  auto* d = f.server_tracks.add(track_name("d"), dynamic, f.now).value();
  moq::subscribe_options wish;
  wish.new_group_request = 0;
  const auto id = f.client->subscribe(track_name("d"), wish);
  const auto plain = f.client->subscribe(track_name("t"), wish);
  f.pump();
  CHECK(f.server_says.take() == "new-group ec-test--d 0");
  REQUIRE(f.server_tracks.append(*d, test_object(4, 0), f.now).has_value());
  moq::update_options later;
  for (const uint64_t group : {4, 5, 0}) {
    later.new_group_request = group;
    f.client->update(id, later);
  }
  f.client->update(plain, later); // the track cannot: it is left out
  f.pump();
  CHECK(f.server_says.take() == "new-group ec-test--d 5; new-group ec-test--d 0");
  CHECK_FALSE(f.server->closed());
}

TEST_CASE("PUBLISH_OK may carry the wish for a new group") {
  moq::track_config dynamic;
  dynamic.dynamic_groups = true;
  fixture f;
  REQUIRE(f.client_tracks.add(track_name("d"), dynamic, f.now).has_value());
  moq::publish_accept how;
  how.new_group_request = 1;
  f.server_says.takes = how;
  f.client->publish(track_name("d"), {});
  f.client->publish(track_name("mine"), {});
  f.pump();
  CHECK(f.client_says.take() == "new-group ec-test--d 1; ok 0; ok 2");
}

TEST_CASE("GOAWAY on a request asks for that one alone, and ends it in time") {
  fixture f;
  SUBCASE("of the peer") {
    const auto id = f.client->subscribe(track_name("t"), {});
    const auto ns = f.client->publish_namespace({{"mine"}});
    f.pump();
    f.server->goaway_request(id, "moqt://elsewhere/", 500);
    f.server->goaway_request(id, "moqt://again/", 500); // one is all that may be said
    f.server->goaway_request(ns, "", 700);
    f.pump();
    CHECK(f.client_says.take() == "subscribed 0; ok 2; request-goaway 0 moqt://elsewhere/ 500; request-goaway 2  700");
    REQUIRE(f.server->deadline());
    CHECK(*f.server->deadline() == f.now + milliseconds(500));
    f.wait(milliseconds(499));
    CHECK(f.client_says.take() == "");
    f.wait(milliseconds(1));
    CHECK(f.client_says.take() == "done 0 4 streams=4611686018427387903");
    CHECK(std::ranges::find(f.server_end.resets, std::pair<uint64_t, uint64_t>(0, moq::reset_code::going_away)) != f.server_end.resets.end());
    f.server_says.log.clear();
    f.wait(milliseconds(200));
    CHECK(f.client_says.take() == "request-closed 2");
    CHECK(f.server_says.take() == "withdrawn 2 mine");
    CHECK(f.server->open_requests() == 0);
    CHECK_FALSE(f.client->closed());
  }
  SUBCASE("of our own") {
    const auto id = f.client->subscribe(track_name("t"), {});
    f.pump();
    f.client->goaway_request(id, "ignored, as a client names no place", 300);
    f.pump();
    CHECK(f.server_says.take() == "request-goaway 0  300");
    f.wait(milliseconds(300));
    CHECK(f.client_says.take() == "subscribed 0; done 0 4 streams=4611686018427387903");
    CHECK(f.server->open_requests() == 0);
  }
  SUBCASE("that went in time") {
    const auto id = f.client->subscribe(track_name("t"), {});
    f.pump();
    f.server->goaway_request(id, "", 300);
    f.client->unsubscribe(id);
    f.pump();
    f.wait(milliseconds(300));
    CHECK(std::ranges::find(f.server_end.resets, std::pair<uint64_t, uint64_t>(0, moq::reset_code::going_away)) == f.server_end.resets.end());
  }
}

TEST_CASE("an update may be answered before its subscription is: it waits for its track") {
  fixture f;
  moq::subscribe_options patient;
  patient.rendezvous_timeout_ms = 5000;
  const auto id = f.client->subscribe(track_name("late"), patient);
  f.pump();
  f.client->update(id, {.priority = 7});
  f.client->update(id, {.priority = 8});
  f.pump();
  CHECK_FALSE(f.client->closed());
  CHECK(f.client_says.take() == "ok 0; ok 0");
  auto& late = *f.server_tracks.add(track_name("late"), {}, f.now).value();
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0");
  f.server_tracks.append(late, test_object(0, 0), f.now).value();
  f.pump();
  CHECK(f.client_says.objects[id].size() == 1);
  // No more answers than updates.
  f.server_end.queue.clear();
  f.client->on_stream_data(0, base::bytes::adopt(moq::moqt18().encode_control(moq::request_ok{})), false, f.now);
  CHECK(f.client_end.closed == moq::session_code::protocol_violation);
}
