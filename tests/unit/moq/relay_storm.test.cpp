// A relay whose publishers and subscribers come, go and break off within large objects, at random.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;

namespace {

/// Publishers of one track that come, go, and break off anywhere, with subscribers at two relays who come and go as well.
struct storm {
  struct walker {
    relay_joint* joint;
    moq::track* track;
    uint64_t group, id = 0;
    size_t at = 0; ///< bytes of the object under way
  };
  struct listener {
    relay_joint* joint;
    moq::request_id id;
  };
  std::mt19937 random; // the same everywhere, unlike the distributions
  uint32_t seed;
  relay_net net;
  relay_node& above;
  relay_node& below;
  std::vector<walker> walkers;
  std::vector<listener> listeners;
  uint64_t newest = 1, objects = 0, parts = 0;

  storm(uint32_t with, const std::string& protocol) : random(with), seed(with), net{.protocol = protocol}, above(net.add_relay()), below(net.add_relay()) { net.chain(below, above); }

  uint32_t any(uint32_t below_this) { return random() % below_this; }
  moq::object truth(uint64_t group, uint64_t id) const {
    constexpr size_t sizes[] = {10, 5'000, 33'000, 60'000, 120'000};
    return large_object(group, id, sizes[(group * 7 + id * 3 + seed) % 5]);
  }
  void add_walker() {
    auto& j = net.add_publisher(above, "p");
    moq::track_config c;
    c.properties = {{.type = 0x08, .number = 1000, .value = {}}}; // times of its own: all publishers say the same
    walkers.push_back({&j, &j.publish("t", net.now, c), newest + 1});
  }
  void add_listener() {
    auto& j = net.join(any(2) ? above : below, "s");
    listeners.push_back({&j, j.near->subscribe(track_name("t"), {})});
  }
  void next_group(walker& w) {
    ++w.group;
    w.id = w.at = 0;
    newest = std::max(newest, w.group);
  }
  void advance(walker& w) {
    const auto o = truth(w.group, w.id);
    const size_t more = 1 + any(50'000);
    if (w.at + more < o.payload.size()) {
      w.at += more;
      moq::object_part p{.begun = o, .payload_bytes = o.payload.size()};
      p.begun.payload = o.payload.slice(0, w.at);
      REQUIRE(w.joint->tracks.append_part(*w.track, p, net.now));
      return;
    }
    REQUIRE(w.joint->tracks.append(*w.track, o, net.now));
    w.at = 0;
    if (++w.id < 4) return;
    w.joint->tracks.end_group(*w.track, w.group, net.now);
    next_group(w);
  }
  void break_off(walker& w) {
    w.joint->tracks.reset_group(*w.track, w.group, moq::reset_code::internal_error, net.now);
    next_group(w);
  }
  void step() {
    const auto what = any(100);
    if (walkers.empty() || (what < 4 && walkers.size() < 3)) add_walker();
    else if (listeners.empty() || (what < 8 && listeners.size() < 4)) add_listener();
    else if (what < 10) {
      const auto at = any(static_cast<uint32_t>(walkers.size()));
      net.cut(*walkers[at].joint);
      walkers.erase(walkers.begin() + at);
    } else if (what < 12) {
      const auto at = any(static_cast<uint32_t>(listeners.size()));
      net.cut(*listeners[at].joint);
      listeners.erase(listeners.begin() + at);
    } else if (what < 15) {
      break_off(walkers[any(static_cast<uint32_t>(walkers.size()))]);
    } else {
      // Who is furthest behind goes on first, mostly: all give the same at about the same time.
      auto& w = any(3) ? *std::ranges::min_element(walkers, {}, [](const walker& one) { return std::tuple(one.group, one.id, one.at); }) : walkers[any(static_cast<uint32_t>(walkers.size()))];
      advance(w);
    }
    net.pump();
    if (any(3) == 0) net.wait(std::chrono::milliseconds(any(30)));
  }
  void check() {
    for (auto& j : net.joints) {
      CHECK_FALSE(j.near_end.closed);
      CHECK_FALSE(j.far_end.closed);
      for (const auto& [id, all] : j.says.objects) {
        std::set<moq::location> once;
        for (const auto& o : all) {
          CHECK(o.payload == truth(o.group, o.id).payload);
          CHECK(once.insert(o.at()).second);
          ++objects;
        }
      }
      for (const auto& [id, all] : j.says.parts) {
        for (const auto& p : all) {
          const auto whole = truth(p.begun.group, p.begun.id);
          CHECK(p.payload_bytes == whole.payload.size());
          CHECK(p.begun.payload == whole.payload.slice(0, p.begun.payload.size()));
          ++parts;
        }
      }
    }
  }
  /// Everybody leaves: nothing is left under way.
  void end() {
    for (auto& w : walkers) net.cut(*w.joint);
    for (const auto* node : {&above, &below}) {
      for (const auto* t : const_cast<relay_node*>(node)->store.under({})) {
        for (const auto& [id, g] : t->groups()) CHECK(g.part() == nullptr);
      }
    }
    CHECK(above.relay.counters().objects_conflict + below.relay.counters().objects_conflict == 0);
  }
};

} // namespace

TEST_CASE("whatever publishers and subscribers do within large objects, what arrives is what was published") {
  uint64_t objects = 0, parts = 0, begun = 0, cut_off = 0, rescued = 0;
  for (const auto& version : all_versions) {
    for (uint32_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(version);
      CAPTURE(seed);
      storm s(seed, version);
      for (int i = 0; i < 150; ++i) s.step();
      s.check();
      s.end();
      objects += s.objects;
      parts += s.parts;
      begun += s.above.relay.counters().objects_begun;
      cut_off += s.above.relay.objects_cut_off();
      rescued += s.above.relay.counters().subgroups_rescued;
    }
  }
  MESSAGE(objects << " objects, " << parts << " parts, " << begun << " begun, " << cut_off << " cut off, " << rescued << " rescued");
  CHECK(begun > 0);
  CHECK(cut_off > 0);
  CHECK(rescued > 0);
}
