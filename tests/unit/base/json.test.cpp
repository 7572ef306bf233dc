#include "base/json.hpp"

#include <doctest/doctest.h>

#include "tests/support/data.hpp"

using namespace ec::base;

namespace {

errc refusal(std::string_view text) {
  const auto parsed = json::parse(text, {.i_json = true});
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error().code;
}

} // namespace

TEST_CASE("canonical JSON: the vectors of the authors of RFC 8785") {
  const auto folder = ec::test::test_data("crypto-vectors/jcs");
  if (!folder) return;
  for (const char* name : {"arrays", "french", "structures", "unicode", "values", "weird"}) {
    CAPTURE(name);
    const auto in = ec::test::read_text(*folder / "input" / (std::string(name) + ".json"));
    auto expected = ec::test::read_text(*folder / "output" / (std::string(name) + ".json"));
    while (!expected.empty() && expected.back() == '\n') expected.pop_back();
    const auto parsed = json::parse(in);
    REQUIRE(parsed.has_value());
    CHECK(json::canonical(parsed.value()) == expected);
  }
}

TEST_CASE("canonical numbers are written as ECMAScript writes them") {
  const std::pair<const char*, const char*> cases[] = {
    {"-0", "0"}, {"1E30", "1e+30"}, {"0.000001", "0.000001"}, {"1e-7", "1e-7"}, {"100000000000000000000.0", "100000000000000000000"},
    {"1e21", "1e+21"}, {"4.50", "4.5"}, {"2e-3", "0.002"}, {"333333333.33333329", "333333333.3333333"}, {"5e-324", "5e-324"}};
  for (const auto& [in, out] : cases) CHECK(json::canonical(json::parse(in).value()) == out);
}

TEST_CASE("what two parsers could read differently is refused") {
  CHECK(refusal(R"({"a":1,"a":2})") == errc::malformed);
  CHECK(refusal(R"({"a":1}x)") == errc::malformed);
  CHECK(refusal(std::string_view("{\"a\":1}\0{}", 10)) == errc::malformed);
  CHECK(refusal(std::string_view("1\0", 2)) == errc::malformed);
  CHECK(refusal("[9007199254740993]") == errc::malformed);
  CHECK(refusal("[-9007199254740993]") == errc::malformed);
  CHECK(refusal("[18446744073709551615]") == errc::malformed);
  CHECK(refusal(R"("\ud800")") == errc::malformed);
  CHECK(refusal(R"("\udc00")") == errc::malformed);
  CHECK(refusal("\"\xc0\x80\"") == errc::malformed);
  CHECK(refusal("1e400") == errc::malformed);
  CHECK(refusal("") == errc::malformed);
  CHECK(refusal("{\"a\":1,}") == errc::malformed);
}

TEST_CASE("bounds hold before memory is taken") {
  CHECK(refusal(std::string(40, '[')) == errc::too_large);
  CHECK(json::parse(std::string(31, '[') + std::string(31, ']')).has_value());
  CHECK(json::parse("12345", {.bytes_max = 4}).error().code == errc::too_large);
  CHECK(json::parse(R"({"a":1,"b":2})", {.members_max = 1}).error().code == errc::too_large);
}

TEST_CASE("an error names line and column") {
  const auto parsed = json::parse("{\n  \"a\": 1,\n  \"a\": 2\n}");
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().text.find("line 3") != std::string::npos);
  CHECK(parsed.error().text.find("\"a\" twice") != std::string::npos);
}

TEST_CASE("members keep their order in compact form and are sorted by UTF-16 in canonical form") {
  const auto v = json::parse("{\"\U0001F600\":1,\"\uFB33\":2,\"a\":3}").value();
  CHECK(json::dump(v) == "{\"\U0001F600\":1,\"\uFB33\":2,\"a\":3}");
  CHECK(json::canonical(v) == "{\"a\":3,\"\U0001F600\":1,\"\uFB33\":2}");
}
