#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "actors/topology/topology.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "hls/verify.hpp"
#include "tests/support/broadcast.hpp"
#include "tests/support/reports.hpp"
#include "tests/support/temp_dir.hpp"
#include "tuner/simulator.hpp"

/// Whole topologies in one process: a simulated tuner, nodes on loopback, and what they report.
namespace ec::test {

/// Many times real time: a chunk of two seconds comes six times a second.
constexpr double broadcast_speed = 12;

class topology_config final : public caf::actor_system_config {
public:
  topology_config() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", size_t{2});
    set("logger.verbosity", caf::atom("quiet"));
  }
};

/// One topology that runs, as a process would run it, and its reports.
class running_node {
public:
  running_node(caf::actor_system& sys, std::function<base::result<actors::running_topology>(actors::observer_actor)> wire) :
    sys_(sys), log_(std::make_shared<report_log>()), observer_(sys.spawn<recorder, caf::hidden>(log_)) {
    auto made = wire(observer_);
    REQUIRE_MESSAGE(made.has_value(), made.error().message());
    topology_ = std::move(made).value();
    conductor_ = actors::spawn_conductor(sys_, topology_);
    topology_.loops.clear();
  }
  running_node(const running_node&) = delete;
  running_node& operator=(const running_node&) = delete;
  ~running_node() {
    stop();
    ended();
    caf::anon_send_exit(observer_, caf::exit_reason::user_shutdown);
  }

  const report_log& log() const { return *log_; }
  const std::string& address() const { return topology_.address; }
  const std::string& signer() const { return topology_.signer; }
  const std::string& stream_id() const { return topology_.stream_id; }
  const actors::running_topology& topology() const { return topology_; }

  /// Asks for an orderly end, as SIGTERM does.
  void stop() { caf::anon_send(conductor_, actors::stop_atom::value); }

  /// True as soon as every actor of the topology has ended; false after `patience`.
  bool ended() {
    if (ended_) return true;
    caf::scoped_actor self{sys_, true};
    self->monitor(conductor_);
    self->receive([this](const caf::down_msg&) { ended_ = true; }, caf::after(patience) >> [] {});
    if (ended_) topology_.stages.clear();
    return ended_;
  }

private:
  caf::actor_system& sys_;
  std::shared_ptr<report_log> log_;
  actors::observer_actor observer_;
  actors::running_topology topology_;
  actors::conductor_actor conductor_;
  bool ended_ = false;
};

/// A tuner, a folder, and the settings of nodes that read it.
class topology_bench {
public:
  explicit topology_bench(double speed = broadcast_speed) : sys(config_) {
    REQUIRE(crypto::signing_key::generate().save(dir / "leader.key").has_value());
    tuner::simulator_config device;
    device.listen = "127.0.0.1:0";
    device.speed = speed;
    tuner::simulated_channel channel;
    channel.name = "KECT-DT";
    channel.transport_stream_id = media::test_broadcast_config().transport_stream_id;
    channel.program_number = media::test_broadcast_config().program_number;
    const auto made = small_broadcast();
    const auto rate = made->bit_rate();
    channel.broadcast = tuner::constant_rate([made] { return made->next(); }, rate);
    device.channels.push_back(std::move(channel));
    auto started = tuner::simulator::start(std::move(device));
    REQUIRE_MESSAGE(started.has_value(), started.error().message());
    tuner_ = std::move(started).value();
  }

  tuner::simulator& tuner() { return *tuner_; }

  /// A leader or relay of the simulated channel, on a free port of loopback.
  actors::publish_config publish(const std::string& name) const {
    actors::publish_config c;
    c.input = "http://" + tuner_->address() + "/auto/v5.1";
    c.stream_id = "ec/stream/v1/source/kind-hdhomerun/device-test/channel-5.1/profile-ts-v1/variant-main";
    c.listen = "127.0.0.1:0";
    c.key = dir / "leader.key";
    c.state_dir = dir / (name + "-state");
    return c;
  }

  /// `seconds` of the broadcast in a file: a source that waits for its reader.
  std::string recording(unsigned seconds) const {
    auto path = dir / "recording.ts";
    record_broadcast(path, seconds);
    return path;
  }

  actors::subscribe_config subscribe(const running_node& manifests, const running_node& objects) const {
    actors::subscribe_config c;
    c.remote = {objects.address()};
    if (&manifests != &objects) c.remote_manifests = {manifests.address()};
    c.stream_id = manifests.stream_id();
    c.require_manifest = true;
    c.trust = {manifests.signer()};
    c.state_dir = dir / "subscriber-state";
    c.hls_dir = hls();
    c.hls_mode = "event";
    c.patience = std::chrono::milliseconds(500);
    return c;
  }

  std::unique_ptr<running_node> leader(const actors::publish_config& c) {
    return std::make_unique<running_node>(sys, [&](auto observer) { return actors::leader(sys, c, observer, on); });
  }
  std::unique_ptr<running_node> relay(const actors::publish_config& c) {
    return std::make_unique<running_node>(sys, [&](auto observer) { return actors::relay(sys, c, observer, on); });
  }
  std::unique_ptr<running_node> subscriber(const actors::subscribe_config& c) {
    return std::make_unique<running_node>(sys, [&](auto observer) { return actors::subscriber(sys, c, observer); });
  }

  std::string hls() const { return dir / "hls"; }

  /// What `ec-node verify` asks of the directory.
  hls::directory_report verify() const {
    const auto report = hls::verify_directory(hls(), [](std::span<const uint8_t> bytes) { return crypto::blake3(bytes).hex(); });
    REQUIRE_MESSAGE(report.has_value(), report.error().message());
    for (const auto& f : report.value().findings) MESSAGE(f.about << ": " << f.text);
    return report.value();
  }

private:
  topology_config config_;

public:
  temp_dir dir;
  actors::machine on; ///< of leaders and relays
  caf::actor_system sys;

private:
  std::unique_ptr<tuner::simulator> tuner_;
};

} // namespace ec::test
