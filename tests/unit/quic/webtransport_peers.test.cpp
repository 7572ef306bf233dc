// A server and a client of WebTransport against peers that are written by hand: in any pieces, and hostile ones.
#include <doctest/doctest.h>

#include "base/hex.hpp"
#include "base/limits_webtransport.hpp"
#include "tests/support/scripted_http3.hpp"

using namespace ec;
using namespace ec::test;
using namespace quic::internal;
using kind = quic::close_reason::kind;
namespace limits = base::limits;

namespace {

const std::string uni_prefix{"\x40\x54\x00", 3};
const std::string bidi_prefix{"\x40\x41\x00", 3};

std::string hex_of(std::string_view text) {
  return base::to_hex(base::as_span(text));
}

std::string text(const std::vector<uint8_t>& bytes) {
  return std::string(base::as_text(bytes));
}

using codes = std::vector<std::pair<uint64_t, uint64_t>>;

} // namespace

TEST_CASE("a server says who it is: control stream, SETTINGS of every draft, answer to CONNECT") {
  scripted_client c;
  // HTTP/3's own, then ours: 0x2b603742, 0xc671706a, 0x2b603743, 0x14e9cd29, 0x2c7cf000, 0xffd277, each 1.
  CHECK(hex_of(c.below.written.at(3)) == "00042f06800040000100070033010801ab60374201c0000000c671706a01ab6037430194e9cd2901ac7cf0000180ffd27701");
  CHECK(hex_of(c.below.written.at(7)) == "02");
  CHECK(hex_of(c.below.written.at(11)) == "03");
  c.connect();
  CHECK(c.user.protocol == "moqt-18");
  CHECK(c.answer(0) == "200 \"moqt-18\" ");
  CHECK_FALSE(c.below.fins[0]);
  CHECK(c.below.urgencies[0] == 0);
  CHECK(c.requests.at(0).path == "/p");
  CHECK(c.session->counters().sessions == 1);
}

TEST_CASE("everything may come in any pieces") {
  for (size_t step = 1; step < 9; ++step) {
    CAPTURE(step);
    scripted_client c;
    c.step = step;
    c.connect();
    REQUIRE(c.user.protocol == "moqt-18");
    c.feed(14, uni_prefix + "hello", true);
    c.feed(4, bidi_prefix + "ask", false);
    c.feed(18, uni_prefix, true);
    // The same numbers in longer spellings.
    c.feed(22, std::string("\x80\x00\x00\x54\xc0\x00\x00\x00\x00\x00\x00\x00", 12) + "long", true);
    CHECK(c.user.data[14] == "hello");
    CHECK(c.user.fins[14]);
    CHECK(c.user.data[4] == "ask");
    CHECK(c.user.fins[18]);
    CHECK(c.user.data[22] == "long");
    CHECK(c.below.credit[14] == 3); // the prefix; the rest is the user's to give back
    CHECK(c.below.credit[22] == 12);
    CHECK(c.session->write(4, base::bytes::copy("answer"), true) == quic::write_result::queued);
    CHECK(c.below.written[4] == "answer");
    const auto own = c.session->open_uni();
    REQUIRE(own);
    CHECK(c.session->write(*own, {}, false) == quic::write_result::queued);
    CHECK(c.below.written[*own].empty());
    CHECK(c.session->write(*own, base::bytes::copy("x"), false) == quic::write_result::queued);
    CHECK(c.below.written[*own] == uni_prefix + "x");
    c.feed(0, data_frame(text(write_drain_capsule())) + data_frame("\x17" + std::string(1, '\x02') + "??"));
    CHECK(c.user.drains == 1);
    const auto capsule = text(write_close_capsule(9, "done"));
    c.feed(0, data_frame(capsule.substr(0, 3)) + data_frame(capsule.substr(3)), true);
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == to_http3_code(9));
    CHECK(c.below.endings[0].text == "done");
    CHECK(c.below.endings[0].after == 0);
    CHECK(c.below.fins[0]);
    c.session->on_closed({kind::local, c.below.endings[0].code, "done"});
    REQUIRE(c.user.closed);
    CHECK(c.user.closed->what == kind::application);
    CHECK(c.user.closed->code == 9);
    CHECK(c.gone == 1);
  }
}

TEST_CASE("the end of the CONNECT stream takes the session's streams along, however it comes") {
  for (const int how : {0, 1, 2, 3}) {
    CAPTURE(how);
    scripted_client c;
    c.connect();
    c.feed(14, uni_prefix + "a");
    c.feed(4, bidi_prefix + "b");
    const auto own = c.session->open_uni();
    REQUIRE(own);
    CHECK(c.session->write(*own, base::bytes::copy("x"), false) == quic::write_result::queued);
    if (how == 0) c.feed(0, "", true);
    if (how == 1) c.session->on_stream_reset(0, 0x10c);
    if (how == 2) c.session->on_stop_sending(0, 0x10c);
    if (how == 3) c.session->on_stream_closed(0);
    const codes gone_stops{{4, wt_session_gone}, {14, wt_session_gone}}, gone_resets{{4, wt_session_gone}, {*own, wt_session_gone}};
    auto stops = c.below.stops, resets = c.below.resets;
    std::erase_if(resets, [](const auto& r) { return r.first == 0; });
    std::ranges::sort(stops);
    std::ranges::sort(resets);
    CHECK(stops == gone_stops);
    CHECK(resets == gone_resets);
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == to_http3_code(0));
    CHECK_FALSE(c.session->connected());
    CHECK(c.session->write(*own, base::bytes::copy("y"), false) == quic::write_result::gone);
    // What comes late is nobody's.
    c.feed(14, "late");
    c.feed(18, uni_prefix + "later");
    CHECK(c.user.data[14] == "a");
    CHECK(c.below.stops.back() == std::pair<uint64_t, uint64_t>{18, wt_session_gone});
  }
}

TEST_CASE("a second session is refused, and the first does not notice") {
  scripted_client c;
  c.connect();
  c.connect(4);
  CHECK(c.answer(4).starts_with("429 "));
  CHECK(c.below.fins[4]);
  CHECK(c.requests.size() == 1);
  CHECK(c.session->connected());
  CHECK(c.session->counters().requests_refused == 1);
  // Streams that name it are refused too.
  c.feed(14, std::string("\x40\x54\x04", 3) + "x");
  CHECK(c.below.stops == codes{{14, wt_buffered_stream_rejected}});
}

TEST_CASE("a session without a common protocol, from another origin, or of another kind is refused with its status") {
  struct refused {
    const char* status;
    http3_fields fields;
  };
  auto origin = connect_fields();
  origin.emplace_back("origin", "https://evil.example");
  auto other = connect_fields();
  other[1].second = "websocket";
  for (const auto& r : {refused{"406 ", connect_fields("\"moq-lite-05\", \"x\"")}, refused{"406 ", connect_fields("")}, refused{"403 ", origin}, refused{"501 ", other}}) {
    CAPTURE(r.status);
    scripted_client c({.protocols = {"moqt-18"}, .origins = {"https://tv.example"}});
    c.feed(2, client_control);
    c.feed(0, headers_frame(r.fields));
    CHECK(c.answer(0).starts_with(r.status));
    CHECK(c.requests.empty());
    // Another try on the same connection may do better.
    c.connect(4);
    CHECK(c.user.protocol == "moqt-18");
  }
  scripted_client allowed({.protocols = {"moqt-18"}, .origins = {"https://evil.example"}});
  allowed.feed(2, client_control);
  allowed.feed(0, headers_frame(origin));
  CHECK(allowed.requests.at(0).origin == "https://evil.example");
}

TEST_CASE("older clients name their protocol and their draft in other fields") {
  scripted_client c;
  c.feed(2, client_control);
  auto fields = connect_fields("");
  fields.emplace_back("sec-webtransport-protocol", "moq-lite-05, moqt-18");
  fields.emplace_back("sec-webtransport-http3-draft02", "1");
  c.feed(0, headers_frame(fields));
  CHECK(c.answer(0) == "200 \"moqt-18\" draft02 ");
}

TEST_CASE("a plain request gets an answer") {
  scripted_client c({.protocols = {"moqt-18"}, .about = "Hello.\n"});
  c.feed(2, client_control);
  const auto ask = [&](uint64_t id, const char* method, const char* path) {
    c.feed(id, headers_frame({{":method", method}, {":scheme", "https"}, {":authority", "a"}, {":path", path}}), true);
    return c.answer(id);
  };
  CHECK(ask(0, "GET", "/") == "200 Hello.\n");
  CHECK(ask(4, "GET", "/x").starts_with("404 "));
  CHECK(ask(8, "POST", "/").starts_with("405 "));
  c.feed(12, headers_frame({{":method", "HEAD"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}), true);
  CHECK(c.below.fins[12]);
  CHECK(c.below.endings.empty());
  // And a session after all.
  c.connect(16);
  CHECK(c.session->connected());
}

TEST_CASE("streams that come before their session wait for it, within bounds") {
  scripted_client c;
  c.feed(14, uni_prefix + "early", true);
  c.feed(4, bidi_prefix + "early too");
  c.feed(18, std::string("\x40\x54\x08", 3) + "of no session");
  for (uint64_t i = 0; i < limits::webtransport_early_streams_max; ++i) c.feed(100 + 4 * i + 2, uni_prefix + "x");
  CHECK(c.below.stops.size() == 3); // 3 others were there
  CHECK(c.below.stops[0].second == wt_buffered_stream_rejected);
  CHECK(c.user.data.empty());
  CHECK(c.below.credit[14] == 3); // no credit for what waits
  c.connect();
  CHECK(c.user.data[14] == "early");
  CHECK(c.user.fins[14]);
  CHECK(c.user.data[4] == "early too");
  CHECK(c.below.stops.back() == std::pair<uint64_t, uint64_t>{18, wt_buffered_stream_rejected});
  CHECK(c.session->counters().streams_refused == 4);
  c.feed(4, " and on");
  CHECK(c.user.data[4] == "early too and on");
}

TEST_CASE("the bytes of early streams are bounded together") {
  scripted_client c;
  const std::string half(limits::webtransport_early_bytes_max / 2 - 128, 'x');
  c.feed(14, uni_prefix + half);
  c.feed(18, uni_prefix + half);
  CHECK(c.below.stops.empty());
  c.feed(22, uni_prefix + "y");
  CHECK(c.below.stops == codes{{22, wt_buffered_stream_rejected}});
  c.session->on_stream_reset(14, 0);
  c.feed(26, uni_prefix + "y");
  CHECK(c.below.stops.size() == 1);
}

TEST_CASE("hostile bytes end the connection with the right code and without growth") {
  scripted_client c;
  SUBCASE("a capsule that claims 4 GB") {
    c.connect();
    c.feed(0, data_frame(std::string("\x68\x43\xc0\x00\x00\x01\x00\x00\x00\x00", 10)));
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == h3_message_error);
    c.session->on_closed({kind::local, h3_message_error, ""});
    REQUIRE(c.user.closed);
    CHECK(c.user.closed->what == kind::violation);
    CHECK(c.user.closed->text.find("a close capsule of 4294967296 bytes") != std::string::npos);
  }
  SUBCASE("a session id that can be none") {
    c.feed(2, client_control);
    c.feed(14, std::string("\x40\x54\x02", 3));
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == h3_id_error);
  }
  SUBCASE("a datagram without a number") {
    c.connect();
    c.session->on_datagram(base::bytes::copy(std::string_view("\xff", 1)));
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == h3_datagram_error);
  }
  SUBCASE("a second control stream") {
    c.connect();
    c.feed(6, std::string_view("\x00", 1));
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == 0x103);
  }
  SUBCASE("a control stream that closes") {
    c.connect();
    c.feed(2, "", true);
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == h3_closed_critical_stream);
  }
  SUBCASE("our control stream stopped") {
    c.connect();
    c.session->on_stop_sending(3, 0);
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == h3_closed_critical_stream);
  }
  SUBCASE("a field of a dynamic table that is off") {
    c.feed(2, client_control);
    c.feed(0, std::string("\x01\x03\x02\x00\x80", 5));
    REQUIRE(c.below.endings.size() == 1);
    CHECK(c.below.endings[0].code == 0x200);
  }
}

TEST_CASE("fields are counted as they are decoded: a short request that names long ones is left") {
  scripted_client c;
  c.feed(2, client_control);
  // Entry 87 of the static table, "upgrade-insecure-requests: 1", in two bytes each.
  std::string block(2, '\0');
  for (int i = 0; i < 2000; ++i) block += "\xff\x18";
  base::byte_writer frame;
  frame.quic_varint(1);
  frame.quic_varint(block.size());
  frame.raw(block);
  c.feed(0, base::as_text(frame.span()));
  CHECK(c.below.endings.empty());
  CHECK(c.below.stops == codes{{0, h3_excessive_load}});
  CHECK(c.below.resets == codes{{0, h3_excessive_load}});
  c.session->on_stream_closed(0);
  c.connect(4);
  CHECK(c.session->connected());
}

TEST_CASE("requests that each begin a field of 64 KiB end the connection before they take what one peer may make this side hold") {
  scripted_client c;
  c.feed(2, client_control);
  // A literal name "a", and a value of 65,000 bytes of which nothing comes.
  const std::string block("\x00\x00\x21\x61\x7f\xe9\xfa\x03", 8);
  base::byte_writer frame;
  frame.quic_varint(1);
  frame.quic_varint(70'000);
  frame.raw(block);
  for (uint64_t i = 0; i < limits::http3_requests_max && c.below.endings.empty(); ++i) c.feed(4 * i, std::string(base::as_text(frame.span())));
  REQUIRE(c.below.endings.size() == 1);
  CHECK(c.below.endings[0].code == h3_excessive_load);
  CHECK(c.below.endings[0].text == "HTTP/3 makes the other side hold too much");
}

TEST_CASE("early streams that come byte by byte are charged for each arrival") {
  scripted_client c;
  c.feed(14, uni_prefix);
  for (int i = 0; i < 2000 && c.below.stops.empty(); ++i) c.feed(14, "x");
  CHECK(c.below.stops == codes{{14, wt_buffered_stream_rejected}});
}

TEST_CASE("open requests are bounded, and closed ones make room") {
  scripted_client c;
  c.feed(2, client_control);
  const auto half = headers_frame(connect_fields()).substr(0, 20);
  for (uint64_t i = 0; i < limits::http3_requests_max; ++i) c.feed(4 * i, half);
  CHECK(c.below.stops.empty());
  const uint64_t over = 4 * limits::http3_requests_max;
  c.feed(over, half);
  CHECK(c.below.stops == codes{{over, h3_request_rejected}});
  c.session->on_stream_reset(0, 0x10c);
  c.session->on_stream_closed(0);
  c.connect(over + 4);
  CHECK(c.session->connected());
}

TEST_CASE("datagrams go to the session that they name") {
  scripted_client c;
  c.session->on_datagram(base::bytes::copy(std::string_view("\0early", 6)));
  c.connect();
  c.session->on_datagram(base::bytes::copy(std::string_view("\0mine", 5)));
  c.session->on_datagram(base::bytes::copy(std::string_view("\1other", 6)));
  CHECK(c.user.datagrams == std::vector<std::string>{"mine"});
  CHECK(c.session->counters().datagrams_dropped == 2);
  CHECK(c.session->send_datagram(base::bytes::copy("x")));
  CHECK(c.below.datagrams == std::vector<std::string>{std::string("\0x", 2)});
  CHECK(c.session->datagram_bytes_max() == 1199);
}

TEST_CASE("codes that are no application's read as 0") {
  scripted_client c;
  c.connect();
  c.feed(14, uni_prefix + "a");
  c.feed(4, bidi_prefix + "a");
  c.session->on_stream_reset(14, 0x10c);
  c.session->on_stop_sending(4, to_http3_code(0x20));
  CHECK(c.user.resets.at(14) == 0);
  CHECK(c.user.stops.at(4) == 0x20);
}

TEST_CASE("a peer that lets no streams be opened is left") {
  struct none : quic::webtransport_acceptor {
    quic::connection_events* on_session(quic::connection&, const quic::webtransport_request&) override { return nullptr; }
    void on_gone(quic::webtransport&) override {}
  } nobody;
  fake_connection below(true);
  below.streams_left = 2;
  auto server = quic::webtransport::serve({.protocols = {"moqt-18"}}, nobody);
  server->attach(below);
  server->on_connected("h3", below.peer());
  REQUIRE(below.endings.size() == 1);
  CHECK(below.endings[0].code == h3_general_protocol_error);
}

TEST_CASE("a client's first bytes are those that foreign relays were proven with, and it waits for SETTINGS") {
  fake_connection below(false);
  session_user user;
  auto client = quic::webtransport::dial({.protocols = {"moqt-18", "moqt-16"}, .settings = {{0x2b603742, 1}, {0xc671706a, 1}}}, "relay:4433", "", user);
  client->attach(below);
  client->on_connected("h3", below.peer());
  CHECK(hex_of(below.written.at(2)) == "0004190680004000010007003301ab60374201c0000000c671706a01");
  CHECK(hex_of(below.written.at(6)) == "02");
  CHECK(hex_of(below.written.at(10)) == "03");
  CHECK_FALSE(below.written.contains(0));
  // A stream of the session may overtake the answer.
  client->on_stream_data(7, base::bytes::copy(uni_prefix + "setup"), false);
  const auto server_control = std::string("\x00\x04\x04\x08\x01\x33\x01", 7);
  for (const char byte : server_control) client->on_stream_data(3, base::bytes::copy(std::string_view(&byte, 1)), false);
  REQUIRE(below.written.contains(0));
  CHECK_FALSE(below.fins[0]);
  http3_codec reader(true, {});
  reader.bind(3, 7, 11);
  reader.read(2, base::as_span(below.written[2]), false);
  reader.read(0, base::as_span(below.written[0]), false);
  http3_fields asked;
  for (const auto& e : reader.take_events())
    if (e.what == http3_codec::event::kind::fields) asked = e.fields;
  const http3_fields expected{{":method", "CONNECT"}, {":protocol", "webtransport"}, {":scheme", "https"}, {":authority", "relay:4433"}, {":path", "/"},
                              {"sec-webtransport-http3-draft02", "1"}, {"wt-available-protocols", "\"moqt-18\", \"moqt-16\""}};
  CHECK(asked == expected);
  CHECK(user.protocol.empty());

  SUBCASE("an answer with a protocol opens the session") {
    client->on_stream_data(0, base::bytes::copy(headers_frame({{":status", "200"}, {"wt-protocol", "\"moqt-16\""}})), false);
    CHECK(user.protocol == "moqt-16");
    CHECK(user.data[7] == "setup");
    const auto bidi = client->open_bidi();
    REQUIRE(bidi);
    CHECK(*bidi == 4);
    CHECK(client->write(*bidi, base::bytes::copy("q"), true) == quic::write_result::queued);
    CHECK(below.written[4] == bidi_prefix + "q");
    client->on_stream_data(4, base::bytes::copy("an answer without prefix"), true);
    CHECK(user.data[4] == "an answer without prefix");
    client->close(0, "done");
    CHECK(below.written[0].ends_with(data_frame(text(write_close_capsule(0, "done")))));
    CHECK(below.fins[0]);
    CHECK(below.endings.at(0).code == to_http3_code(0));
  }
  SUBCASE("an unquoted one does too") {
    client->on_stream_data(0, base::bytes::copy(headers_frame({{":status", "200"}, {"wt-protocol", "moqt-18"}})), false);
    CHECK(user.protocol == "moqt-18");
  }
  SUBCASE("a server that chose nothing, or what was not offered, is left") {
    const bool nothing = below.endings.empty() && user.data.empty();
    REQUIRE(nothing);
    SUBCASE("nothing") { client->on_stream_data(0, base::bytes::copy(headers_frame({{":status", "200"}})), false); }
    SUBCASE("another") { client->on_stream_data(0, base::bytes::copy(headers_frame({{":status", "200"}, {"wt-protocol", "\"moq-lite-05\""}})), false); }
    REQUIRE(below.endings.size() == 1);
    client->on_closed({kind::local, h3_no_error, ""});
    REQUIRE(user.closed);
    CHECK(user.closed->what == kind::refused);
    CHECK(user.closed->text.starts_with("the server chose "));
    CHECK(user.protocol.empty());
  }
  SUBCASE("a refusal is told with its status") {
    client->on_stream_data(0, base::bytes::copy(headers_frame({{":status", "429"}})), true);
    client->on_closed({kind::local, h3_no_error, ""});
    REQUIRE(user.closed);
    CHECK(user.closed->code == 429);
    CHECK(user.closed->text == "the server refuses the session with HTTP status 429 (it serves one session on a connection)");
  }
  SUBCASE("an answer that is too large ends it") {
    http3_fields many{{":status", "200"}};
    for (int i = 0; i < 100; ++i) many.emplace_back("x", std::string(200, 'y'));
    client->on_stream_data(0, base::bytes::copy(headers_frame(many)), false);
    REQUIRE(below.endings.size() == 1);
    CHECK(below.endings[0].code == h3_excessive_load);
  }
}
