#include "identity/stream_id.hpp"

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "base/limits.hpp"
#include "tests/support/data.hpp"

using namespace ec::identity;
using ec::base::errc;
namespace json = ec::base::json;

namespace {

json::value vectors() {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  return json::parse(ec::test::read_text(std::filesystem::path(root == nullptr ? "." : root) / "tests/vectors/stream-id/stream-id.json")).value();
}

std::string text_of(const json::value& v, const char* key) {
  const auto* found = v.find(key);
  return found == nullptr ? "" : *found->as_string();
}

std::optional<uint16_t> number_of(const json::value& v, const char* key) {
  const auto* found = v.find(key);
  return found == nullptr ? std::nullopt : std::optional(static_cast<uint16_t>(*found->as_int()));
}

std::optional<std::string> maybe(const json::value& v, const char* key) {
  return v.find(key) == nullptr ? std::nullopt : std::optional(text_of(v, key));
}

scope scope_of(const json::value& v) {
  if (v.find("kind") != nullptr) return source_scope{text_of(v, "kind"), text_of(v, "device"), text_of(v, "channel")};
  return broadcast_scope{text_of(v, "standard"), number_of(v, "network"), number_of(v, "tsid"),
                         number_of(v, "program"), maybe(v, "channel"), maybe(v, "callsign")};
}

} // namespace

TEST_CASE("every golden stream id is printed and parsed as it stands") {
  const auto all = vectors();
  size_t count = 0;
  for (const auto& v : *all.find("valid")->as_array()) {
    const auto text = text_of(v, "text");
    CAPTURE(text);
    const auto made = stream_id::make(scope_of(v), text_of(v, "profile"), text_of(v, "variant"));
    REQUIRE(made.has_value());
    CHECK(made.value().text() == text);
    const auto parsed = stream_id::parse(text);
    REQUIRE(parsed.has_value());
    CHECK(parsed.value() == made.value());
    CHECK(parsed.value().scope() == scope_of(v));
    CHECK(parsed.value().profile() == text_of(v, "profile"));
    CHECK(parsed.value().variant() == text_of(v, "variant"));
    CHECK(std::string(parsed.value().key()) + "/profile-" + text_of(v, "profile") + "/variant-" + text_of(v, "variant") == text);
    const auto fields = namespace_fields(parsed.value());
    CHECK(fields.size() <= ec::base::limits::moq_namespace_fields_max);
    CHECK(from_namespace_fields(fields).value() == made.value());
    ++count;
  }
  CHECK(count >= 8);
}

TEST_CASE("every golden text that is no stream id is refused") {
  const auto all = vectors();
  size_t count = 0;
  for (const auto& v : *all.find("invalid")->as_array()) {
    CAPTURE(text_of(v, "text"));
    const auto parsed = stream_id::parse(text_of(v, "text"));
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == errc::malformed);
    ++count;
  }
  CHECK(count >= 20);
}

TEST_CASE("a source id is what its three facts say, whatever they are spelled with") {
  const auto id = source_stream_id("hdhomerun", "10AB34CD", "7.1", "ts-v1").value();
  CHECK(id.text() == "ec/stream/v1/source/kind-hdhomerun/device-10%41%4234%43%44/channel-7.1/profile-ts-v1/variant-main");
  CHECK_FALSE(id.is_broadcast());
  CHECK(source_stream_id("", "d", "c", "ts-v1").error().code == errc::invalid_argument);
  CHECK(source_stream_id("k", "", "c", "ts-v1").error().code == errc::invalid_argument);
  CHECK(source_stream_id("k", "d", "", "ts-v1").error().code == errc::invalid_argument);
  CHECK(source_stream_id("k", "d", "c\n", "ts-v1").error().code == errc::invalid_argument);
  CHECK(source_stream_id("k", "d", "c", "TS").error().code == errc::invalid_argument);
  CHECK(source_stream_id("k", "d", "c", "ts-v1", "").error().code == errc::invalid_argument);
}

TEST_CASE("a broadcast id needs more than its standard") {
  CHECK(stream_id::make(broadcast_scope{.standard = "atsc", .network = {}, .tsid = {}, .program_number = {}, .virtual_channel = {}, .callsign = {}}, "ts-v1")
          .error().code == errc::invalid_argument);
}

TEST_CASE("bounds: no id is longer than its limit, and none is parsed that is") {
  const std::string longest(255, 'a');
  CHECK(source_stream_id("file", longest, "1", "ts-v1").has_value());
  CHECK(source_stream_id("file", longest + "a", "1", "ts-v1").error().code == errc::invalid_argument);
  CHECK(source_stream_id("file", std::string(200, 'A'), "1", "ts-v1").error().code == errc::too_large);
  CHECK(stream_id::parse(std::string(513, 'a')).error().code == errc::too_large);
  const std::vector<std::string> fields(1000, "ec");
  CHECK(from_namespace_fields(fields).error().code == errc::too_large);
}

TEST_CASE("namespace fields with a slash inside are no stream id") {
  const std::vector<std::string> fields{"ec/stream", "v1", "source", "kind-file", "device-a", "channel-1", "profile-ts-v1", "variant-main"};
  CHECK(from_namespace_fields(fields).error().code == errc::malformed);
  CHECK(from_namespace_fields({}).error().code == errc::malformed);
}
