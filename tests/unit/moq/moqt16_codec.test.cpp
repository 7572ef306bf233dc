// The control messages of draft 16: vectors that others made, bytes of our own for what those lack, and what must be refused.
#include <set>

#include <doctest/doctest.h>

#include "moq/internal/moqt16.hpp"
#include "tests/support/data.hpp"
#include "tests/support/moq_describe.hpp"

using namespace ec;
using namespace ec::test;
namespace wire = moq::moqt16_wire;
using wire::type;

namespace {

moq::decoded<wire::control_message> read(std::string_view hex) {
  const auto raw = base::from_hex(hex).value();
  base::byte_reader in(raw);
  return wire::decode_control(in);
}

std::string text(const json::value& v, const char* key) {
  const auto* member = v.find(key);
  const auto* s = member ? member->as_string() : nullptr;
  return s ? *s : "";
}

/// A message with a length of two bytes in front of what follows it.
std::string framed(uint8_t is, std::string_view hex) {
  return base::to_hex(std::vector<uint8_t>{is, 0, static_cast<uint8_t>(hex.size() / 2)}) + std::string(hex);
}

uint64_t refused(std::string_view hex) {
  const auto m = read(hex);
  REQUIRE_FALSE(m.has_value());
  REQUIRE_FALSE(m.error().need_more);
  return m.error().code;
}

} // namespace

TEST_CASE("draft-16 control messages that others made decode to their fields and encode to their bytes") {
  const auto root = test_data("moq-vectors/draft16/codec/messages");
  if (!root) return;
  // Parameters that may not stand in these messages are ignored, and so not written again; nor is a limit of 0, which is as none.
  const std::set<std::string> ignoring{"publish-namespace.json with-forward", "subscribe-ok.json with-delivery-timeout", "client-setup.json max-request-id-param"};
  // Unknown ones "MUST close the session" [MOQT 16 9.2].
  const std::set<std::string> with_unknown{"subscribe.json unknown-extension-param", "fetch.json with-params", "publish-ok.json with-params"};
  std::set<std::string> types;
  size_t same = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*root)) {
    const auto file = json::parse(read_text(entry.path())).value();
    for (const auto& v : *file.find("vectors")->as_array()) {
      const auto name = entry.path().filename().string() + " " + text(v, "id");
      CAPTURE(name);
      const auto hex = text(v, "hex");
      const auto m = read(hex);
      if (v.find("error") || with_unknown.contains(name)) {
        CHECK_FALSE(m.has_value());
        continue;
      }
      REQUIRE_MESSAGE(m.has_value(), m.error().reason);
      const auto& want = *v.find("decoded");
      if (want.find("request_id")) CHECK(std::to_string(m.value().id) == text(want, "request_id"));
      if (want.find("existing_request_id")) CHECK(std::to_string(m.value().number) == text(want, "existing_request_id"));
      if (want.find("max_request_id")) CHECK(std::to_string(m.value().number) == text(want, "max_request_id"));
      std::visit([&](const auto& body) {
        if constexpr (requires { body.track.name; body.params; }) CHECK(body.track.name == text(want, "track_name"));
        if constexpr (requires { body.alias; }) CHECK(std::to_string(body.alias) == text(want, "track_alias"));
        if constexpr (requires { body.reason; }) CHECK(body.reason == text(want, "reason_phrase"));
        if constexpr (requires { body.stream_count; }) CHECK(std::to_string(body.stream_count) == text(want, "stream_count"));
        if constexpr (requires { body.joining_start; }) {
          if (want.find("joining_start")) CHECK(std::to_string(body.joining_start) == text(want, "joining_start"));
        }
      }, m.value().body);
      types.insert(hex.substr(0, 2));
      const auto again = wire::encode_control(m.value());
      const auto* canonical = v.find("canonical");
      if (!ignoring.contains(name) && !(canonical && canonical->as_bool() && !*canonical->as_bool())) {
        CHECK(base::to_hex(again) == hex);
        ++same;
      }
      CHECK(read(base::to_hex(again)).value() == m.value());
      for (size_t cut = 0; cut < hex.size() / 2; ++cut) {
        const auto part = read(std::string_view(hex).substr(0, 2 * cut));
        REQUIRE_FALSE(part.has_value());
        CHECK(part.error().need_more);
      }
    }
  }
  CHECK(types.size() == 24);
  CHECK(same >= 100);
}

TEST_CASE("draft-16 messages of a foreign page decode to their fields") {
  // What @moq/net writes [interop 8].
  auto m = read("20001803028000a455050b6d6f712d6c6974652d6a7380040b5301");
  REQUIRE(m.has_value());
  CHECK(m.value().number == 42069);
  CHECK(std::get<moq::setup>(m.value().body).implementation == "moq-lite-js");
  m = read("1100040000" "0100");
  REQUIRE(m.has_value());
  CHECK(m.value().number == wire::ask_namespaces);
  m = read("030024" "02" "01096c6976652e68616e67" "0c636174616c6f672e6a736f6e" "04" "1001" "10409b" "010102" "0102");
  REQUIRE(m.has_value());
  const auto& s = std::get<moq::subscribe>(m.value().body);
  CHECK(s.track == moq::full_track_name{{{"live.hang"}}, "catalog.json"});
  CHECK(s.params.forward == true);
  CHECK(s.params.priority == 155);
  CHECK(s.params.filter->type == moq::subscription_filter::kind::largest_object);
  CHECK(s.params.order == moq::group_order::descending);
  m = read("0b000f02" "02000b747261636b20656e646564");
  REQUIRE(m.has_value());
  CHECK(std::get<moq::publish_done>(m.value().body).reason == "track ended");
}

TEST_CASE("draft-16 messages that break a rule are refused with its code") {
  const std::string sub = "00" "010161" "0162"; // request 0, namespace a, track b
  using namespace moq::session_code;
  CHECK(refused("3f") == protocol_violation);
  CHECK(refused("01") == protocol_violation);
  CHECK(refused("4050") == protocol_violation);   // draft 18's SUBSCRIBE_NAMESPACE
  CHECK(refused(framed(3, sub + "0102" "00")) == protocol_violation);      // DELIVERY_TIMEOUT 0
  CHECK(refused(framed(3, sub + "0110" "02")) == protocol_violation);      // FORWARD 2
  CHECK(refused(framed(3, sub + "0120" "4100")) == protocol_violation);    // priority 256
  CHECK(refused(framed(3, sub + "0122" "03")) == protocol_violation);      // GROUP_ORDER 3
  CHECK(refused(framed(3, sub + "0122" "00")) == protocol_violation);
  CHECK(refused(framed(3, sub + "0214" "000001")) == protocol_violation);  // unknown parameter
  CHECK(refused(framed(3, sub + "0210" "010001")) == protocol_violation);  // FORWARD twice
  CHECK(refused(framed(3, sub + "0121" "020200")) == protocol_violation);  // a filter longer than its type
  CHECK(refused(framed(3, sub + "0121" "0105")) == protocol_violation);    // filter type 5
  CHECK(refused(framed(3, sub + "0121" "0404050004")) == protocol_violation); // a range that ends before its start
  CHECK(refused(framed(3, sub + "0103" "0104")) == key_value_formatting_error); // token of alias type 4
  CHECK(refused(framed(4, "0000" "0109" "0105")) == key_value_formatting_error); // LARGEST_OBJECT is half a location
  CHECK(refused(framed(4, "0000" "00" "0200")) == protocol_violation);     // DELIVERY_TIMEOUT of the track is 0
  CHECK(refused(framed(4, "0000" "00" "2203")) == protocol_violation);     // group order 3
  CHECK(refused(framed(4, "0000" "00" "3002")) == protocol_violation);     // DYNAMIC_GROUPS 2
  CHECK(refused(framed(4, "0000" "00" "0e4100")) == protocol_violation);   // priority 256
  CHECK(refused(framed(0x16, "0004" "00")) == protocol_violation);         // fetch type 4
  CHECK(refused(framed(0x11, "00" "00" "03" "00")) == protocol_violation); // subscribe options 3
  CHECK(refused(framed(0x0a, "0000")) == protocol_violation);              // a byte behind the fields
  CHECK(refused(framed(0x20, "0201" "0161" "000162")) == protocol_violation); // PATH twice
  CHECK(refused(framed(0x06, "00" "21" + std::string(33 * 4, '0'))) == protocol_violation); // 33 fields
  CHECK(refused(framed(0x06, "00" "0100" "00")) == protocol_violation);    // an empty field
  // Unknown setup parameters, twice too, are not.
  CHECK(read(framed(0x20, "02" "407f0161" "000162")).has_value());
  // moxygen's filter refuses its request only.
  const auto foreign = read(framed(3, sub + "0121" "0240fa"));
  REQUIRE(foreign.has_value());
  CHECK(std::get<moq::subscribe>(foreign.value().body).params.filter->type == moq::subscription_filter::kind::unsupported);
}

TEST_CASE("draft-16 codes that mean something else in draft 18 are turned round") {
  const auto out = [](moq::message m, type t) { return base::to_hex(wire::encode_control({.is = t, .id = 0, .body = std::move(m), .number = 0})); };
  CHECK(out(moq::publish_done{moq::done_code::too_far_behind, 0, ""}, type::publish_done) == framed(0x0b, "00060000"));
  CHECK(out(moq::publish_done{moq::done_code::expired, 0, ""}, type::publish_done) == framed(0x0b, "00050000"));
  CHECK(std::get<moq::publish_done>(read(framed(0x0b, "00060000")).value().body).status == moq::done_code::too_far_behind);
  CHECK(std::get<moq::publish_done>(read(framed(0x0b, "00050000")).value().body).status == moq::done_code::expired);
  CHECK(out(moq::request_error{.code = moq::request_code::excessive_load, .retry_after_ms = 9, .reason = "", .to = {}}, type::request_error) == framed(5, "00000a00"));
  CHECK(std::get<moq::request_error>(read(framed(5, "00340000")).value().body).code == moq::request_code::does_not_exist);
}

TEST_CASE("draft-16 pairs become draft 18's and back, within immutable ones too") {
  const auto in = base::from_hex("1040c8" "2d" "04" "00010203").value(); // 0x10 = 200, 0x3d = 00010203
  const auto there = wire::pairs_to_18(in).value();
  CHECK(base::to_hex(there) == "1080c8" "2d0400010203");
  CHECK(wire::pairs_from_18(there) == in);
  CHECK_FALSE(wire::pairs_to_18(base::from_hex("10").value()).has_value());
  // What cannot be read within is a malformed track, not a broken session.
  const auto odd = wire::pairs_to_18(base::from_hex("0b0110").value()).value();
  CHECK(moq::moqt18().check_object_properties(odd).value().malformed);
  // A number over 2^62 - 1 is left out.
  CHECK(wire::pairs_from_18(base::from_hex("10ffffffffffffffffff" "1005").value()) == base::from_hex("2005").value());
}
