#include "access/claims.hpp"

#include <doctest/doctest.h>

using namespace ec;
using access::token_claims;
using base::errc;

namespace {

base::result<token_claims> claims_of(std::string_view text) {
  return access::read_claims(base::json::parse(text).value());
}

moq::track_namespace ns(std::vector<std::string> fields) {
  return {std::move(fields)};
}

base::wall_time at(int64_t seconds) {
  return base::wall_time(std::chrono::seconds(seconds));
}

} // namespace

TEST_CASE("root goes before what may be published and subscribed, one path or several") {
  const auto c = claims_of(R"({"root":"demo","put":"me","get":["","guests/anna/"],"sub":"anna","jti":"7","iat":1000,"nbf":1001.5,"exp":2000})").value();
  CHECK(c.publish == std::vector{ns({"demo", "me"})});
  CHECK(c.subscribe == std::vector{ns({"demo"}), ns({"demo", "guests", "anna"})});
  CHECK(c.subject == "anna");
  CHECK(c.id == "7");
  CHECK(c.issued == at(1000));
  CHECK(c.not_before == at(1001));
  CHECK(c.expires == at(2000));
  CHECK(claims_of(base::json::dump(access::write_claims(c))).value() == c);
}

TEST_CASE("what a token does not name it does not allow") {
  const auto c = claims_of(R"({"root":"demo","cluster":true})").value();
  CHECK_FALSE(access::covers(c.publish, ns({"demo"})));
  CHECK_FALSE(access::covers(c.subscribe, ns({"demo"})));
}

TEST_CASE("a prefix covers whole fields, not letters") {
  const auto c = claims_of(R"({"get":"a/b","put":""})").value();
  CHECK(access::covers(c.subscribe, ns({"a", "b"})));
  CHECK(access::covers(c.subscribe, ns({"a", "b", "c"})));
  CHECK_FALSE(access::covers(c.subscribe, ns({"a", "bc"})));
  CHECK_FALSE(access::covers(c.subscribe, ns({"a"})));
  CHECK_FALSE(access::covers(c.subscribe, ns({"a/b"}))); // one field that holds a slash is another name
  CHECK(access::covers(c.publish, ns({})));
  CHECK(access::covers(c.publish, ns({"anything"})));
}

TEST_CASE("a token counts from its first second and no longer in its last") {
  token_claims c;
  CHECK(access::time_of(c, at(0)) == access::token_time::valid);
  c.not_before = at(1000);
  c.expires = at(2000);
  CHECK(access::time_of(c, at(999)) == access::token_time::not_yet);
  CHECK(access::time_of(c, at(1000)) == access::token_time::valid);
  CHECK(access::time_of(c, at(2000) - std::chrono::milliseconds(1)) == access::token_time::valid);
  CHECK(access::time_of(c, at(2000)) == access::token_time::expired);
  c = {};
  c.issued = at(1000);
  CHECK(access::time_of(c, at(940)) == access::token_time::valid); // clocks differ
  CHECK(access::time_of(c, at(939)) == access::token_time::not_yet);
}

TEST_CASE("claims of the wrong kind are refused, not passed over") {
  for (const auto* text : {R"([])", R"({"put":7})", R"({"get":[7]})", R"({"get":{}})", R"({"root":[]})", R"({"exp":"soon"})", R"({"exp":-1})", R"({"nbf":1e300})", R"({"sub":1})",
         R"({"get":"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33"})"}) {
    CAPTURE(text);
    const auto c = claims_of(text);
    REQUIRE_FALSE(c.has_value());
    CHECK(c.error().code == errc::malformed);
  }
  const auto long_one = claims_of("{\"jti\":\"" + std::string(300, 'x') + "\"}");
  CHECK(long_one.error().code == errc::too_large);
}

TEST_CASE("a prefix as a person writes it") {
  CHECK(access::parse_prefix("").value() == ns({}));
  CHECK(access::parse_prefix("///").value() == ns({}));
  CHECK(access::parse_prefix("/every.channel//us/").value() == ns({"every.channel", "us"}));
  CHECK(access::prefix_path(ns({"every.channel", "us"})) == "every.channel/us");
  CHECK(access::parse_prefix(std::string(5000, 'x')).error().code == errc::malformed);
}
