// Sessions of draft 16, back to back: what they tell is what those of draft 18 tell; what they write is one control stream.
#include <doctest/doctest.h>

#include "base/byte_io.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;

namespace {

moq::session_config speaking(moq::session_config c = {}) {
  c.protocol = "moqt-16";
  c.takes_publish = true;
  return c;
}

struct link16 : moq_link {
  explicit link16(moq::session_config client = {}, moq::session_config server = {}) : moq_link(speaking(std::move(client)), speaking(std::move(server))) {}
  moq::track& serve(std::string name, moq::track_config config = {}) { return *server_tracks.add(track_name(std::move(name)), std::move(config), now).value(); }
  void put(moq::track& t, moq::object o) { server_tracks.append(t, std::move(o), now).value(); }
  /// Control messages that an end wrote on a stream: types, and the first field as a request id.
  static std::string messages(const moq_end& end, uint64_t stream) {
    const auto it = end.written.find(stream);
    if (it == end.written.end()) return "";
    std::string out;
    base::byte_reader in(it->second);
    while (const auto type = in.quic_varint()) {
      const auto length = in.u16().value();
      base::byte_reader body(in.take(length).value());
      char text[40];
      const bool has_id = *type != 0x20 && *type != 0x21 && *type != 0x10 && *type != 0x08 && *type != 0x0e;
      if (has_id) std::snprintf(text, sizeof text, "%02x:%u", unsigned(*type), unsigned(body.quic_varint().value()));
      else std::snprintf(text, sizeof text, "%02x", unsigned(*type));
      out += (out.empty() ? "" : " ") + std::string(text);
    }
    return out;
  }
  std::string client_control() const { return messages(client_end, 0); }
  std::string server_control() const { return messages(server_end, 0); }
};

} // namespace

TEST_CASE("moqt-16: a setup each way on the client's first stream, and objects of a subscription") {
  for (const size_t split : {size_t{0}, size_t{1}, size_t{3}}) {
    CAPTURE(split);
    moq::session_config c;
    c.path = "/tv?x=1";
    c.authority = "relay.example:443";
    link16 l(c);
    l.split = split;
    l.client->on_connected(l.now);
    l.server->on_connected(l.now);
    l.pump();
    CHECK(l.server_says.take() == "setup path=/tv?x=1 authority=relay.example:443 implementation=ec-node");
    CHECK(l.client_says.take() == "setup path= authority= implementation=ec-node");
    CHECK(l.client->established());
    CHECK(l.server->established());
    auto& t = l.serve("video");
    const auto id = l.client->subscribe(track_name("video"), {});
    l.pump();
    l.put(t, test_object(0, 0));
    l.put(t, test_object(0, 1));
    l.put(t, test_object(1, 0));
    l.pump();
    CHECK(l.client_says.all() == "subscribed 0; object 0 0/0; object 0 0/1; object 0 1/0");
    CHECK(l.client_says.objects[id][1].payload == test_object(0, 1).payload);
    l.server_tracks.end_track(t, moq::done_code::track_ended, "over", l.now);
    l.pump();
    l.wait(std::chrono::seconds(3));
    CHECK(l.client_says.has("done 0 2 streams=2"));
    CHECK(l.client_control() == "20 03:0");
    CHECK(l.server_control() == "21 04:0 0b:0");
    CHECK(l.client->open_requests() == 0);
    CHECK(l.server->open_requests() == 0);
    CHECK(l.client_end.bidis == 1);
    CHECK(l.server_end.bidis == 0);
  }
}

TEST_CASE("moqt-16: the ends of requests are messages of their own") {
  link16 l;
  l.start();
  auto& t = l.serve("video");
  const auto sub = l.client->subscribe(track_name("video"), {});
  l.pump();
  l.put(t, test_object(0, 0));
  l.pump();
  l.client->unsubscribe(sub);
  l.pump();
  CHECK(l.server->open_requests() == 0);
  const auto ns = l.client->publish_namespace({{"a", "b"}});
  l.pump();
  CHECK(l.client_says.has("ok " + std::to_string(ns)));
  l.client->withdraw_namespace(ns);
  l.pump();
  CHECK(l.server_says.has("withdrawn 2 a-b"));
  const auto again = l.client->publish_namespace({{"a", "b"}});
  l.pump();
  l.server->revoke_namespace(*l.server_says.last_peer_request);
  l.pump();
  CHECK(l.client_says.has("request-closed " + std::to_string(again)));
  const auto missing = l.client->subscribe(track_name("none"), {});
  l.pump();
  CHECK(l.client_says.has("error " + std::to_string(missing) + " 16"));
  CHECK(l.client_control() == "20 03:0 0a:0 06:2 09:2 06:4 03:6");
  CHECK(l.server_control() == "21 04:0 07:2 07:4 0c:4 05:6");
  CHECK(l.client->open_requests() == 0);
  CHECK(l.server->open_requests() == 0);
}

TEST_CASE("moqt-16: a request that never left leaves no gap in the ids") {
  moq::session_config c;
  c.requests_max = 1;
  link16 l(c);
  l.start();
  l.serve("video");
  l.client->subscribe(track_name("video"), {});
  l.client->subscribe(track_name("refused-here"), {});
  l.pump();
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.has("error 2 9"));
  l.client->unsubscribe(0);
  l.client->subscribe(track_name("video"), {});
  l.pump();
  CHECK(l.client_control() == "20 03:0 0a:0 03:2");
  CHECK(l.client_says.has("subscribed 4"));
}

TEST_CASE("moqt-16: fetches, whole and joining, carry the ids of the wire") {
  moq::session_config c;
  c.requests_max = 2;
  link16 l(c);
  l.start();
  auto& t = l.serve("video");
  for (uint64_t g = 0; g < 4; ++g) {
    for (uint64_t o = 0; o < 2; ++o) l.put(t, test_object(g, o));
  }
  // Ids that are used up without leaving move the session's away from the wire's.
  l.client->subscribe(track_name("video"), {.filter = {.type = moq::subscription_filter::kind::largest_object, .start = {}, .end_group = 0}});
  const auto all = l.client->fetch(track_name("video"), {0, 1}, {2, 0}, {});
  l.client->fetch(track_name("video"), {0, 1}, {2, 0}, {});
  l.pump();
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.has("fetch-ok " + std::to_string(all) + " 2/0"));
  CHECK(l.client_says.has("fetch-end " + std::to_string(all)));
  CHECK(l.client_says.objects[all].size() == 5);
  const auto joining = l.client->joining_fetch_relative(0, 1, {});
  CHECK(joining == 6);
  l.pump();
  CHECK(l.client_says.has("fetch-end 6"));
  CHECK(l.client_says.objects[joining].size() == 4);
  CHECK(l.client_says.objects[joining][0].at() == moq::location{2, 0});
  const auto down = l.client->fetch(track_name("video"), {1, 0}, {3, 0}, {.priority = 3, .order = moq::group_order::descending});
  l.pump();
  REQUIRE(l.client_says.objects[down].size() == 6);
  CHECK(l.client_says.objects[down][0].at() == moq::location{3, 0});
  CHECK(l.client_says.objects[down][5].at() == moq::location{1, 1});
  CHECK(l.client_control() == "20 03:0 16:2 16:4 16:6");
  CHECK(l.server_control() == "21 04:0 18:2 18:4 18:6");
  const auto gone = l.client->joining_fetch_absolute(12345, 0, {});
  l.pump();
  CHECK(l.client_says.has("error " + std::to_string(gone) + " 50"));
}

TEST_CASE("moqt-16: a fetch that is cancelled is told so") {
  link16 l;
  l.start();
  auto& t = l.serve("video");
  l.put(t, test_object(0, 0));
  l.server_end.uni_credit = 0;
  const auto id = l.client->fetch(track_name("video"), {0, 0}, {0, 0}, {});
  l.pump();
  l.client->cancel_fetch(id);
  l.pump();
  CHECK(l.client_control() == "20 16:0 17:0");
  CHECK(l.server->open_requests() == 0);
}

TEST_CASE("moqt-16: namespaces have a stream of their own") {
  link16 l;
  l.start();
  const auto id = l.client->subscribe_namespace({{"tv"}});
  l.pump();
  CHECK(l.client_says.take() == "ok 0");
  l.serve("video"); // elsewhere
  auto* t = l.server_tracks.add(track_name("video", {"tv", "one"}), {}, l.now).value();
  l.pump();
  CHECK(l.client_says.take() == "namespace 0 one up");
  l.server_tracks.end_track(*t, moq::done_code::track_ended, "over", l.now);
  l.server_tracks.remove(*t, l.now);
  l.pump();
  CHECK(l.client_says.take() == "namespace 0 one down");
  CHECK(link16::messages(l.client_end, 4) == "11:0");
  CHECK(link16::messages(l.server_end, 4) == "07:0 08 0e");
  const auto tight = l.client->subscribe_namespace({{"tv", "one"}});
  l.pump();
  CHECK(l.client_says.take() == "error " + std::to_string(tight) + " 48");
  l.client->unsubscribe_namespace(id);
  l.pump();
  CHECK(l.server->open_requests() == 0);
  const auto after = l.client->subscribe_namespace({{"tv", "one"}});
  l.pump();
  CHECK(l.client_says.take() == "ok " + std::to_string(after));
  l.client->update_prefix(after, {{"tv"}});
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.take() == "error " + std::to_string(after) + " 3"); // a prefix does not move
  CHECK(l.server->open_requests() == 0);
}

TEST_CASE("moqt-16: SUBSCRIBE_NAMESPACE waits for a stream and takes its id when it has one") {
  link16 l;
  l.start();
  l.serve("video");
  l.client_end.bidi_credit = 0;
  l.client->subscribe_namespace({{"tv"}});
  l.client->subscribe(track_name("video"), {});
  l.pump();
  CHECK(l.client_says.take() == "subscribed 2");
  CHECK(l.client_control() == "20 03:0");
  l.client_end.bidi_credit = 1;
  l.client->on_streams_available(l.now);
  l.pump();
  CHECK(l.client_says.take() == "ok 0");
  CHECK(link16::messages(l.client_end, 4) == "11:2");
}

TEST_CASE("moqt-16: tracks are published, refused, asked for by prefix, and left") {
  link16 l;
  l.start();
  auto& t = *l.client_tracks.add(track_name("cam"), {}, l.now).value();
  const auto id = l.client->publish(track_name("cam"), {});
  l.pump();
  CHECK(l.server_says.take() == "published 0 ec-test--cam");
  CHECK(l.client_says.take() == "ok 0");
  l.client_tracks.append(t, test_object(0, 0), l.now).value();
  l.pump();
  CHECK(l.server_says.take() == "object 0 0/0");
  moq::update_options pause;
  pause.forward = false;
  l.server->update(0, pause);
  l.pump();
  CHECK(l.server_says.take() == "end 0 0 reset=1; ok 0");
  l.server->unsubscribe(0);
  l.pump();
  CHECK(l.client_says.take() == "request-closed " + std::to_string(id));
  CHECK(l.client_control() == "20 1d:0 07:1");
  CHECK(l.server_control() == "21 1e:0 02:1 0a:0");
  CHECK(l.client->open_requests() == 0);
  CHECK(l.server->open_requests() == 0);
  l.server_says.takes = moq::request_error{.code = moq::request_code::uninterested, .retry_after_ms = {}, .reason = "no", .to = {}};
  l.client->publish(track_name("cam"), {});
  l.pump();
  CHECK(l.client_says.take() == "error 2 32");
  l.server_says.take();
  l.server_says.takes = moq::publish_accept{};
  l.server->subscribe_tracks({{"ec"}}, true);
  l.pump();
  CHECK(l.server_says.take() == "ok 3; published 4 ec-test--cam largest=0/0");
  l.client_tracks.end_track(t, moq::done_code::track_ended, "over", l.now);
  l.pump();
  l.wait(std::chrono::seconds(3));
  CHECK(l.server_says.has("done 4 2 streams=0"));
}

TEST_CASE("moqt-16: an update has an id of its own, and its answer names it") {
  link16 l;
  l.start();
  l.serve("video");
  const auto id = l.client->subscribe(track_name("video"), {});
  moq::update_options o;
  o.priority = 7;
  l.client->update(id, o); // before SUBSCRIBE_OK
  l.client->update(id, o);
  l.pump();
  CHECK(l.client_says.take() == "subscribed 0; ok 0; ok 0");
  CHECK(l.client_control() == "20 03:0 02:2 02:4");
  CHECK(l.server_control() == "21 04:0 07:2 07:4");
  // One that cannot be met ends the subscription.
  auto* t = l.server_tracks.find(track_name("video"));
  for (uint64_t g = 0; g < 3; ++g) l.put(*t, test_object(g, 0));
  o.filter = moq::subscription_filter{.type = moq::subscription_filter::kind::absolute_range, .start = {0, 0}, .end_group = 0};
  l.client->update(id, o);
  l.pump();
  l.wait(std::chrono::seconds(3));
  CHECK(l.client_says.has("done 0 8 streams=3"));
  CHECK(l.server_control() == "21 04:0 07:2 07:4 05:6 0b:0");
}

TEST_CASE("moqt-16: track status, datagrams, going away") {
  link16 l;
  l.start();
  moq::track_config config;
  config.datagrams = true;
  auto& t = l.serve("sound", config);
  const auto sub = l.client->subscribe(track_name("sound"), {});
  l.pump();
  l.put(t, test_object(3, 1));
  l.pump();
  CHECK(l.client_says.take() == "subscribed 0; object 0 3/1 datagram");
  const auto status = l.client->track_status(track_name("sound"));
  l.pump();
  CHECK(l.client_says.take() == "ok 2");
  CHECK(l.client_says.oks[status].params.largest == moq::location{3, 1});
  CHECK_FALSE(l.client->pad(100, false));
  l.server->goaway("moqt://other:1", 1000);
  l.pump();
  CHECK(l.client_says.take() == "goaway moqt://other:1 0"); // the timeout is not said
  const auto late = l.client->subscribe(track_name("sound"), {});
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.take() == "error " + std::to_string(late) + " 6");
  l.wait(std::chrono::seconds(2));
  CHECK(l.server_end.closed == moq::session_code::goaway_timeout);
  (void)sub;
}

TEST_CASE("moqt-16: requests wait for MAX_REQUEST_ID, which follows those that are over") {
  moq::session_config s;
  s.requests_max = 1; // two at once beyond those that are over, so four ids
  link16 l({}, s);
  l.start();
  l.serve("video");
  for (int i = 0; i < 40; ++i) {
    const auto id = l.client->subscribe(track_name("video"), {});
    l.pump();
    CAPTURE(i);
    REQUIRE(l.client_says.take() == "subscribed " + std::to_string(id));
    l.client->unsubscribe(id);
    l.pump();
  }
  l.client->subscribe(track_name("video"), {});
  std::vector<moq::request_id> more;
  for (int i = 0; i < 3; ++i) more.push_back(l.client->subscribe(track_name("none" + std::to_string(i)), {}));
  l.pump();
  CHECK(l.client->counters().waiting_for_stream_credit > 0);
  CHECK(l.client_control().find("1a:") != std::string::npos);
  for (const auto id : more) CHECK(l.client_says.has("error " + std::to_string(id) + " 0")); // over the server's limit
  CHECK_FALSE(l.client->closed());
  CHECK_FALSE(l.server->closed());
}

TEST_CASE("moqt-16: properties are written with its integers, and read back as they were") {
  link16 l;
  l.start();
  moq::track_config config;
  config.object_properties = true;
  auto& t = l.serve("video", config);
  const auto id = l.client->subscribe(track_name("video"), {});
  l.pump();
  // 0x10 = 100 and 0x0b holding 0x3c = 70, in the integers of draft 18, which say those in one byte.
  auto o = test_object(70, 0);
  const auto pairs = base::from_hex("0b" "02" "3c46" "0564").value();
  o.properties = base::bytes::copy(std::span<const uint8_t>(pairs));
  l.put(t, o);
  l.pump();
  REQUIRE(l.client_says.objects[id].size() == 1);
  CHECK(l.client_says.objects[id][0].properties == o.properties);
  const auto& raw = l.server_end.written.at(3);
  CHECK(base::to_hex(raw).find("0b033c4046054064") != std::string::npos);
  const auto again = l.client->fetch(track_name("video"), {70, 0}, {70, 0}, {});
  l.pump();
  REQUIRE(l.client_says.objects[again].size() == 1);
  CHECK(l.client_says.objects[again][0].properties == o.properties);
}

TEST_CASE("moqt-16: an object whose id the draft cannot write is left out and counted") {
  link16 l;
  l.start();
  auto& t = l.serve("video");
  const auto id = l.client->subscribe(track_name("video"), {});
  l.pump();
  l.put(t, test_object(1, 0));
  l.put(t, test_object(uint64_t{1} << 62, 0));
  l.pump();
  CHECK(l.client_says.objects[id].size() == 1);
  CHECK(l.server->counters().groups_unmapped == 1);
}

namespace {

/// A session of draft 16 and a peer that writes bytes.
struct bare16 {
  moq_end end;
  moq_recorder says;
  moq::track_store tracks;
  std::unique_ptr<moq::session> s;
  base::mono_time now{std::chrono::hours(1)};
  bool server;

  explicit bare16(bool as_server = true) : server(as_server) {
    moq::session_config c = speaking();
    c.role = server ? moq::session_role::server : moq::session_role::client;
    c.requests_max = 4;
    end.server = server;
    s = std::make_unique<moq::session>(c, end, says, &tracks);
    says.session = s.get();
    tracks.add(track_name("video"), {}, now).value();
    s->on_connected(now);
  }
  void feed(uint64_t stream, std::string_view hex, bool fin = false) {
    s->on_stream_data(stream, base::bytes::copy(std::span<const uint8_t>(base::from_hex(hex).value())), fin, now);
  }
  /// The peer's setup on the control stream, with plenty of request ids for us.
  void start() { feed(0, server ? "200006" "0102" "80010000" : "210006" "0102" "80010000"); }
  std::optional<uint64_t> closed() const { return end.closed; }
};

const std::string video = "02" "026563" "0474657374" "05766964656f"; // ec, test, video

} // namespace

TEST_CASE("moqt-16: what breaks the protocol closes the session with its code") {
  using namespace moq::session_code;
  constexpr uint64_t too_many_requests = 0x7; // this draft's alone
  struct bad {
    const char* what;
    bool server;
    bool started;
    uint64_t stream;
    std::string hex;
    uint64_t code;
    bool fin = false;
  };
  const std::string subscribe0 = "030011" "00" + video + "00";
  const std::string subscribe2 = "030011" "02" + video + "00";
  const bad all[] = {
    {"the control stream begins with a request", true, false, 0, subscribe0, protocol_violation},
    {"a client that says SERVER_SETUP", true, false, 0, "21000100", protocol_violation},
    {"a server that says CLIENT_SETUP", false, false, 0, "20000100", protocol_violation},
    {"a server that names a path", false, false, 0, "210005" "01" "01022f61", invalid_path},
    {"a second CLIENT_SETUP", true, true, 0, "20000100", protocol_violation},
    {"a second control stream", true, true, 4, "20000100", protocol_violation},
    {"a request on a stream of its own", true, true, 4, subscribe0, protocol_violation},
    {"SUBSCRIBE_NAMESPACE on the control stream", true, true, 0, "110004" "00" "00" "01" "00", protocol_violation},
    {"NAMESPACE on the control stream", true, true, 0, "080001" "00", protocol_violation},
    {"an unknown message", true, true, 0, "3f0000", protocol_violation},
    {"the control stream ends", true, true, 0, "", protocol_violation, true},
    {"the control stream ends within a message", true, true, 0, "0300", protocol_violation, true},
    {"a request id of the wrong side", true, true, 0, "030011" "01" + video + "00", invalid_request_id},
    {"a request id twice", true, true, 0, subscribe0 + subscribe0, invalid_request_id},
    {"request ids that go back", true, true, 0, subscribe2 + subscribe0, invalid_request_id},
    {"a request id over MAX_REQUEST_ID", true, true, 0, "030011" "10" + video + "00", too_many_requests},
    {"MAX_REQUEST_ID that does not rise", true, true, 0, "150004" "80010000", protocol_violation},
    {"an answer to nothing", true, true, 0, "070002" "0100", invalid_request_id},
    {"an answer to the peer's own request", true, true, 0, subscribe0 + "070002" "0000", invalid_request_id},
    {"UNSUBSCRIBE of nothing", true, true, 0, "0a0001" "00", protocol_violation},
    {"FETCH_CANCEL of a subscription", true, true, 0, subscribe0 + "170001" "00", protocol_violation},
    {"PUBLISH_NAMESPACE_DONE of a subscription", true, true, 0, subscribe0 + "090001" "00", protocol_violation},
    {"PUBLISH_DONE of the peer's own subscription", true, true, 0, subscribe0 + "0b0004" "00000000", protocol_violation},
    {"REQUEST_UPDATE of nothing", true, true, 0, "020003" "000200", protocol_violation},
    {"REQUEST_UPDATE of a namespace with a priority", true, true, 0, "060005" "00" "010161" "00" "020005" "0200" "01" "2005", protocol_violation},
    {"GOAWAY twice", false, true, 0, "100001" "00" "100001" "00", protocol_violation},
    {"a client's GOAWAY with a URI", true, true, 0, "100002" "0161", protocol_violation},
    {"an unknown data stream", true, true, 2, "00", protocol_violation},
    {"draft 18's control stream", true, true, 2, "af000001" "00", protocol_violation},
    {"a subgroup with the flag of draft 18", true, true, 2, "4050" "0000", protocol_violation},
    {"a second message behind SUBSCRIBE_NAMESPACE", true, true, 4, "110004" "00" "00" "01" "00" "110004" "02" "00" "01" "00", protocol_violation},
  };
  for (const auto& b : all) {
    for (const bool split : {false, true}) {
      CAPTURE(b.what);
      CAPTURE(split);
      bare16 p(b.server);
      if (b.started) p.start();
      REQUIRE_FALSE(p.closed());
      if (split) {
        for (size_t i = 0; i < b.hex.size() && !p.closed(); i += 2) p.feed(b.stream, b.hex.substr(i, 2));
        if (!p.closed() && b.fin) p.feed(b.stream, "", true);
      } else {
        p.feed(b.stream, b.hex, b.fin);
      }
      REQUIRE_MESSAGE(p.closed().has_value(), b.what);
      CHECK(*p.closed() == b.code);
      CHECK(p.says.has("closed " + std::to_string(b.code)));
    }
  }
}

TEST_CASE("moqt-16: what comes late for a request that is over is ignored, or refused") {
  bare16 p;
  p.start();
  p.feed(0, "030011" "00" + video + "00");
  p.feed(0, "0a0001" "00" "0a0001" "00"); // UNSUBSCRIBE twice
  p.feed(0, "020003" "020000");           // REQUEST_UPDATE of it
  CHECK(link16::messages(p.end, 0) == "21 04:0 05:2");
  CHECK_FALSE(p.closed());
  CHECK(p.s->open_requests() == 0);
}

TEST_CASE("moqt-16: namespaces and tracks asked for in one are answered in one") {
  bare16 p;
  p.feed(4, "110004" "02" "00" "02" "00"); // ahead of the control stream
  CHECK(p.s->open_requests() == 0);
  p.start();
  CHECK(p.s->open_requests() == 3); // the third is our PUBLISH
  CHECK(link16::messages(p.end, 4) == "07:2 08");
  CHECK(link16::messages(p.end, 0) == "21 1d:1");
  p.feed(0, "1e0002" "0100"); // PUBLISH_OK
  p.feed(4, "", true);
  CHECK(p.s->open_requests() == 1); // what was published stays
  CHECK_FALSE(p.closed());
  p.feed(0, "0a0001" "01");
  CHECK(p.s->open_requests() == 0);
  // Either one that cannot be refuses both.
  p.feed(8, "110004" "00" "00" "01" "00");
  p.feed(12, "110004" "04" "00" "02" "00");
  CHECK(link16::messages(p.end, 8) == "07:0 08");
  CHECK(link16::messages(p.end, 12) == "05:4");
  CHECK(p.s->open_requests() == 1);
  CHECK(link16::messages(p.end, 0) == "21 1d:1"); // and nothing is published for it
  CHECK_FALSE(p.closed());
}

TEST_CASE("moqt-16: updates that find no id go as one when there is one") {
  bare16 p(false);
  p.feed(0, "210003" "01" "0202"); // one request
  const auto id = p.s->subscribe(track_name("video"), {});
  moq::update_options o;
  for (uint8_t i = 1; i <= 50; ++i) {
    o.priority = i;
    p.s->update(id, o);
  }
  CHECK(link16::messages(p.end, 0) == "20 03:0 1a:2");
  p.feed(0, "040003" "00" "05" "00"); // SUBSCRIBE_OK
  p.feed(0, "150001" "08");           // MAX_REQUEST_ID
  CHECK(link16::messages(p.end, 0) == "20 03:0 1a:2 02:2");
  CHECK(base::to_hex(p.end.written.at(0)).ends_with("020005" "0200" "01" "2032"));
  p.says.take();
  p.feed(0, "070002" "0200");
  CHECK(p.says.log.size() == 50); // each is told
  CHECK_FALSE(p.closed());
}

TEST_CASE("moqt-16: early streams are bounded") {
  bare16 p;
  for (uint64_t i = 0; i < 80; ++i) p.feed(4 + 4 * i, "110004" "00" "00" "01" "00");
  CHECK_FALSE(p.closed());
  CHECK(p.end.resets.size() == 16);
}
