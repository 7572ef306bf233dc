// Hostile peers of a relay, one in each version of MoQ: what each attack makes the relay hold is measured at the heap itself, and an honest
// subscriber beside it does not notice. What QUIC and HTTP/3 hold below is in the tests of quic.
#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

#include <malloc.h>

#include "base/limits_attacker.hpp"
#include "moq/internal/moqt16.hpp"
#include "moq/lite_wire.hpp"
#include "moq/profile.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
namespace limits = base::limits;
namespace lite = moq::lite;

namespace {

constexpr const char* versions[] = {"moqt-18", "moqt-16", "moq-lite-05"};
/// Streams that a peer has open at a time, as QUIC lets it.
constexpr size_t streams_open = limits::quic_accepted_streams_uni_max;

size_t heap_bytes = 0; // of all that this program has, as the system's allocator rounds it; 0 under the sanitizers, whose allocator it is then

size_t heap() { return heap_bytes; }

/// A relay with an honest publisher and subscriber, and a peer that publishes "theirs" and then writes bytes of its own.
struct siege {
  std::string version;
  relay_net net;
  relay_node& node;
  relay_joint &publisher, &subscriber, &attacker;
  moq::track& honest;
  uint64_t unis = 100, bidis = 100, requests = 100, subscribe_ids = 100, honest_group = 0;
  size_t before = 0, cached = 0, most = 0, most_counted = 0;

  explicit siege(std::string speaks) :
    version(std::move(speaks)), node(net.add_relay()), publisher(net.add_publisher(node, "p")), subscriber(net.join(node, "s")), attacker((net.protocol = version, net.join(node, "a"))),
    honest(publisher.publish("honest", net.now)) {
    attacker.near->publish_namespace(track_name("theirs", {"ec", "theirs"}).ns);
    attacker.tracks.add(track_name("theirs", {"ec", "theirs"}), {}, net.now).value();
    net.pump();
    subscriber.near->subscribe(track_name("honest"), {});
    subscriber.near->subscribe(track_name("theirs", {"ec", "theirs"}), {});
    net.pump();
    requests = attacker.near->open_requests() * 2;
    forget();
    before = heap();
    cached = node.store.cached_bytes();
  }
  bool is_lite() const { return version == "moq-lite-05"; }
  bool is_16() const { return version == "moqt-16"; }
  moq::session& victim() { return *attacker.far; }
  bool closed() const { return attacker.far_end.closed.has_value(); }

  /// What the test itself keeps of what was said.
  void forget() {
    for (auto* j : {&publisher, &subscriber, &attacker}) {
      j->says = {};
      for (auto* end : {&j->near_end, &j->far_end}) {
        end->queue = {};
        end->written = {};
        end->payload_writes = {};
        end->priorities = {};
        end->resets = {};
        end->stops = {};
      }
    }
    node.says.log = {};
  }
  void look() {
    if (const auto due = node.relay.deadline(); due && *due <= net.now) node.relay.on_tick(net.now);
    if (const auto due = victim().deadline(); !closed() && due && *due <= net.now) victim().on_tick(net.now);
    forget();
    const auto held = heap() + cached, without = before + node.store.cached_bytes();
    most = std::max(most, held > without ? held - without : 0);
    const auto m = victim().memory();
    most_counted = std::max(most_counted, m.total() - m.largest);
  }
  void feed(uint64_t stream, std::vector<uint8_t> bytes, bool fin = false) {
    if (closed()) return;
    victim().on_stream_data(stream, base::bytes::adopt(std::move(bytes)), fin, net.now);
  }

  // Bytes of the version.
  std::vector<uint8_t> subscribe(const moq::full_track_name& name, uint64_t id) {
    base::byte_writer out;
    if (is_lite()) {
      lite::put_type(out, lite::bidi_type::subscribe);
      lite::subscribe m;
      m.id = id;
      m.broadcast = lite::to_path(name.ns).value();
      m.track = name.name;
      lite::encode(out, m);
      return out.take();
    }
    moq::subscribe m;
    m.id = id;
    m.track = name;
    if (!is_16()) {
      m.params.rendezvous_timeout_ms = 60'000;
      return moq::moqt18().encode_control(m);
    }
    return moq::moqt16_wire::encode_control({.is = moq::moqt16_wire::type::subscribe, .id = id, .body = m, .number = 0});
  }
  /// Sends a request; its stream, where it has one of its own.
  uint64_t ask(const moq::full_track_name& name) {
    if (is_16()) {
      feed(0, subscribe(name, std::exchange(requests, requests + 2)));
      return 0;
    }
    const uint64_t stream = next_bidi();
    feed(stream, subscribe(name, is_lite() ? subscribe_ids++ : std::exchange(requests, requests + 2)));
    return stream;
  }
  /// A new stream; one that was opened long before is reset: no more may be open.
  uint64_t next_bidi() {
    const uint64_t stream = 4 * bidis++;
    if (bidis > 100 + 250 && !closed()) victim().on_stream_reset(stream - 4 * 250, 0, net.now);
    return stream;
  }
  void offer(uint64_t number, size_t bytes) {
    const moq::track_namespace ns{{"attack", std::to_string(number), std::string(bytes, 'n')}};
    if (is_lite()) {
      base::byte_writer out;
      lite::announce m;
      m.active = true;
      m.suffix = lite::to_path(ns).value();
      m.hops = {77};
      lite::encode(out, m, lite::version::v05);
      return feed(1, out.take()); // the relay's own question
    }
    moq::publish_namespace m;
    m.id = std::exchange(requests, requests + 2);
    m.ns = ns;
    if (is_16()) return feed(0, moq::moqt16_wire::encode_control({.is = moq::moqt16_wire::type::publish_namespace, .id = m.id, .body = m, .number = 0}));
    m.params.hops = moq::hop_path{77};
    feed(next_bidi(), moq::moqt18().encode_control(m));
  }
  const moq::object_codec& objects() const { return is_16() ? moq::moqt16_objects() : static_cast<const moq::object_codec&>(moq::moqt18()); }
  /// A group of "theirs" whose first object has `whole` bytes, of which `came` have come.
  std::vector<uint8_t> group(uint64_t number, uint64_t whole, size_t came, uint64_t subgroup = 0) {
    std::vector<uint8_t> out;
    if (is_lite()) {
      base::byte_writer w;
      lite::put_type(w, lite::uni_type::group);
      lite::encode(w, lite::group{0, number});
      lite::encode(w, lite::frame{0, whole}, lite::version::v05);
      out = w.take();
    } else {
      moq::subgroup_header h;
      h.alias = 1;
      h.group = number;
      h.subgroup = subgroup;
      out = objects().encode_subgroup_header(h);
      moq::object_header o;
      o.id = subgroup;
      o.payload_bytes = whole;
      const auto head = objects().encode_subgroup_object(o, h, {});
      out.insert(out.end(), head.begin(), head.end());
    }
    out.resize(out.size() + came, 'x');
    return out;
  }
  uint64_t next_uni() { return 4 * unis++ + 2; }
  /// The oldest of the streams is reset when no more may be open.
  void make_room(uint64_t newest) {
    if (const uint64_t oldest = newest - 4 * streams_open; newest >= 4 * (100 + streams_open) + 2 && !closed()) victim().on_stream_reset(oldest, 0, net.now);
  }

  /// The attack is over: nobody else noticed, and what was held was within its bound.
  void ends(const char* what) {
    look();
    const std::string attack = what;
    CAPTURE(attack);
    MESSAGE(version << ", " << attack << ": " << most / 1024 << " KiB of the heap, " << most_counted / 1024 << " KiB counted");
    CHECK(most <= limits::attacker_bytes_max - limits::quic_accepted_held_bytes_max);
    CHECK(most_counted <= limits::moq_accepted_held_bytes_max);
    net.put(publisher, honest, test_object(++honest_group, 0));
    publisher.tracks.end_group(honest, honest_group, net.now);
    net.pump();
    CHECK(subscriber.says.has("object 0 " + std::to_string(honest_group) + "/0"));
    CHECK_FALSE(subscriber.near_end.closed);
    CHECK_FALSE(publisher.near_end.closed);
  }
};

template <class Attack>
void in_each_version(Attack attack) {
  for (const std::string version : versions) {
    CAPTURE(version);
    siege s(version);
    attack(s);
  }
}

} // namespace

#ifndef __SANITIZE_ADDRESS__
void* operator new(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  heap_bytes += malloc_usable_size(block);
  return block;
}
void operator delete(void* block) noexcept {
  heap_bytes -= malloc_usable_size(block);
  std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
#endif

TEST_CASE("siege: the publisher that the attacks come from is heard as any other before") {
  in_each_version([](siege& s) {
    s.feed(s.next_uni(), s.group(3, 5, 5), true);
    s.net.pump();
    CHECK(s.subscriber.says.has("object 2 3/0"));
    CHECK_FALSE(s.closed());
  });
}

TEST_CASE("siege: endless streams, each with a part of an object") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 3000 && !s.closed(); ++i) {
      const auto stream = s.next_uni();
      s.make_room(stream);
      s.feed(stream, s.group(10 + i, 900'000, 4'000));
      s.look();
    }
    CHECK_FALSE(s.closed());
    CHECK(s.victim().counters().streams_too_much > 2000);
    s.ends("endless streams");
  });
}

TEST_CASE("siege: streams of one byte, as many as may be open") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < streams_open; ++i) s.feed(s.next_uni(), {0xc0});
    for (uint64_t i = 0; i < limits::quic_peer_streams_bidi_max - 4 && !s.closed(); ++i) s.feed(4 * s.bidis++, {0x40});
    s.look();
    s.ends("streams of one byte");
  });
}

TEST_CASE("siege: a control stream, and requests, that come byte by byte") {
  in_each_version([](siege& s) {
    const auto m = s.subscribe(track_name(std::string(3'900, 'n')), 200);
    if (s.is_16()) {
      for (size_t i = 0; i + 1 < m.size() && !s.closed(); ++i) s.feed(0, {m[i]});
      s.look();
      return s.ends("a slow control stream");
    }
    if (!s.is_lite()) {
      s.feed(2, {0x10, 0xff, 0xff}); // a GOAWAY of 65,535 bytes
      for (int i = 0; i < 60'000; ++i) s.feed(2, {0x7f});
      s.look();
    }
    for (size_t i = 0; i + 1 < m.size(); i += 10) {
      for (uint64_t k = 0; k < 200; ++k) s.feed(4 * (s.bidis + k), std::vector<uint8_t>(m.begin() + static_cast<ptrdiff_t>(i), m.begin() + static_cast<ptrdiff_t>(std::min(i + 10, m.size() - 1))));
      s.look();
    }
    CHECK_FALSE(s.closed());
    s.ends("a slow control stream");
  });
}

TEST_CASE("siege: lengths of gigabytes take no memory, of objects and of messages") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 100; ++i) s.feed(s.next_uni(), s.group(10 + i, uint64_t{1} << 40, 100));
    CHECK_FALSE(s.closed());
    CHECK(s.victim().counters().objects_too_large >= 100);
    s.look();
    // Of a message: SUBSCRIBE of moq-lite says its length in as much as 62 bits, the others' in 16.
    if (s.is_lite()) s.feed(4 * s.bidis++, {0x02, 0xc0, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01});
    else s.feed(s.is_16() ? 0 : 4 * s.bidis++, {0x03, 0xff, 0xff, 0x00});
    s.look();
    s.ends("oversize lengths");
  });
}

TEST_CASE("siege: a million namespaces") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 20'000 && !s.closed(); ++i) { // what follows is the same
      s.offer(i, 900);
      if (i % 100 == 0) s.net.now += 1s;
      if (!s.closed()) s.look();
    }
    // Where there is a way to say no, it is said; moq-lite has none but the session's end.
    if (s.is_lite()) CHECK(s.attacker.far_end.closed == lite::code::dropped);
    else CHECK(s.victim().counters().requests_refused_load + s.victim().counters().request_errors_out > 100);
    s.ends("a million namespaces");
  });
}

TEST_CASE("siege: floods of requests, for tracks that nobody has and for one that is there") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 20'000 && !s.closed(); ++i) {
      const auto stream = s.ask(track_name(std::string(i % 2 ? 2'000 : 10, 'n') + std::to_string(i), {"ec", i % 3 ? "nobody" : "test"}));
      if (stream > 0 && i % 300 > 250) s.victim().on_stream_reset(stream, 0, s.net.now);
      if (i % 100 == 0) s.net.now += 100ms;
      s.look();
    }
    if (s.is_16()) CHECK(s.attacker.far_end.closed.value_or(moq::moqt16_wire::too_many_requests) == moq::moqt16_wire::too_many_requests);
    else CHECK_FALSE(s.closed());
    CHECK(s.victim().counters().requests_refused_load + s.victim().counters().request_errors_out > 100);
    s.ends("request floods");
  });
}

TEST_CASE("siege: one alias, or subscribe id, for two") {
  in_each_version([](siege& s) {
    if (s.is_lite()) {
      s.net.now += 1s;
      for (int i = 0; i < 2; ++i) {
        s.subscribe_ids = 900;
        s.ask(track_name("honest"));
      }
      CHECK(s.attacker.far_end.closed == lite::code::duplicate);
    } else {
      for (uint64_t i = 0; i < 2; ++i) {
        moq::publish m;
        m.id = std::exchange(s.requests, s.requests + 2);
        m.track = track_name("twice" + std::to_string(i), {"ec", "theirs"});
        m.alias = 500;
        if (s.is_16()) s.feed(0, moq::moqt16_wire::encode_control({.is = moq::moqt16_wire::type::publish, .id = m.id, .body = m, .number = 0}));
        else s.feed(4 * s.bidis++, moq::moqt18().encode_control(m));
      }
      CHECK(s.attacker.far_end.closed == moq::session_code::duplicate_track_alias);
    }
    s.ends("duplicate aliases");
  });
}

TEST_CASE("siege: groups and subgroups without end, each whole and tiny") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 20'000 && !s.closed(); ++i) {
      s.feed(s.next_uni(), s.group(10 + i / 50, 1, 1, s.is_lite() ? 0 : i % 50), true);
      if (i % 20 == 0) s.look();
    }
    s.ends("tiny groups without end");
  });
}

TEST_CASE("siege: requests that are reset or stopped at every byte leave nothing behind") {
  in_each_version([](siege& s) {
    if (s.is_16()) return; // its requests have no streams
    const auto size = s.subscribe(track_name("honest"), 1 << 20).size();
    s.look();
    const auto before = s.victim().memory().total();
    for (size_t cut = 1; cut <= size; ++cut) {
      for (const bool stop : {false, true}) {
        CAPTURE(cut);
        s.net.now += 1s;
        auto m = s.subscribe(track_name("honest"), s.is_lite() ? s.subscribe_ids++ : s.requests);
        if (cut >= m.size()) s.requests += 2;
        m.resize(std::min(cut, m.size()));
        const uint64_t stream = 4 * s.bidis++;
        s.feed(stream, std::move(m));
        if (stop) s.victim().on_stop_sending(stream, 0, s.net.now);
        s.victim().on_stream_reset(stream, 0, s.net.now);
        s.look();
        REQUIRE_FALSE(s.closed());
        REQUIRE(s.victim().memory().total() == before);
      }
    }
    s.ends("resets in every state");
  });
}

TEST_CASE("an honest object of the largest size passes beside many in part") {
  in_each_version([](siege& s) {
    for (uint64_t i = 0; i < 50; ++i) s.feed(s.next_uni(), s.group(10 + i, 900'000, 4'000));
    const auto stream = s.next_uni();
    auto whole = s.group(1000, limits::moq_object_bytes_max, limits::moq_object_bytes_max);
    for (size_t at = 0; at < whole.size(); at += 50'000) {
      const auto end = std::min(at + 50'000, whole.size());
      s.feed(stream, std::vector<uint8_t>(whole.begin() + static_cast<ptrdiff_t>(at), whole.begin() + static_cast<ptrdiff_t>(end)), end == whole.size());
    }
    s.net.pump();
    CHECK(s.subscriber.says.has("object 2 1000/0"));
  });
}
