#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "moq/relay.hpp"
#include "tests/support/moq_link.hpp"

/// Relays with their peers, all sessions joined in memory: virtual time, nothing moves but by `pump`.
namespace ec::test {

/// Of each family, and of each draft with codecs of its own.
inline const std::vector<std::string> all_versions{"", "moqt-16", "moq-lite-05"};

inline constexpr size_t large_bytes = 100'000;
/// An object whose bytes follow from its place; `salt`: but for one.
inline moq::object large_object(uint64_t group, uint64_t id, size_t size = large_bytes, uint8_t salt = 0) {
  auto o = test_object(group, id);
  static const std::vector<uint8_t> noise = [] {
    std::vector<uint8_t> out((1u << 20) + 4096);
    uint32_t v = 1;
    for (auto& one : out) one = static_cast<uint8_t>((v = v * 1664525 + 1013904223) >> 24);
    return out;
  }();
  const auto from = noise.begin() + static_cast<ptrdiff_t>((group * 31 + id * 7) % 4096);
  std::vector<uint8_t> bytes(from, from + static_cast<ptrdiff_t>(std::min<size_t>(size, 1u << 20)));
  bytes.resize(size);
  if (size > 0) bytes[size / 4] ^= salt;
  o.payload = base::bytes::adopt(std::move(bytes));
  return o;
}

struct relay_log final : moq::relay_watcher {
  std::vector<std::string> log;
  std::vector<moq::relay_conflict> conflicts;
  void on_offer(std::string_view peer, const moq::track_namespace& ns, bool active) override {
    log.push_back((active ? "offer " : "withdrawn ") + std::string(peer) + " " + moq::to_string(ns));
  }
  void on_track_up(const moq::full_track_name& name, std::string_view peer) override { log.push_back("up " + name.name + " " + std::string(peer)); }
  void on_track_lost(const moq::full_track_name& name, std::string_view) override { log.push_back("lost " + name.name); }
  void on_track_resumed(const moq::full_track_name& name, std::string_view peer) override { log.push_back("resumed " + name.name + " " + std::string(peer)); }
  void on_track_down(const moq::full_track_name& name, std::string_view) override { log.push_back("down " + name.name); }
  void on_conflict(const moq::relay_conflict& c) override { conflicts.push_back(c); }
  void on_false(const moq::full_track_name& name, std::string_view peer, std::string_view why) override {
    log.push_back("false " + name.name + " " + std::string(peer) + " " + std::string(why));
  }
  void on_publisher_ended(const moq::full_track_name& name, std::string_view peer, std::string_view why) override {
    log.push_back("ended " + name.name + " " + std::string(peer) + " " + std::string(why));
  }
  bool has(std::string_view line) const {
    return std::ranges::find(log, line) != log.end();
  }
};

/// A node's tracks and its relay.
struct relay_node {
  moq::track_store store;
  relay_log says;
  moq::relay relay;
  explicit relay_node(moq::relay_config config = {}) : relay(config, store, says) {}
};

/// A session with a relay: this side of it is a publisher, a subscriber, or a relay that uses the other.
struct relay_joint {
  moq_end near_end, far_end;
  moq_recorder says; ///< near, unless it is a relay
  moq::track_store tracks;
  std::unique_ptr<moq::relay_peer> near_peer, far_peer;
  std::unique_ptr<moq::session> near, far;
  bool cut = false;

  moq::track& publish(std::string name, base::mono_time now, moq::track_config config = {}) {
    return *tracks.add(track_name(std::move(name)), std::move(config), now).value();
  }
  uint64_t asked() const { return near->counters().subscriptions_in; }
};

struct relay_net {
  base::mono_time now{std::chrono::hours(1)};
  std::list<relay_node> nodes;
  std::list<relay_joint> joints;
  bool tells_parts = true;
  std::string protocol; ///< of the sessions that are made from now on; empty: moqt-18

  relay_node& add_relay(moq::relay_config config = {}) { return nodes.emplace_back(config); }

  relay_joint& join(relay_node& to, std::string name) { return connect(to, std::move(name), nullptr); }
  /// `from` uses `to`.
  relay_joint& chain(relay_node& from, relay_node& to, uint32_t cost = 0) { return connect(to, "relay", &from, cost); }

  /// The connection is gone without a word.
  void cut(relay_joint& j) {
    j.cut = true;
    j.far->on_transport_closed(0, "timed out", now);
    j.near->on_transport_closed(0, "timed out", now);
    pump();
  }
  void pump() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& j : joints) {
        if (j.cut) continue;
        moved |= carry(j.near_end, *j.far, now);
        moved |= carry(j.far_end, *j.near, now);
      }
    }
  }
  void wait(std::chrono::milliseconds d) {
    for (const auto until = now + d; now < until;) {
      now = std::min(until, now + std::chrono::milliseconds(100));
      for (auto& n : nodes) {
        if (const auto due = n.relay.deadline(); due && *due <= now) n.relay.on_tick(now);
      }
      for (auto& j : joints) {
        if (j.cut) continue;
        for (auto* s : {j.near.get(), j.far.get()}) {
          if (const auto due = s->deadline(); due && *due <= now) s->on_tick(now);
        }
      }
      pump();
    }
  }
  /// A publisher of the namespace that `track_name` gives.
  relay_joint& add_publisher(relay_node& to, std::string name) {
    auto& j = join(to, std::move(name));
    j.near->publish_namespace(track_name("").ns);
    pump();
    return j;
  }
  void put(relay_joint& j, moq::track& t, moq::object o) { j.tracks.append(t, std::move(o), now).value(); }
  /// The same, and what follows from it.
  void put(relay_joint& j, moq::track& t, uint64_t group, uint64_t id) {
    put(j, t, test_object(group, id));
    pump();
  }
  void end(relay_joint& j, moq::track& t, uint64_t group) {
    j.tracks.end_group(t, group, now);
    pump();
  }

  ~relay_net() {
    for (auto& j : joints) { // sessions go before the relays that hear them
      j.near.reset();
      j.far.reset();
      j.near_peer.reset();
      j.far_peer.reset();
    }
  }

  /// Of a relay, by its number.
  uint64_t origin_of(const relay_node& node) const {
    uint64_t id = 1000;
    for (const auto& n : nodes) {
      if (&n == &node) break;
      ++id;
    }
    return id;
  }

private:
  relay_joint& connect(relay_node& to, std::string name, relay_node* from, uint32_t cost = 0) {
    auto& j = joints.emplace_back();
    moq::session_config near, far;
    near.protocol = far.protocol = protocol;
    near.origin_id = from ? origin_of(*from) : joints.size();
    far.origin_id = origin_of(to);
    far.role = moq::session_role::server;
    far.takes_publish = true;
    near.tells_parts = far.tells_parts = tells_parts;
    j.far_end.server = true;
    j.far_peer = std::make_unique<moq::relay_peer>(to.relay, std::move(name), false);
    j.far = std::make_unique<moq::session>(far, j.far_end, *j.far_peer, &to.store);
    j.far_peer->bind(*j.far);
    if (from) {
      j.near_peer = std::make_unique<moq::relay_peer>(from->relay, "upstream", true, cost);
      j.near = std::make_unique<moq::session>(near, j.near_end, *j.near_peer, &from->store);
      j.near_peer->bind(*j.near);
    } else {
      j.near = std::make_unique<moq::session>(near, j.near_end, j.says, &j.tracks);
    }
    j.near->on_connected(now);
    j.far->on_connected(now);
    pump();
    j.says.log.clear();
    return j;
  }
};

} // namespace ec::test
