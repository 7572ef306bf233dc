// What peers must not do, and the code with which the session closes: bytes in, code out.
#include <functional>

#include <doctest/doctest.h>

#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;
namespace code = moq::session_code;

namespace {

/// Bytes of one stream as hex, spaces allowed; "FIN" at the end closes it, "RESET" resets it.
struct arrival {
  uint64_t stream;
  std::string bytes;
};

struct bad {
  std::string name;
  std::vector<arrival> in;
  uint64_t code;
};

struct peer {
  moq_end end;
  moq_recorder says;
  moq::track_store tracks;
  base::mono_time now{std::chrono::hours(1)};
  moq::session session;

  explicit peer(moq::session_config config) : session(config, end, says, &tracks) {
    REQUIRE(tracks.add(track_name("c", {"n"}), {}, now).has_value());
    end.server = config.role == moq::session_role::server;
    says.session = &session;
    session.on_connected(now);
  }
  void feed(const arrival& a, size_t split = 0) {
    std::string hex = a.bytes;
    const auto ends_with = [&](std::string_view word) {
      if (!hex.ends_with(word)) return false;
      hex.resize(hex.size() - word.size());
      return true;
    };
    const bool fin = ends_with("FIN");
    const bool reset = !fin && ends_with("RESET");
    std::erase(hex, ' ');
    const auto raw = base::from_hex(hex).value();
    if (split == 0) {
      session.on_stream_data(a.stream, base::bytes::copy(raw), fin, now);
    } else {
      for (size_t at = 0; at < raw.size(); at += split) {
        session.on_stream_data(a.stream, base::bytes::copy(raw).slice(at, split), fin && at + split >= raw.size(), now);
      }
    }
    if (reset) session.on_stream_reset(a.stream, 0, now);
  }
};

void check(const bad& b, moq::session_config config, const std::function<void(moq::session&)>& prepare = {}) {
  for (const size_t split : {0, 1}) {
    CAPTURE(b.name);
    CAPTURE(split);
    peer p(config);
    if (prepare) prepare(p.session);
    for (const auto& a : b.in) {
      CHECK_MESSAGE(!p.end.closed, p.end.close_reason);
      p.feed(a, split);
    }
    REQUIRE_MESSAGE(p.end.closed, p.says.all());
    CHECK_MESSAGE(*p.end.closed == b.code, p.end.close_reason);
    CHECK(p.says.log.back() == "closed " + std::to_string(b.code));
    CHECK(p.session.closed());
  }
}

const char* const setup = "af00 0000";
/// Namespace "n", track "c".
#define TRACK "01 01 6e 01 63"

} // namespace

TEST_CASE("what a client must not do to a server") {
  const bad all[] = {
    {"unknown uni stream type", {{2, setup}, {6, "06"}}, code::protocol_violation},
    {"reserved subgroup id mode", {{2, setup}, {6, "16"}}, code::protocol_violation},
    {"stream type without bit 4", {{2, setup}, {6, "20"}}, code::protocol_violation},
    {"two control streams", {{2, setup}, {6, setup}}, code::protocol_violation},
    {"two SETUP", {{2, "af00 0000 af00 0000"}}, code::protocol_violation},
    {"request on the control stream", {{2, "af00 0000 06 0005 00 01 01 6e 00"}}, code::protocol_violation},
    {"unknown message on the control stream", {{2, "af00 0000 3f 0000"}}, code::protocol_violation},
    {"control stream closed", {{2, "af00 0000 FIN"}}, code::protocol_violation},
    {"control stream reset", {{2, "af00 0000 RESET"}}, code::protocol_violation},
    {"SETUP longer than its options", {{2, "af00 0002 01 05"}}, code::protocol_violation},
    {"SETUP option type over 2^64", {{2, "af00 000c 02 00 ff ff ff ff ff ff ff ff ff 00"}}, code::protocol_violation},
    {"SETUP option longer than 65535", {{2, "af00 0004 07 c1 00 00"}}, code::protocol_violation},
    {"PATH twice", {{2, "af00 0006 01 01 2f 00 01 2f"}}, code::protocol_violation},
    {"PATH that is none", {{2, "af00 0003 01 01 61"}}, code::malformed_path},
    {"PATH with a space", {{2, "af00 0004 01 02 2f 20"}}, code::malformed_path},
    {"AUTHORITY that is none", {{2, "af00 0003 05 01 2f"}}, code::malformed_authority},
    {"AUTHORITY without a host", {{2, "af00 0004 05 02 3a 31"}}, code::malformed_authority},
    {"token alias used in SETUP", {{2, "af00 0004 03 02 02 00"}}, code::protocol_violation},
    {"token alias deleted in SETUP", {{2, "af00 0004 03 02 00 00"}}, code::protocol_violation},
    {"token that cannot be decoded", {{2, "af00 0003 03 01 07"}}, code::key_value_formatting_error},
    {"GOAWAY twice", {{2, "af00 0000 10 0003 00 00 01 10 0003 00 00 01"}}, code::protocol_violation},
    {"GOAWAY of a client with a URI", {{2, "af00 0000 10 0004 01 61 00 01"}}, code::protocol_violation},
    {"GOAWAY with a request id of its sender", {{2, "af00 0000 10 0003 00 00 00"}}, code::invalid_request_id},
    {"GOAWAY with too long a URI", {{2, "af00 0000 10 0005 a0 01 00 00 01"}}, code::protocol_violation},
    {"GOAWAY twice on a request", {{2, setup}, {0, "03 0007 00 " TRACK " 00 10 0002 00 00 10 0002 00 00"}}, code::protocol_violation},
    {"request stream that begins with a response", {{2, setup}, {0, "07 0001 00"}}, code::protocol_violation},
    {"request stream that begins with an unknown message", {{2, setup}, {0, "3f 0000"}}, code::protocol_violation},
    {"reserved message type", {{2, setup}, {0, "20 0000"}}, code::protocol_violation},
    {"SETUP on a request stream", {{2, setup}, {0, "af00 0000"}}, code::protocol_violation},
    {"request stream that ends within a message", {{2, setup}, {0, "03 0007 00 FIN"}}, code::protocol_violation},
    {"request id of the wrong side", {{2, setup}, {0, "03 0007 01 " TRACK " 00"}}, code::invalid_request_id},
    {"request id twice", {{2, setup}, {0, "03 0007 00 " TRACK " 00"}, {4, "03 0007 00 " TRACK " 00"}}, code::invalid_request_id},
    {"request id of an update twice", {{2, setup}, {0, "03 0007 00 " TRACK " 00 02 0002 00 00"}}, code::invalid_request_id},
    {"second request on a stream", {{2, setup}, {0, "03 0007 00 " TRACK " 00 03 0007 02 " TRACK " 00"}}, code::protocol_violation},
    {"message longer than its fields", {{2, setup}, {0, "03 0008 00 " TRACK " 00 00"}}, code::protocol_violation},
    {"message shorter than its fields", {{2, setup}, {0, "03 0006 00 " TRACK}}, code::protocol_violation},
    {"33 namespace fields", {{2, setup}, {0, "50 0002 00 21"}}, code::protocol_violation},
    {"empty namespace field", {{2, setup}, {0, "50 0004 00 01 00 00"}}, code::protocol_violation},
    {"track name over 4096 bytes", {{2, setup}, {0, "03 0006 00 01 01 6e 90 01"}}, code::protocol_violation},
    {"unknown parameter", {{2, setup}, {0, "03 0009 00 " TRACK " 01 05 00"}}, code::protocol_violation},
    {"parameter twice", {{2, setup}, {0, "03 000b 00 " TRACK " 02 20 01 00 01"}}, code::protocol_violation},
    {"parameter of another message", {{2, setup}, {0, "03 0009 00 " TRACK " 01 08 00"}}, code::protocol_violation},
    {"parameter type over 2^64", {{2, setup}, {0, "03 0013 00 " TRACK " 02 20 01 ff ffffffffffffffff 00"}}, code::protocol_violation},
    {"more parameters than bytes", {{2, setup}, {0, "03 0007 00 " TRACK " 7f"}}, code::protocol_violation},
    {"FORWARD 2", {{2, setup}, {0, "03 0009 00 " TRACK " 01 10 02"}}, code::protocol_violation},
    {"GROUP_ORDER 0", {{2, setup}, {0, "03 0009 00 " TRACK " 01 22 00"}}, code::protocol_violation},
    {"GROUP_ORDER 3", {{2, setup}, {0, "03 0009 00 " TRACK " 01 22 03"}}, code::protocol_violation},
    {"filter type 5", {{2, setup}, {0, "03 000a 00 " TRACK " 01 21 01 05"}}, code::protocol_violation},
    {"filter type 0", {{2, setup}, {0, "03 000a 00 " TRACK " 01 21 01 00"}}, code::protocol_violation},
    {"filter longer than its type", {{2, setup}, {0, "03 000b 00 " TRACK " 01 21 02 01 00"}}, code::protocol_violation},
    {"filter shorter than its type", {{2, setup}, {0, "03 000b 00 " TRACK " 01 21 02 03 00"}}, code::protocol_violation},
    {"filter whose end group is over 2^64", {{2, setup}, {0, "03 0015 00 " TRACK " 01 21 0c 04 01 00 ff ffffffffffffffff"}}, code::protocol_violation},
    {"token alias registered without a cache", {{2, setup}, {0, "03 000d 00 " TRACK " 01 03 04 01 00 00 61"}}, code::auth_token_cache_overflow},
    {"token alias that nobody registered", {{2, setup}, {0, "03 000b 00 " TRACK " 01 03 02 02 00"}}, code::unknown_auth_token_alias},
    {"token twice", {{2, setup}, {0, "03 0011 00 " TRACK " 02 03 03 03 00 61 00 03 03 00 61"}}, code::protocol_violation},
    {"SUBSCRIBE_TRACKS with 33 fields", {{2, setup}, {0, "51 0002 00 21"}}, code::protocol_violation},
    {"a filter in SUBSCRIBE_TRACKS", {{2, setup}, {0, "51 0006 00 00 01 21 01 01"}}, code::protocol_violation},
    {"a prefix in REQUEST_UPDATE of a subscription", {{2, setup}, {0, "03 0007 00 " TRACK " 00 02 0004 02 01 34 00"}}, code::protocol_violation},
    {"fetch type 4", {{2, setup}, {0, "16 0004 00 04 00 00"}}, code::protocol_violation},
    {"PUBLISH_DONE of a subscriber", {{2, setup}, {0, "03 0007 00 " TRACK " 00 0b 0003 00 00 00"}}, code::protocol_violation},
    {"datagram type outside the form", {{2, setup}, {6, "40 FIN"}}, code::protocol_violation},
    {"data on a stream that only we send on", {{2, setup}, {3, "00"}}, code::protocol_violation},
  };
  for (const auto& b : all) check(b, {.role = moq::session_role::server});
}

TEST_CASE("the ways of announcements: told where both agreed on it, and nowhere else") {
  // Request 0 offers the namespace "n"; its way is 7, or what is wrong with it.
  const moq::session_config plain{.role = moq::session_role::server};
  auto cluster = plain;
  cluster.origin_id = 99;
  const std::string hop_setup = "af00 0004 c40b54 07";
  check({"a hop id twice", {{2, "af00 0006 c40b54 07 00 07"}}, code::protocol_violation}, plain);
  check({"a way that nobody agreed on", {{2, setup}, {0, "06 000a 00 01 01 6e 01 c40b57 01 07"}}, code::protocol_violation}, cluster);
  check({"a way that we did not agree on", {{2, hop_setup}, {0, "06 000a 00 01 01 6e 01 c40b57 01 07"}}, code::protocol_violation}, plain);
  check({"no way where one was agreed on", {{2, hop_setup}, {0, "06 0005 00 01 01 6e 00"}}, code::protocol_violation}, cluster);
  check({"an empty way", {{2, hop_setup}, {0, "06 0009 00 01 01 6e 01 c40b57 00"}}, code::protocol_violation}, cluster);
  check({"a way with a node twice", {{2, hop_setup}, {0, "06 000c 00 01 01 6e 01 c40b57 03 07 08 07"}}, code::protocol_violation}, cluster);
  check({"a way that is cut off", {{2, hop_setup}, {0, "06 000a 00 01 01 6e 01 c40b57 01 80"}}, code::protocol_violation}, cluster);
  check({"a way in another message", {{2, hop_setup}, {0, "50 0008 00 00 01 c40b57 01 07"}}, code::protocol_violation}, cluster);
  std::string long_way = "06 002a 00 01 01 6e 01 c40b57 21";
  for (uint8_t i = 1; i <= 33; ++i) long_way += " " + base::to_hex(std::vector<uint8_t>{i});
  check({"a way of 33 nodes", {{2, hop_setup}, {0, long_way}}, code::protocol_violation}, cluster);
  check({"an update of a way that nobody agreed on", {{2, setup}, {0, "06 0005 00 01 01 6e 00 02 0007 02 01 c40b57 01 08"}}, code::protocol_violation}, plain);
}

TEST_CASE("the way of a namespace: told where both agreed on it, and nowhere else") {
  const moq::session_config plain{.role = moq::session_role::client};
  auto cluster = plain;
  cluster.origin_id = 99;
  const auto ask = [](moq::session& s) { s.subscribe_namespace({}); };
  const std::string hop_setup = "af00 0004 c40b54 07";
  check({"a way that nobody agreed on", {{3, setup}, {0, "07 0001 00 08 0009 01 01 6e 01 c40b57 01 07"}}, code::protocol_violation}, cluster, ask);
  check({"no way where one was agreed on", {{3, hop_setup}, {0, "07 0001 00 08 0003 01 01 6e"}}, code::protocol_violation}, cluster, ask);
  check({"a cost alone", {{3, hop_setup}, {0, "07 0001 00 08 0008 01 01 6e 01 c40b58 01"}}, code::protocol_violation}, cluster, ask);
}

TEST_CASE("what a server must not say in SETUP, and nobody over WebTransport") {
  const bad path{"PATH", {{3, "af00 0003 01 01 2f"}}, code::invalid_path};
  const bad authority{"AUTHORITY", {{3, "af00 0003 05 01 61"}}, code::invalid_authority};
  check(path, {.role = moq::session_role::client});
  check(authority, {.role = moq::session_role::client});
  moq::session_config wt{.role = moq::session_role::server, .transport = moq::transport_kind::webtransport};
  check({"PATH", {{2, "af00 0003 01 01 2f"}}, code::invalid_path}, wt);
  check({"AUTHORITY", {{2, "af00 0003 05 01 61"}}, code::invalid_authority}, wt);
}

TEST_CASE("what a publisher must not answer or send to a subscriber") {
  // The client has subscribed on stream 0 (request 0) and 4 (request 2), fetched on 8 (request 4), and asked for
  // namespaces on 12 (request 6). The alias of request 0 is 1.
  const char* ok = "04 0002 01 00";
  const bad all[] = {
    {"wrong answer to SUBSCRIBE", {{3, setup}, {0, "07 0001 00"}}, code::protocol_violation},
    {"SUBSCRIBE_OK twice", {{3, setup}, {0, "04 0002 01 00 04 0002 02 00"}}, code::protocol_violation},
    {"an alias for two tracks", {{3, setup}, {0, ok}, {4, ok}}, code::duplicate_track_alias},
    {"PUBLISH_DONE before SUBSCRIBE_OK", {{3, setup}, {0, "0b 0003 00 00 00"}}, code::protocol_violation},
    {"PUBLISH_DONE twice", {{3, setup}, {0, ok}, {0, "0b 0003 00 00 00 0b 0003 00 00 00"}}, code::protocol_violation},
    {"REQUEST_OK to no update", {{3, setup}, {0, ok}, {0, "07 0001 00"}}, code::protocol_violation},
    {"REQUEST_ERROR after SUBSCRIBE_OK", {{3, setup}, {0, ok}, {0, "05 0003 00 00 00"}}, code::protocol_violation},
    {"reason over 1024 bytes", {{3, setup}, {0, "05 0004 00 00 84 01"}}, code::protocol_violation},
    {"default group order 3", {{3, setup}, {0, "04 0004 01 00 22 03"}}, code::protocol_violation},
    {"default priority 256", {{3, setup}, {0, "04 0005 01 00 0e 81 00"}}, code::protocol_violation},
    {"DYNAMIC_GROUPS 2", {{3, setup}, {0, "04 0004 01 00 30 02"}}, code::protocol_violation},
    {"properties in REQUEST_OK", {{3, setup}, {12, "07 0003 00 0e 01"}}, code::protocol_violation},
    {"NAMESPACE before REQUEST_OK", {{3, setup}, {12, "08 0003 01 01 61"}}, code::protocol_violation},
    {"NAMESPACE_DONE before NAMESPACE", {{3, setup}, {12, "07 0001 00 0e 0003 01 01 61"}}, code::protocol_violation},
    {"redirect of a namespace that names a track", {{3, setup}, {12, "05 0007 34 00 00 00 00 01 61"}}, code::protocol_violation},
    {"PUBLISH_BLOCKED before REQUEST_OK", {{3, setup}, {16, "0f 0002 00 00"}}, code::protocol_violation},
    {"PUBLISH_BLOCKED on SUBSCRIBE_NAMESPACE", {{3, setup}, {12, "07 0001 00 0f 0002 00 00"}}, code::protocol_violation},
    {"NAMESPACE on SUBSCRIBE_TRACKS", {{3, setup}, {16, "07 0001 00 08 0003 01 01 61"}}, code::protocol_violation},
    {"properties in SUBSCRIBE_TRACKS_OK", {{3, setup}, {16, "07 0003 00 0e 01"}}, code::protocol_violation},
    {"REQUEST_OK twice to SUBSCRIBE_TRACKS", {{3, setup}, {16, "07 0001 00 07 0001 00"}}, code::protocol_violation},
    {"SUBSCRIBE_OK to TRACK_STATUS", {{3, setup}, {20, "04 0002 01 00"}}, code::protocol_violation},
    {"FORWARD in TRACK_STATUS_OK", {{3, setup}, {20, "07 0003 01 10 01"}}, code::protocol_violation},
    {"FETCH_OK that ends before the start", {{3, setup}, {8, "18 0004 00 01 00 00"}}, code::protocol_violation},
    {"FETCH_OK twice", {{3, setup}, {8, "18 0004 00 09 00 00 18 0004 00 09 00 00"}}, code::protocol_violation},
    {"GOAWAY with a request id of its sender", {{3, "af00 0000 10 0003 00 00 01"}}, code::invalid_request_id},
    {"subgroup header cut off", {{3, setup}, {0, ok}, {7, "10 01 FIN"}}, code::protocol_violation},
    {"object header cut off", {{3, setup}, {0, ok}, {7, "30 01 00 00 FIN"}}, code::protocol_violation},
    {"payload cut off", {{3, setup}, {0, ok}, {7, "30 01 00 00 02 61 FIN"}}, code::protocol_violation},
    {"object id over 2^64", {{3, setup}, {0, ok}, {7, "30 01 00 ff ffffffffffffffff 01 61 00 01 61"}}, code::protocol_violation},
    {"unknown object status", {{3, setup}, {0, ok}, {7, "30 01 00 00 00 02"}}, code::protocol_violation},
    {"end marker with properties", {{3, setup}, {0, ok}, {7, "31 01 00 00 02 10 05 00 03"}}, code::protocol_violation},
    {"object property longer than 65535", {{3, setup}, {0, ok}, {7, "31 01 00 00 04 11 c1 00 00 01 61"}}, code::protocol_violation},
    {"fetched object that refers to none before", {{3, setup}, {7, "05 04 00"}}, code::protocol_violation},
    {"fetched object without a priority before", {{3, setup}, {7, "05 04 0c 05 00 01 61"}}, code::protocol_violation},
    {"fetched object without a subgroup before", {{3, setup}, {7, "05 04 1d 05 00 80"}}, code::protocol_violation},
    {"subgroup before after a range alone", {{3, setup}, {7, "05 04 810c 05 00 11 80 01 61"}}, code::protocol_violation},
    {"unknown fetch flags", {{3, setup}, {7, "05 04 8080"}}, code::protocol_violation},
    {"fetched group over 2^64", {{3, setup}, {7, "05 04 1c ff fffffffffffffffe 00 80 01 61 0c 05 00 01 61"}}, code::protocol_violation},
    {"fetched object over 2^64", {{3, setup}, {7, "05 04 1c 05 ff ffffffffffffffff 80 01 61 00 01 61"}}, code::protocol_violation},
    {"a fetch on two streams", {{3, setup}, {7, "05 04"}, {11, "05 04"}}, code::protocol_violation},
    {"fetch stream cut off", {{3, setup}, {7, "05 04 1c 05 00 80 02 61 FIN"}}, code::protocol_violation},
  };
  for (const auto& b : all) {
    check(b, {.role = moq::session_role::client}, [](moq::session& s) {
      s.subscribe(track_name("a"), {});
      s.subscribe(track_name("b"), {});
      s.fetch(track_name("c"), {5, 0}, {9, 0}, {});
      s.subscribe_namespace({});
      s.subscribe_tracks({}, true);
      s.track_status(track_name("c"));
    });
  }
}

TEST_CASE("what nobody may do about a track that is published") {
  // To a publisher: the client has sent PUBLISH on stream 0.
  const bad to_publisher[] = {
    {"PUBLISH_OK twice", {{3, setup}, {0, "07 0001 00"}, {0, "07 0001 00"}}, code::protocol_violation},
    {"REQUEST_ERROR after PUBLISH_OK", {{3, setup}, {0, "07 0001 00"}, {0, "05 0003 00 00 00"}}, code::protocol_violation},
    {"SUBSCRIBE_OK to PUBLISH", {{3, setup}, {0, "04 0002 01 00"}}, code::protocol_violation},
    {"REQUEST_UPDATE before PUBLISH_OK", {{3, setup}, {0, "02 0002 01 00"}}, code::protocol_violation},
    {"REQUEST_UPDATE with an id of ours", {{3, setup}, {0, "07 0001 00"}, {0, "02 0002 02 00"}}, code::invalid_request_id},
    {"PUBLISH_DONE of the subscriber", {{3, setup}, {0, "07 0001 00"}, {0, "0b 0003 00 00 00"}}, code::protocol_violation},
    {"properties in PUBLISH_OK", {{3, setup}, {0, "07 0003 00 0e 01"}}, code::protocol_violation},
    {"a token in PUBLISH_OK", {{3, setup}, {0, "07 0006 01 03 03 03 00 61"}}, code::protocol_violation},
    {"a rendezvous in PUBLISH_OK", {{3, setup}, {0, "07 0003 01 04 01"}}, code::protocol_violation},
  };
  for (const auto& b : to_publisher) {
    check(b, {.role = moq::session_role::client}, [](moq::session& s) { s.publish(track_name("c", {"n"}), {}); });
  }
  // To a subscriber: a server that takes PUBLISH, and has subscribed to track "a" on stream 1.
  const char* publish = "1d 0008 00 " TRACK " 05 00";
  const bad to_subscriber[] = {
    {"SUBSCRIBE_OK after PUBLISH", {{2, setup}, {0, publish}, {0, "04 0002 06 00"}}, code::protocol_violation},
    {"PUBLISH_DONE twice", {{2, setup}, {0, publish}, {0, "0b 0003 00 00 00 0b 0003 00 00 00"}}, code::protocol_violation},
    {"REQUEST_OK to no update", {{2, setup}, {0, publish}, {0, "07 0001 00"}}, code::protocol_violation},
    {"PUBLISH twice on a stream", {{2, setup}, {0, publish}, {0, "1d 0008 02 " TRACK " 06 00"}}, code::protocol_violation},
    {"an update with the id of the request", {{2, setup}, {0, publish}, {0, "02 0002 00 00"}}, code::invalid_request_id},
    {"the alias of another PUBLISH", {{2, setup}, {0, publish}, {4, "1d 0008 02 01 01 6e 01 64 05 00"}}, code::duplicate_track_alias},
    {"the alias of a subscription", {{2, setup}, {1, "04 0002 05 00"}, {0, publish}}, code::duplicate_track_alias},
    {"the alias of a PUBLISH in SUBSCRIBE_OK", {{2, setup}, {0, publish}, {1, "04 0002 05 00"}}, code::duplicate_track_alias},
    {"FORWARD 2 in PUBLISH", {{2, setup}, {0, "1d 000a 00 " TRACK " 05 01 10 02"}}, code::protocol_violation},
    {"a filter in PUBLISH", {{2, setup}, {0, "1d 000b 00 " TRACK " 05 01 21 01 01"}}, code::protocol_violation},
    {"PUBLISH_BLOCKED after PUBLISH", {{2, setup}, {0, publish}, {0, "0f 0002 00 00"}}, code::protocol_violation},
  };
  for (const auto& b : to_subscriber) {
    check(b, {.role = moq::session_role::server, .takes_publish = true}, [](moq::session& s) { s.subscribe(track_name("a"), {}); });
  }
}

TEST_CASE("a published track with a property that one must know is not taken, and one that ends without PUBLISH_DONE is over") {
  peer p({.role = moq::session_role::server, .takes_publish = true});
  p.feed({2, setup});
  p.feed({0, "1d 000c 00 " TRACK " 05 00 c04000 01"});
  REQUIRE(p.end.written.contains(0));
  CHECK(base::to_hex(p.end.written.at(0)).starts_with("05"));
  CHECK(p.end.written.at(0).at(3) == moq::request_code::unsupported_extension);
  p.feed({4, "1d 0008 02 " TRACK " 05 00"});
  p.feed({6, "30 05 09 00 01 61"});
  p.feed({4, "FIN"});
  CHECK(p.says.take() == "setup path= authority= implementation=; published 2 n--c; object 2 9/0; done 2 0 streams=4611686018427387903");
  p.feed({8, "1d 0008 04 " TRACK " 05 00"});
  p.feed({8, "RESET"});
  CHECK(p.says.take() == "published 4 n--c; done 4 0 streams=4611686018427387903");
  CHECK(p.session.open_requests() == 0);
  CHECK_FALSE(p.end.closed);
}

TEST_CASE("descending fetches must not fall below group 0") {
  check({"below 0", {{3, setup}, {7, "05 00 1c 02 00 80 01 61 0c 02 00 01 61"}}, code::protocol_violation}, {}, [](moq::session& s) {
    s.fetch(track_name("c"), {0, 0}, {9, 0}, {.order = moq::group_order::descending});
  });
}

TEST_CASE("bad datagrams close the session, good ones are counted") {
  for (const auto& [hex, closes] : std::vector<std::pair<std::string, bool>>{
         {"22010203", true}, {"10", true}, {"40", true}, {"0101020380 00", true}, {"2101020340 02 1005 03", true}, {"2001020340 02", true},
         {"", true}, {"0001", true}, {"000102034061", false}, {"2001020340 03", false}, {"d32b3e29", true}, {"f0132b3e2a0000", true}}) {
    CAPTURE(hex);
    peer p({.role = moq::session_role::server});
    auto plain = hex;
    std::erase(plain, ' ');
    p.session.on_datagram(base::bytes::copy(*base::from_hex(plain)), p.now);
    CHECK(p.end.closed.has_value() == closes);
    if (closes) CHECK(*p.end.closed == code::protocol_violation);
    else CHECK(p.session.counters().datagrams_ignored == 1);
  }
}

TEST_CASE("what is refused without closing") {
  struct refusal {
    std::string name;
    std::string bytes;
    std::string answer; ///< hex of what begins the answer
  };
  const refusal all[] = {
    {"filter 250", "03 000b 00 " TRACK " 01 21 02 80fa", "05"},
    {"PUBLISH", "1d 0008 00 " TRACK " 00 00", "05"},
    {"TRACK_STATUS of filter 250", "0d 000b 00 " TRACK " 01 21 02 80fa", "05"},
    {"SUBSCRIBE_TRACKS of the reserved namespace", "51 0005 00 01 01 2e 00", "05"},
    {"reserved namespace", "03 0007 00 01 01 2e 01 63 00", "05"},
    {"session namespace", "50 000c 00 01 08 2e73657373696f6e 00", "05"},
  };
  for (const auto& r : all) {
    CAPTURE(r.name);
    peer p({.role = moq::session_role::server});
    p.feed({2, setup});
    p.feed({0, r.bytes});
    REQUIRE_MESSAGE(!p.end.closed, p.end.close_reason);
    REQUIRE(p.end.written.contains(0));
    CHECK(base::to_hex(p.end.written.at(0)).starts_with(r.answer));
    const auto status = p.end.written.at(0).at(3);
    const std::string_view name = r.name;
    CHECK(status == (name.ends_with("namespace") ? moq::request_code::does_not_exist : moq::request_code::not_supported));
    CHECK(p.session.open_requests() == 0);
  }
}

TEST_CASE("malformed tracks end the request, not the session") {
  struct story {
    std::string name;
    std::vector<arrival> in;
  };
  const story all[] = {
    {"the same object with other bytes", {{7, "30 01 05 00 01 61"}, {11, "30 01 05 00 01 62"}}},
    {"an object behind the end of its group", {{7, "38 01 05 00 01 61 FIN"}, {11, "34 01 05 01 01 01 61"}}},
    {"an object behind an end of group marker", {{7, "30 01 05 02 00 03"}, {11, "34 01 05 01 03 01 61"}}},
    {"an object behind the end of the track", {{7, "30 01 05 02 00 04"}, {11, "30 01 06 00 01 61"}}},
    {"an object behind the end of its subgroup", {{7, "30 01 05 00 01 61 FIN"}, {11, "30 01 05 01 01 61"}}},
    {"two priorities in a subgroup", {{7, "10 01 05 01 00 01 61"}, {11, "10 01 05 02 01 01 61"}}},
    {"two ends of a group", {{7, "3c 01 05 01 00 01 61"}, {11, "3c 01 05 02 05 01 61 FIN"}, {7, "FIN"}}},
    {"immutable properties within immutable properties", {{7, "31 01 05 00 04 0b 02 0b 00 01 61"}}},
    {"a track property on an object", {{7, "31 01 05 00 04 c04000 01 01 61"}}},
    {"a gap over an object that came", {{7, "31 01 05 00 00 01 61 00 02 3e 01 01 61"}}},
    {"a gap larger than the id", {{7, "31 01 05 00 02 3e 01 01 61"}}},
  };
  for (const auto& s : all) {
    CAPTURE(s.name);
    peer p({.role = moq::session_role::client});
    p.session.subscribe(track_name("a"), {});
    p.feed({3, setup});
    p.feed({0, "04 0002 01 00"});
    for (const auto& a : s.in) p.feed(a);
    CHECK_FALSE(p.end.closed);
    CHECK_MESSAGE(p.says.has("error 0 18"), p.says.all());
    CHECK(p.session.counters().tracks_malformed == 1);
    CHECK(p.session.open_requests() == 0);
  }
}

TEST_CASE("the same object twice is dropped and counted") {
  peer p({.role = moq::session_role::client});
  p.session.subscribe(track_name("a"), {});
  p.feed({3, setup});
  p.feed({0, "04 0002 01 00"});
  p.feed({7, "30 01 05 00 01 61 RESET"});
  p.feed({11, "30 01 05 00 01 61 00 01 62"});
  CHECK(p.session.counters().objects_duplicate == 1);
  CHECK(p.says.objects[0].size() == 2);
}

TEST_CASE("an object that is too large is refused before memory is taken for it") {
  moq::session_config c{.role = moq::session_role::client};
  c.object_bytes_max = 1000;
  peer p(c);
  p.session.subscribe(track_name("a"), {});
  p.feed({3, setup});
  p.feed({0, "04 0002 01 00"});
  p.feed({7, "30 01 05 00 ff 7fffffffffffffff"});
  CHECK_FALSE(p.end.closed);
  CHECK(p.session.counters().objects_too_large == 1);
  CHECK(p.says.log.back() == "end 0 5 reset=9");
  REQUIRE(p.end.stops.size() == 1);
  CHECK(p.end.stops[0] == std::pair<uint64_t, uint64_t>(7, moq::reset_code::excessive_load));
  p.feed({7, "0000"});
  CHECK_FALSE(p.end.closed);
}

TEST_CASE("a track with a property that one must know is not taken") {
  peer p({.role = moq::session_role::client});
  p.session.subscribe(track_name("a"), {});
  p.feed({3, setup});
  p.feed({0, "04 0006 01 00 c04000 01"});
  CHECK(p.says.has("error 0 51"));
  CHECK_FALSE(p.end.closed);
}

TEST_CASE("padding is thrown away") {
  peer p({.role = moq::session_role::server});
  p.feed({2, setup});
  p.feed({6, "f0132b3e28 0000000000"});
  p.feed({6, "0000 FIN"});
  CHECK_FALSE(p.end.closed);
  CHECK(p.session.counters().padding_ignored == 7);
}

TEST_CASE("streams for aliases that nobody waits for are stopped") {
  peer p({.role = moq::session_role::server});
  p.feed({2, setup});
  p.feed({6, "30 63 05 00 01 61"});
  CHECK(p.session.counters().streams_unknown_alias == 1);
  REQUIRE(p.end.stops.size() == 1);
  CHECK(p.end.stops[0].first == 6);
}
