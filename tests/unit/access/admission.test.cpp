#include "access/admission.hpp"

#include <doctest/doctest.h>

using namespace ec;
using namespace ec::moq;
using access::admission, access::gatekeeper, access::token_claims;
using crypto::token_algorithm, crypto::token_key;

namespace {

base::wall_time at(int64_t seconds) {
  return base::wall_time(std::chrono::seconds(seconds));
}

/// A relay's door at a time that the test sets.
struct door {
  /// `rules` without keys.
  explicit door(access::access_rules rules = {}) : keeper(with_key(std::move(rules)), [this] { return now; }) {}

  std::shared_ptr<const token_key> key = std::make_shared<const token_key>(token_key::generate(token_algorithm::eddsa).value());
  base::wall_time now = at(1000);
  gatekeeper keeper;

  access::access_rules with_key(access::access_rules rules) const {
    rules.keys = {key};
    return rules;
  }

  std::string token(std::vector<track_namespace> publish, std::vector<track_namespace> subscribe, std::optional<base::wall_time> expires = at(2000),
    const token_key* by = nullptr) const {
    token_claims c;
    c.publish = std::move(publish);
    c.subscribe = std::move(subscribe);
    c.expires = expires;
    c.subject = "anna";
    return access::make_token(c, by ? *by : *key).value();
  }
  const access::access_counters& counters() const { return keeper.counters(); }
};

const track_namespace a{{"a"}}, ab{{"a", "b"}}, b{{"b"}}, all{};

auth_token by_value(std::string text) {
  return {.kind = auth_token::alias_type::use_value, .alias = 0, .type = 0, .value = std::move(text)};
}

authorization wish(request_kind kind, const track_namespace& ns, std::vector<std::string> tokens = {}, bool update = false) {
  authorization out{kind, {ns, "t"}, update, {}};
  for (auto& t : tokens) out.tokens.push_back(by_value(std::move(t)));
  return out;
}

/// The code of the refusal; nothing: allowed.
std::optional<uint64_t> refused(admission& s, const authorization& w, request_id id = 0) {
  const auto no = s.authorize(id, w);
  return no ? std::optional(no->code) : std::nullopt;
}

constexpr auto everything_open = [](request_id) { return true; };

} // namespace

TEST_CASE("who shows a token may do what it names, and nothing else") {
  door d;
  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("/?jwt=" + d.token({ab}, {a}), {}));
  CHECK(s.who() == "anna");
  for (const auto kind : {request_kind::publish, request_kind::publish_namespace}) {
    CHECK_FALSE(refused(s, wish(kind, ab)));
    CHECK(refused(s, wish(kind, a)) == request_code::unauthorized);
    CHECK(refused(s, wish(kind, b)) == request_code::unauthorized);
  }
  for (const auto kind : {request_kind::subscribe, request_kind::fetch, request_kind::track_status, request_kind::subscribe_namespace, request_kind::subscribe_tracks}) {
    CHECK_FALSE(refused(s, wish(kind, a)));
    CHECK_FALSE(refused(s, wish(kind, ab)));
    CHECK(refused(s, wish(kind, b)) == request_code::unauthorized);
    CHECK(refused(s, wish(kind, all)) == request_code::unauthorized);
  }
  CHECK(s.authorize(0, wish(request_kind::subscribe, b))->reason == "anna may not subscribe to b--t");
  CHECK(d.counters().sessions_admitted == 1);
  CHECK(d.counters().requests_refused == 15);
}

TEST_CASE("without a token only what is public is open, and a session that cannot show one later is not let in at all") {
  door d;
  admission later(d.keeper, true), never(d.keeper, false);
  CHECK_FALSE(later.enter("/live", {}));
  CHECK(later.who() == "anonymous");
  CHECK(later.authorize(0, wish(request_kind::subscribe, a))->reason == "a token is needed to subscribe to a--t");
  CHECK(never.enter("/live", {})->session_code == session_code::unauthorized);

  door open({.keys = {}, .public_publish = {b}, .public_subscribe = {ab}});
  admission guest(open.keeper, false);
  CHECK_FALSE(guest.enter("", {}));
  CHECK_FALSE(refused(guest, wish(request_kind::subscribe, ab)));
  CHECK(refused(guest, wish(request_kind::subscribe, b)) == request_code::unauthorized);
  CHECK_FALSE(refused(guest, wish(request_kind::publish_namespace, b)));
  CHECK(refused(guest, wish(request_kind::publish_namespace, ab)) == request_code::unauthorized);
  CHECK(open.counters().sessions_anonymous == 1);
}

TEST_CASE("a token is taken from the first segment of the path, from the query, and from SETUP") {
  door d;
  const auto t = d.token({}, {a});
  const auto lets_in = [&](const std::string& path, std::vector<auth_token> shown = {}) {
    admission s(d.keeper, true);
    return !s.enter(path, shown) && !refused(s, wish(request_kind::subscribe, a));
  };
  CHECK(lets_in("/" + t));
  CHECK(lets_in("/" + t + "/live?x=1"));
  CHECK(lets_in("/live?x=1&jwt=" + t + "&y=2"));
  CHECK(lets_in("?jwt=" + t));
  CHECK(lets_in("/live", {by_value(t)}));
  CHECK(lets_in("/?jwt=" + t, {by_value(t)}));
  CHECK_FALSE(lets_in("/live/" + t));
  CHECK_FALSE(lets_in("/?token=" + t));
  CHECK(access::path_without_secrets("/live?jwt=" + t) == "/live");
  CHECK(access::path_without_secrets("/" + t + "/live?jwt=" + t) == "/.../live");
  CHECK(access::path_without_secrets("/v1.2.3/x") == "/v1.2.3/x");
  CHECK(access::path_without_secrets("") == "");
}

TEST_CASE("a token that does not count is refused with the code that says why, whatever else is open") {
  door d({.keys = {}, .public_publish = {all}, .public_subscribe = {all}});
  const auto stranger = token_key::generate(token_algorithm::eddsa).value();
  const auto enter = [&](const std::string& path) {
    admission s(d.keeper, false);
    const auto no = s.enter(path, {});
    return no ? no->session_code : session_code::no_error;
  };
  CHECK(enter("/?jwt=") == session_code::malformed_auth_token);
  CHECK(enter("/?jwt=a.b.c") == session_code::malformed_auth_token);
  CHECK(enter("/?jwt=" + d.token({}, {a}, at(2000), &stranger)) == session_code::unauthorized);
  CHECK(enter("/?jwt=" + d.token({}, {a}, at(1000))) == session_code::expired_auth_token);
  CHECK(enter("/?jwt=" + d.token({}, {a}) + "&jwt=x") == session_code::malformed_auth_token);
  std::string many = "/?";
  for (int i = 0; i < 9; ++i) many += "jwt=" + d.token({}, {a}, at(2000 + i)) + "&";
  CHECK(enter(many) == session_code::unauthorized);
  CHECK(d.counters().sessions_refused == 6);
  CHECK(d.counters().tokens_malformed == 3);
  CHECK(d.counters().tokens_unknown == 1);
  CHECK(d.counters().tokens_expired == 1);

  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("", {}));
  CHECK(refused(s, wish(request_kind::subscribe, a, {"nonsense"})) == request_code::malformed_auth_token);
  CHECK(refused(s, wish(request_kind::subscribe, a, {d.token({}, {a}, at(999))})) == request_code::expired_auth_token);
  CHECK(refused(s, wish(request_kind::subscribe, a, {d.token({}, {a}, at(2000), &stranger)})) == request_code::unauthorized);
}

TEST_CASE("a session ends with the first of the tokens that it showed at its start") {
  door d;
  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("/?jwt=" + d.token({a}, {}, at(3000)), {by_value(d.token({}, {a}, at(2000)))}));
  CHECK(s.due() == at(2000));
  d.now = at(1999);
  CHECK_FALSE(s.check(everything_open).session);
  d.now = at(2000);
  const auto v = s.check(everything_open);
  REQUIRE(v.session);
  CHECK(v.session->session_code == session_code::expired_auth_token);
  CHECK(v.session->reason == "anna: the token has expired");
  CHECK(d.counters().sessions_expired == 1);
}

TEST_CASE("a subscription ends with the token of its own, and its session goes on; a publisher's session ends") {
  door d;
  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("", {}));
  CHECK_FALSE(s.due());
  CHECK_FALSE(refused(s, wish(request_kind::subscribe, a, {d.token({}, {a}, at(2000))}), 2));
  CHECK_FALSE(refused(s, wish(request_kind::subscribe, b, {d.token({}, {b}, at(2500))}), 4));
  CHECK(refused(s, wish(request_kind::subscribe, a), 6) == request_code::unauthorized); // the token was the other request's
  CHECK(s.due() == at(2000));
  d.now = at(2000);
  auto v = s.check(everything_open);
  CHECK_FALSE(v.session);
  CHECK(v.subscriptions == std::vector<request_id>{2});
  CHECK(s.due() == at(2500));
  CHECK_FALSE(refused(s, wish(request_kind::publish_namespace, b, {d.token({b}, {}, at(2400))}), 8));
  d.now = at(2400);
  v = s.check(everything_open);
  REQUIRE(v.session);
  CHECK(v.session->session_code == session_code::expired_auth_token);
  CHECK(d.counters().requests_expired == 1);
}

TEST_CASE("an update renews the token of a request; one without a token is judged by the old") {
  door d;
  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("", {}));
  REQUIRE_FALSE(refused(s, wish(request_kind::subscribe_namespace, a, {d.token({}, {a}, at(2000))}), 2));
  CHECK_FALSE(refused(s, wish(request_kind::subscribe_namespace, ab, {}, true), 2));
  CHECK(refused(s, wish(request_kind::subscribe_namespace, b, {}, true), 2) == request_code::unauthorized);
  CHECK_FALSE(refused(s, wish(request_kind::subscribe_namespace, a, {d.token({}, {a}, at(3000))}, true), 2));
  CHECK(s.due() == at(3000));
  d.now = at(2000);
  CHECK_FALSE(s.check(everything_open).session);
  d.now = at(3000);
  CHECK(s.check(everything_open).session);
}

TEST_CASE("requests that are over are forgotten, and their number is bounded") {
  door d;
  admission s(d.keeper, true);
  REQUIRE_FALSE(s.enter("", {}));
  const auto t = d.token({}, {a});
  request_id id = 0;
  for (; id < base::limits::session_held_tokens_max; ++id) REQUIRE_FALSE(refused(s, wish(request_kind::subscribe, a, {t}), id));
  CHECK(refused(s, wish(request_kind::subscribe, a, {t}), id) == request_code::excessive_load);
  d.now = at(1500);
  const auto v = s.check([](request_id open) { return open == 7; });
  CHECK(v.subscriptions.empty());
  CHECK_FALSE(refused(s, wish(request_kind::subscribe, a, {t}), id));
  d.now = at(2000);
  CHECK(s.check(everything_open).subscriptions == std::vector<request_id>{7, id});
}

TEST_CASE("who lives by a key that is taken away is out") {
  door d;
  const auto other = std::make_shared<const token_key>(token_key::generate(token_algorithm::hs256).value());
  d.keeper.use_keys({d.key, other});
  admission stays(d.keeper, false), goes(d.keeper, false), half(d.keeper, true);
  REQUIRE_FALSE(stays.enter("/?jwt=" + d.token({}, {a}), {}));
  REQUIRE_FALSE(goes.enter("/?jwt=" + d.token({}, {a}, std::nullopt, other.get()), {}));
  REQUIRE_FALSE(half.enter("", {}));
  REQUIRE_FALSE(refused(half, wish(request_kind::subscribe, a, {d.token({}, {a}, std::nullopt, other.get())}), 2));
  CHECK_FALSE(goes.due());
  d.keeper.use_keys({d.key});
  CHECK_FALSE(stays.check(everything_open).session);
  CHECK(goes.check(everything_open).session->session_code == session_code::unauthorized);
  const auto v = half.check(everything_open);
  CHECK_FALSE(v.session);
  CHECK(v.subscriptions == std::vector<request_id>{2});
  CHECK(d.counters().sessions_revoked == 1);
}

TEST_CASE("limits hold for who is let in, and where everybody is") {
  door d({.keys = {}, .public_publish = {}, .public_subscribe = {}, .limits = {.sessions_per_token = 1, .requests_per_address = 2}});
  size_t open = 0;
  const auto session = [&](const std::string& address) {
    auto s = std::make_unique<admission>(d.keeper, true);
    s->comes_from(address, [&open] { return open; });
    return s;
  };
  const auto path = "/?jwt=" + d.token({}, {a});
  const auto first = session("x"), second = session("y");
  CHECK_FALSE(first->enter(path, {}));
  const auto no = second->enter(path, {});
  REQUIRE(no);
  CHECK(no->session_code == session_code::unauthorized);
  CHECK(no->reason.find("1 sessions") != std::string::npos);
  CHECK_FALSE(refused(*first, wish(request_kind::subscribe, a), 0));
  open = 2;
  CHECK(refused(*first, wish(request_kind::subscribe, a), 2) == request_code::excessive_load);
  CHECK_FALSE(refused(*first, wish(request_kind::subscribe, a, {}, true), 0)); // an update opens nothing
  CHECK(refused(*first, wish(request_kind::subscribe, b), 4) == request_code::unauthorized);
  CHECK(d.counters().sessions_over_limit == 1);
  CHECK(d.counters().requests_over_limit == 1);
}

TEST_CASE("where everybody is let in, tokens are not looked at") {
  door d({.keys = {}, .public_publish = {}, .public_subscribe = {}, .limits = {.sessions_per_address = 1}, .everybody = true});
  admission s(d.keeper, false), second(d.keeper, false);
  for (auto* one : {&s, &second}) one->comes_from("x", [] { return 0; });
  CHECK_FALSE(s.enter("/?jwt=nonsense", {by_value("nonsense")}));
  CHECK_FALSE(refused(s, wish(request_kind::publish, b, {"nonsense"})));
  CHECK(second.enter("", {}));
}
