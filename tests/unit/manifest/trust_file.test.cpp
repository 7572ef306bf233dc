#include "manifest/trust_file.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec;
using namespace ec::manifest;
using namespace ec::test;

namespace {

std::string text(uint8_t n) {
  return key(n).public_key().to_string();
}

std::string quoted(const std::string& s) {
  return "\"" + s + "\"";
}

std::string file_of(const std::string& trust, const std::string& rest = {}) {
  return "{\"version\": 1, \"trust\": [" + trust + "]" + rest + "}";
}

std::string rule(const std::string& streams, const std::string& keys) {
  return "{\"streams\": " + quoted(streams) + ", \"keys\": [" + keys + "]}";
}

std::string wrong(const std::string& content) {
  const auto read = parse_trust_file(content, "trust.json");
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == base::errc::config);
  return read.error().message();
}

bool names(const std::string& message, const std::string& part) {
  INFO(message);
  return message.find(part) != message.npos;
}

} // namespace

TEST_CASE("a trust file gives each stream the keys of every pattern that it matches") {
  const auto f = parse_trust_file(file_of(rule("ec/stream/v1/source/*", quoted("east=" + text(1)) + "," + quoted(text(2))) + "," + rule(stream, quoted(text(3))) +
                                            "," + rule("ec/stream/v1/broadcast/*", quoted(text(4))),
                                          ", \"revoked\": [" + quoted(text(2)) + "]"),
                                  "trust.json");
  REQUIRE(f.has_value());
  trust_set t;
  REQUIRE(apply(f.value(), stream, t).has_value());
  CHECK(t.size() == 2);
  CHECK(t.trusts(key(1).public_key()));
  CHECK(t.name(key(1).public_key()) == "east");
  CHECK_FALSE(t.trusts(key(2).public_key()));
  CHECK(t.revoked(key(2).public_key()));
  CHECK(t.trusts(key(3).public_key()));
  CHECK_FALSE(t.trusts(key(4).public_key()));
}

TEST_CASE("revoked means of every stream, also what a command line names") {
  const auto f = parse_trust_file(file_of(rule("*", quoted(text(1))), ", \"revoked\": [" + quoted(text(5)) + "]"), "trust.json");
  REQUIRE(f.has_value());
  trust_set t;
  REQUIRE(t.add(text(5)).has_value());
  REQUIRE(apply(f.value(), stream, t).has_value());
  CHECK(t.trusts(key(1).public_key()));
  CHECK_FALSE(t.trusts(key(5).public_key()));
}

TEST_CASE("a pattern is a whole id, or what some ids begin with") {
  CHECK(matches(stream, stream));
  CHECK(matches("*", stream));
  CHECK(matches(stream + "*", stream));
  CHECK(matches("ec/stream/v1/source/kind-f*", stream));
  CHECK_FALSE(matches("ec/stream/v1/broadcast/*", stream));
  CHECK_FALSE(matches(stream.substr(0, stream.size() - 1), stream));
  CHECK_FALSE(matches("", stream));
}

TEST_CASE("what is wrong in a trust file is named by file, key and what was expected") {
  const auto good = quoted(text(1));
  CHECK(names(wrong("{"), "trust.json"));
  CHECK(names(wrong("[]"), "expected an object"));
  CHECK(names(wrong("{\"trust\": []}"), "key \"version\""));
  CHECK(names(wrong("{\"version\": 2, \"trust\": []}"), "key \"version\""));
  CHECK(names(wrong("{\"version\": 1}"), "key \"trust\""));
  CHECK(names(wrong("{\"version\": 1, \"trust\": []}"), "an array that is not empty"));
  CHECK(names(wrong(file_of(rule("*", good), ", \"comment\": 1")), "key \"comment\""));
  CHECK(names(wrong(file_of("{\"streams\": \"*\"}")), "key \"trust[0].keys\""));
  CHECK(names(wrong(file_of(rule("*", good) + ",{\"streams\": \"*\", \"keys\": [" + good + "], \"min\": 2}")), "key \"trust[1].min\""));
  for (const auto* streams : {"", "ec/stream/*/kind-file", "**", "ec/stream/v1/nothing", "http://*", "ec/stream/v2/*"}) {
    CAPTURE(streams);
    CHECK(names(wrong(file_of(rule(streams, good))), "key \"trust[0].streams\""));
  }
  CHECK(names(wrong(file_of(rule("*", ""))), "key \"trust[0].keys\""));
  CHECK(names(wrong(file_of(rule("*", good + ", \"ed25519:00\""))), "key \"trust[0].keys[1]\""));
  CHECK(names(wrong(file_of(rule("*", good + "," + good))), "each key once"));
  CHECK(names(wrong(file_of(rule("*", "7"))), "found 7"));
  CHECK(names(wrong(file_of(rule("*", good), ", \"revoked\": [1]")), "key \"revoked[0]\""));
  CHECK(names(wrong(file_of(rule("*", good), ", \"revoked\": {}")), "key \"revoked\""));
  std::string many;
  for (size_t i = 0; i <= base::limits::trusted_keys_max; ++i) many += (i ? "," : "") + quoted(text(static_cast<uint8_t>(i)));
  CHECK(names(wrong(file_of(rule("*", many))), "64 are allowed"));
}

TEST_CASE("a trust file that is not there is named") {
  const auto read = load_trust_file("/nonexistent/trust.json");
  REQUIRE_FALSE(read.has_value());
  CHECK(names(read.error().message(), "/nonexistent/trust.json"));
}
