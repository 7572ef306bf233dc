// Sessions of draft 16: what the draft cannot say, and what a peer may make one hold.
#include <doctest/doctest.h>

#include "base/byte_io.hpp"
#include "base/limits_attacker.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;

namespace {

moq::session_config speaking() {
  moq::session_config c;
  c.protocol = "moqt-16";
  c.takes_publish = true;
  return c;
}

struct link16 : moq_link {
  link16() : moq_link(speaking(), speaking()) {}
  moq::track& serve(std::string name) { return *server_tracks.add(track_name(std::move(name)), {}, now).value(); }
  void put(moq::track& t, moq::object o) { server_tracks.append(t, std::move(o), now).value(); }
};

/// A server that was set up, and whose peer writes bytes of its own.
struct bare16 {
  moq_end end;
  moq_recorder says;
  moq::track_store tracks;
  std::unique_ptr<moq::session> s;
  base::mono_time now{std::chrono::hours(1)};

  bare16() {
    auto c = speaking();
    c.role = moq::session_role::server;
    end.server = true;
    s = std::make_unique<moq::session>(c, end, says, &tracks);
    says.session = s.get();
    s->on_connected(now);
    s->on_stream_data(0, base::bytes::adopt({0x20, 0x00, 0x06, 0x01, 0x02, 0x80, 0x01, 0x00, 0x00}), false, now);
  }
  std::optional<uint64_t> closed() const { return end.closed; }
};

} // namespace

TEST_CASE("moqt-16: a fetch of ids that the draft cannot write is refused here, and says why") {
  constexpr uint64_t most = (uint64_t{1} << 62) - 1;
  link16 l;
  l.start();
  auto& t = l.serve("video");
  l.put(t, test_object(0, 0));
  const auto before = l.client_end.written[0].size();
  const auto refused = [&](moq::request_id id) {
    l.pump();
    l.wait(std::chrono::milliseconds(1));
    return l.client_says.has("error " + std::to_string(id) + " 17") && l.client_says.last_reason.find("over 2^62 - 1") != std::string::npos;
  };
  CHECK(refused(l.client->fetch(track_name("video"), {most + 1, 0}, {most + 2, 0}, {})));
  CHECK(refused(l.client->fetch(track_name("video"), {0, most + 1}, {0, 0}, {})));
  CHECK(refused(l.client->fetch(track_name("video"), {0, 0}, {most + 1, 0}, {})));
  CHECK(refused(l.client->fetch(track_name("video"), {0, 0}, {0, ~uint64_t{0}}, {})));
  CHECK(l.client_end.written[0].size() == before); // nothing of it left
  const auto subscribed = l.client->subscribe(track_name("video"), {.filter = {.type = moq::subscription_filter::kind::largest_object, .start = {}, .end_group = 0}});
  l.pump();
  CHECK(refused(l.client->joining_fetch_absolute(subscribed, most + 1, {})));
  const auto right = l.client->fetch(track_name("video"), {0, 0}, {0, most}, {});
  l.pump();
  CHECK(l.client_says.objects[right].size() == 1);
  CHECK_FALSE(l.client->closed());
  CHECK(l.client->open_requests() == 1);
}

TEST_CASE("moqt-16: a fetch joins only a subscription from the largest object on, since peers close the session for others") {
  using filter = moq::subscription_filter::kind;
  link16 l;
  l.start();
  auto& t = l.serve("video");
  auto& other = l.serve("sound");
  l.put(t, test_object(0, 0));
  l.put(other, test_object(0, 0));
  const auto plain = l.client->subscribe(track_name("video"), {});
  const auto largest = l.client->subscribe(track_name("sound"), {.filter = {.type = filter::largest_object, .start = {}, .end_group = 0}});
  l.pump();
  const auto no = l.client->joining_fetch_relative(plain, 0, {});
  const auto yes = l.client->joining_fetch_relative(largest, 0, {});
  l.pump();
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.has("error " + std::to_string(no) + " 50"));
  CHECK(l.client_says.last_reason.find("largest object") != std::string::npos);
  CHECK(l.client_says.has("fetch-end " + std::to_string(yes)));
  // A filter that was changed counts as it is now.
  l.client->update(largest, {.filter = moq::subscription_filter{.type = filter::absolute_start, .start = {3, 0}, .end_group = 0}});
  l.pump();
  const auto late = l.client->joining_fetch_relative(largest, 0, {});
  l.pump();
  l.wait(std::chrono::milliseconds(1));
  CHECK(l.client_says.has("error " + std::to_string(late) + " 50"));
  CHECK_FALSE(l.client->closed());
}

TEST_CASE("moqt-16: what a peer makes the control stream's multiplexer hold is bounded") {
  constexpr size_t per_attacker = base::limits::moq_accepted_held_bytes_max; // as of every other session
  bare16 p;
  size_t most = 0;
  const auto look = [&] {
    const auto m = p.s->memory();
    most = std::max(most, m.total() - m.largest);
    p.end.written.clear();
    p.end.queue.clear();
    p.says.log.clear();
  };
  const auto feed = [&](uint64_t stream, std::vector<uint8_t> bytes) {
    p.s->on_stream_data(stream, base::bytes::adopt(std::move(bytes)), false, p.now);
    look();
  };
  // Streams that begin with a message and never end it.
  for (uint64_t i = 1; i < base::limits::quic_peer_streams_bidi_max; ++i) {
    std::vector<uint8_t> part{0x11, 0xff, 0xff};
    part.resize(50'000, 0x01);
    feed(4 * i, std::move(part));
  }
  CHECK(p.s->counters().streams_too_much > 200);
  CHECK(most <= per_attacker);
  // Unidirectional streams of which not even the head is whole.
  for (uint64_t i = 0; i < base::limits::quic_peer_streams_uni_max; ++i) feed(4 * i + 2, {0xc0, 0, 0, 0, 0, 0, 0});
  CHECK(most <= per_attacker);
  // As many requests as there are ids for, with long names; the last ids are granted anew as requests end.
  const std::string name(3'000, 'n');
  for (uint64_t id = 0; id < 2'000 && !p.closed(); id += 2) {
    base::byte_writer body;
    body.quic_varint(id);
    body.quic_varint(1);
    body.quic_varint(name.size());
    body.raw(base::as_span(name));
    body.quic_varint(0);
    base::byte_writer out;
    out.quic_varint(0x06);
    out.u16(static_cast<uint16_t>(body.span().size()));
    out.raw(body.span());
    feed(0, out.take());
  }
  CHECK(most <= per_attacker);
  CHECK(p.s->open_requests() <= base::limits::moq_requests_max);
  // A message on the control stream that comes byte by byte.
  bare16 fresh;
  const auto before = fresh.s->memory().total();
  fresh.s->on_stream_data(0, base::bytes::adopt({0x03, 0xff, 0xff}), false, fresh.now);
  for (int i = 0; i < 60'000; ++i) fresh.s->on_stream_data(0, base::bytes::adopt({0x7f}), false, fresh.now);
  const auto grown = fresh.s->memory().total() - before;
  CHECK(grown >= 60'000); // it is counted
  CHECK(grown <= base::limits::moq_control_message_bytes_max + 3);
  look();
  CHECK(most <= per_attacker);
}
