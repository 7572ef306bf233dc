#include "quic/webtransport_watch.hpp"

#include <doctest/doctest.h>

#include "quic/internal/webtransport_wire.hpp"
#include "tests/support/scripted_http3.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

TEST_CASE("an HTTP/3 connection that opens no session is closed when its time is over, and one that did is not") {
  const base::mono_time begin{1h};
  quic::webtransport_watch watch(10s);
  CHECK_FALSE(watch.deadline());
  scripted_client silent, talks, opens, gone;
  watch.add(*silent.session, begin);
  watch.add(*talks.session, begin);
  watch.add(*opens.session, begin + 1s);
  watch.add(*gone.session, begin + 1s);
  CHECK(watch.deadline() == begin + 10s);
  opens.connect();
  // Requests that are no session, for ever, do not help.
  talks.feed(2, client_control);
  talks.feed(0, headers_frame({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}), true);
  watch.forget(*gone.session);
  CHECK(watch.on_timer(begin + 9s).empty());
  CHECK(silent.below.endings.empty());
  CHECK(watch.on_timer(begin + 10s) == std::vector<std::string>{"10.0.0.9:9", "10.0.0.9:9"});
  for (auto* c : {&silent, &talks}) {
    REQUIRE(c->below.endings.size() == 1);
    CHECK(c->below.endings[0].code == quic::internal::h3_no_error);
    CHECK(c->below.endings[0].text == "no session was opened in time");
  }
  CHECK(watch.deadline() == begin + 11s);
  CHECK(watch.on_timer(begin + 11s).empty());
  CHECK(opens.below.endings.empty());
  CHECK(opens.session->connected());
  CHECK(gone.below.endings.empty());
  CHECK_FALSE(watch.deadline());
  CHECK(watch.missed() == 2);
  // A session that comes too late finds nobody.
  silent.connect();
  CHECK(silent.requests.empty());
}

TEST_CASE("trailers that decode to much more than they are do not grow what is held, and the session does not notice") {
  scripted_client c;
  c.connect();
  // Entry 87 of the static table, in two bytes each, behind the session's own fields.
  std::string block(2, '\0');
  for (int i = 0; i < 2000; ++i) block += "\xff\x18";
  base::byte_writer frame;
  frame.quic_varint(1);
  frame.quic_varint(block.size());
  frame.raw(block);
  for (int i = 0; i < 20 && c.below.endings.empty() && c.below.stops.empty(); ++i) c.feed(0, base::as_text(frame.span()));
  CHECK(c.requests.size() == 1);
  CHECK((!c.below.endings.empty() || !c.below.stops.empty())); // its stream is over, with HTTP/3's code for it
}
