#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <cstdio>

namespace ec::simulation {
namespace {

using namespace std::chrono_literals;

constexpr host_id leader_host = 1, liar_host = 90, first_relay = 10, first_subscriber = 50;
constexpr auto quiet_end = 45s; // nothing new goes wrong: what was promised must come
constexpr auto look_every = 500ms;

/// Lies that need no trusted key. What a trusted key may say falsely is the attack suite's.
constexpr attack::wrong lies[] = {attack::wrong::flipped_bytes, attack::wrong::false_reading, attack::wrong::swapped_groups,
  attack::wrong::replayed_old_chunks, attack::wrong::truncated, attack::wrong::oversized, attack::wrong::endless_objects,
  attack::wrong::other_stream, attack::wrong::head_payload_disagree, attack::wrong::merkle_length, attack::wrong::merkle_position,
  attack::wrong::forged_manifest, attack::wrong::untrusted_key, attack::wrong::tiny_manifests, attack::wrong::json_depth,
  attack::wrong::json_numbers};

class theatre {
public:
  explicit theatre(const scenario& s) :
    scenario_(s), world_(s.seed), net_(world_), station_(world_, {}),
    watch_(world_, net_, station_, {}) {}
  /// Nodes go before what they stand on.
  ~theatre() {
    world_.between_messages({});
    nodes_.clear();
  }

  outcome play();

private:
  random& rng() { return world_.rng(); }
  node& add(node_config c);
  void build();
  void plan_ways();
  void plan_faults();
  void plan_one(base::mono_duration when, base::mono_duration length);
  void crash_and_restart(node& n, crash how, base::mono_duration down);
  void note(base::mono_duration when, const std::string& text);

  scenario scenario_;
  world world_;
  network net_;
  broadcast station_;
  invariants watch_;
  std::vector<std::unique_ptr<node>> nodes_;
  std::vector<std::string> story_;
};

node& theatre::add(node_config c) {
  auto& made = *nodes_.emplace_back(std::make_unique<node>(world_, net_, station_, std::move(c), watch_));
  watch_.add(made);
  return made;
}

void theatre::build() {
  const auto& keys = key_ring::of_process();
  actors::publish_config publish;
  publish.input = "hdhomerun://simulated/v5.1";
  publish.stream_id = stream_id;
  publish.key = keys.signing_key;
  publish.state_dir = state_folder;
  publish.tls_cert = keys.chain;
  publish.tls_key = keys.tls_key;
  constexpr uint32_t epochs[] = {1, 1, 2, 4};
  if (scenario_.faults) publish.epoch_chunks = epochs[rng().below(4)];
  const auto publisher = [&](role what, host_id host) -> node& {
    node_config c{.what = what, .host = host, .publish = publish, .subscribe = {}};
    c.publish.listen = network::address_of(host).to_string();
    c.rewinds = scenario_.faults;
    return add(std::move(c));
  };
  auto& leader = publisher(role::leader, leader_host);
  std::vector<std::string> sources;
  for (unsigned i = 0; i < scenario_.relays; ++i) sources.push_back(publisher(role::relay, first_relay + i).address());
  const bool lied_to = scenario_.faults && rng().chance(400);
  std::string liar;
  if (lied_to) {
    node_config c{.what = role::liar, .host = liar_host, .publish = {}, .subscribe = {}};
    c.lie = lies[rng().below(std::size(lies))];
    story_.push_back("a liar: " + std::string(attack::names()[static_cast<size_t>(c.lie)]));
    liar = add(std::move(c)).address();
  }
  for (unsigned i = 0; i < scenario_.subscribers; ++i) {
    actors::subscribe_config c;
    c.remote = sources;
    if (scenario_.faults) {
      if (rng().chance(500)) c.remote.push_back(leader.address());
      std::rotate(c.remote.begin(), c.remote.begin() + static_cast<ptrdiff_t>(rng().below(c.remote.size())), c.remote.end());
      if (lied_to) c.remote.insert(c.remote.begin() + static_cast<ptrdiff_t>(rng().below(c.remote.size() + 1)), liar);
    }
    c.remote_manifests = {leader.address()};
    if (lied_to && rng().chance(500)) c.remote_manifests.push_back(liar);
    c.stream_id = stream_id;
    c.require_manifest = scenario_.broken != mutation::accepts_unlisted;
    c.trust = {keys.signer.to_string()};
    c.hls_dir = hls_folder;
    c.evidence_dir = evidence_folder;
    if (!scenario_.moq_version.empty()) c.moq_version = {scenario_.moq_version};
    c.hls_mode = scenario_.faults && rng().chance(500) ? "event" : "window";
    add({.what = role::subscriber, .host = first_subscriber + i, .publish = {}, .subscribe = std::move(c)});
  }
}

void theatre::plan_ways() {
  for (const auto& a : nodes_)
    for (const auto& b : nodes_) {
      auto& way = net_.between(a->host(), b->host());
      if (!scenario_.faults) continue;
      way.delay = std::chrono::milliseconds(rng().between(1, 80));
      way.jitter = std::chrono::milliseconds(rng().below(50));
      way.lost_per_mille = static_cast<unsigned>(rng().chance(500) ? rng().below(50) : 0);
      way.twice_per_mille = static_cast<unsigned>(rng().below(20));
    }
}

void theatre::note(base::mono_duration when, const std::string& text) {
  char line[200];
  std::snprintf(line, sizeof line, "%.1f s: %s", std::chrono::duration<double>(when).count(), text.c_str());
  story_.emplace_back(line);
}

void theatre::crash_and_restart(node& n, crash how, base::mono_duration down) {
  n.crash(how);
  world_.after(down, [&n] { n.start(); });
}

/// One fault that begins at `when` and is over after `length`.
void theatre::plan_one(base::mono_duration when, base::mono_duration length) {
  if (rng().chance(400)) length = std::min<base::mono_duration>(length, std::chrono::milliseconds(rng().between(200, 4000)));
  const auto start = world_.now() + when;
  const auto end = start + length;
  // The leader is where most can go wrong.
  auto& victim = *nodes_[rng().chance(250) ? 0 : rng().below(nodes_.size())];
  const auto name = "host " + std::to_string(victim.host());
  const auto seconds = " for " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(length).count()) + " ms";
  const auto cut = [this](host_id a, host_id b, bool both, bool is) {
    net_.between(a, b).cut = is;
    if (both) net_.between(b, a).cut = is;
  };
  switch (rng().below(10)) {
  case 0:
  case 1: {
    const auto how = rng().chance(500) ? crash::kill : crash::power_cut;
    note(when, name + (how == crash::kill ? " is killed" : " loses power") + seconds);
    world_.at(start, [this, &victim, how, length] { crash_and_restart(victim, how, length); });
    break;
  }
  case 2: {
    const auto call = rng().between(1, 60);
    note(when, name + " goes down within its disk call " + std::to_string(call) + " from then on");
    world_.at(start, [&victim, call] { victim.disk.crash_at_call = call; });
    world_.at(end + 2s, [this, &victim] {
      victim.disk.crash_at_call.reset();
      if (!victim.up()) world_.after({}, [&victim] { victim.start(); });
    });
    break;
  }
  case 3: {
    auto& other = *nodes_[rng().below(nodes_.size())];
    const bool both = rng().chance(600);
    note(when, name + (both ? " and host " : " cannot send to host ") + std::to_string(other.host()) + (both ? " are parted" : "") + seconds);
    world_.at(start, [=, a = victim.host(), b = other.host()] { cut(a, b, both, true); });
    world_.at(end, [=, a = victim.host(), b = other.host()] { cut(a, b, both, false); });
    break;
  }
  case 4:
    note(when, name + " is cut off from all" + seconds);
    world_.at(start, [=, this, &victim] {
      for (auto& n : nodes_) cut(victim.host(), n->host(), true, true);
    });
    world_.at(end, [=, this, &victim] {
      for (auto& n : nodes_) cut(victim.host(), n->host(), true, false);
    });
    break;
  case 5: {
    const auto rate = static_cast<double>(rng().between(1500, 20000));
    note(when, name + " sends " + std::to_string(static_cast<unsigned>(rate)) + " bytes/s" + seconds);
    world_.at(start, [=, this, &victim] {
      for (auto& n : nodes_) net_.between(victim.host(), n->host()).bytes_per_second = rate;
    });
    world_.at(end, [=, this, &victim] {
      for (auto& n : nodes_) net_.between(victim.host(), n->host()).bytes_per_second = 0;
    });
    break;
  }
  case 6: {
    const bool full = rng().chance(500);
    note(when, name + (full ? "'s disk is full" : "'s disk fails") + seconds);
    world_.at(start, [=, &victim] { (full ? victim.disk.full : victim.disk.failing) = true; });
    world_.at(end, [=, &victim] { (full ? victim.disk.full : victim.disk.failing) = false; });
    break;
  }
  case 7: {
    const auto count = static_cast<unsigned>(rng().between(1, 4));
    note(when, name + "'s disk fails " + std::to_string(count) + " syncs");
    world_.at(start, [=, &victim] { victim.disk.sync_fails = count; });
    world_.at(end, [=, &victim] { victim.disk.sync_fails = 0; });
    break;
  }
  case 8: {
    const bool down = rng().chance(300);
    const auto lost = static_cast<unsigned>(rng().between(20, 300));
    note(when, name + (down ? "'s tuner is down" : "'s tuner loses packets") + seconds);
    world_.at(start, [=, &victim] {
      if (down) victim.tuner.down = true;
      else victim.tuner.lost_per_mille = lost;
    });
    world_.at(end, [&victim] { victim.tuner = {}; });
    break;
  }
  default: {
    const auto off = std::chrono::milliseconds(static_cast<int64_t>(rng().below(7'200'000)) - 3'600'000);
    note(when, name + "'s wall clock is off by " + std::to_string(off.count()) + " ms" + seconds);
    world_.at(start, [=, &victim] { victim.wall_off = off; });
    world_.at(end, [&victim] { victim.wall_off = {}; });
    break;
  }
  }
}

void theatre::plan_faults() {
  const auto last = scenario_.length - quiet_end;
  const auto count = rng().between(1, 6);
  for (uint64_t i = 0; i < count; ++i) {
    const auto when = base::mono_duration(static_cast<int64_t>(rng().below(static_cast<uint64_t>(base::mono_duration(last - 1s).count()))));
    const auto longest = std::min<base::mono_duration>(base::mono_duration(last) - when, 40s);
    const auto length = base::mono_duration(1s) + base::mono_duration(static_cast<int64_t>(rng().below(static_cast<uint64_t>(longest.count()))));
    plan_one(when, length);
  }
}

outcome theatre::play() {
  build();
  plan_ways();
  if (scenario_.faults) plan_faults();
  net_.forgets = scenario_.broken == mutation::lossy_streams;
  for (auto& n : nodes_) {
    n->disk.lies = scenario_.broken == mutation::state_not_written;
    n->disk.tears = scenario_.broken == mutation::torn_playlist;
    n->hoards = scenario_.broken == mutation::overfull_cache;
  }
  const auto bury = [this] {
    for (auto& n : nodes_) n->bury();
  };
  world_.between_messages(bury);
  for (auto& n : nodes_) {
    const auto pause = scenario_.faults ? rng().below(3000) : 0;
    world_.after(std::chrono::milliseconds(pause), [&n] { n->start(); });
  }
  std::function<void()> look = [&] {
    watch_.check_deeply();
    world_.after(look_every, look);
  };
  if (scenario_.deep) world_.after(look_every, look);
  world_.run(scenario_.length, [&] {
    bury();
    watch_.check();
    return !watch_.failure();
  });
  if (!watch_.failure()) watch_.check_deeply();
  world_.settle();
  outcome out;
  out.of = scenario_;
  out.failure = watch_.failure();
  out.step = out.steps = world_.steps();
  out.at_seconds = std::chrono::duration<double>(world_.elapsed()).count();
  out.digest = world_.log().digest();
  out.messages = world_.messages();
  out.packets = net_.packets();
  out.counted = watch_.counted();
  out.story = std::move(story_);
  return out;
}

} // namespace

scenario scenario_of(uint64_t seed) {
  scenario s;
  s.seed = seed;
  random rng(seed ^ 0x5eed);
  s.relays = static_cast<unsigned>(rng.between(1, 3));
  s.subscribers = static_cast<unsigned>(rng.between(1, 3));
  s.length = std::chrono::seconds(rng.between(75, 120));
  return s;
}

outcome run(const scenario& s) {
  theatre t(s);
  return t.play();
}

std::string outcome::text() const {
  char head[300];
  std::snprintf(head, sizeof head, "seed %llu: %s at %.3f s, step %llu, digest %016llx", static_cast<unsigned long long>(of.seed),
    failure ? "FAILED" : "held", at_seconds, static_cast<unsigned long long>(step), static_cast<unsigned long long>(digest));
  std::string out = head;
  if (failure) out += "\n  " + *failure;
  for (const auto& line : story) out += "\n  " + line;
  return out;
}

} // namespace ec::simulation
