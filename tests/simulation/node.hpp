#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/endpoint_core.hpp"
#include "actors/subscriber_verifier.hpp"
#include "actors/topology/topology.hpp"
#include "tests/e2e/attacks/mischief.hpp"
#include "tests/simulation/broadcast.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/world.hpp"

namespace ec::simulation {

inline const std::string stream_id = "ec/stream/v1/source/kind-hdhomerun/device-simulated/channel-5.1/profile-ts-v1/variant-main";
inline const std::string hls_folder = "/hls";
inline const std::string state_folder = "/state";
inline const std::string evidence_folder = "/evidence";

/// The keys of every run, the same each time; made once for a process.
struct key_ring {
  key_ring();
  std::filesystem::path signing_key; ///< the leader's
  std::filesystem::path chain, tls_key;
  crypto::verifying_key signer;
  static const key_ring& of_process();
};

enum class role { leader, relay, moq_relay, subscriber, liar };

/// What a node runs. Its fields are read at each start.
struct node_config {
  role what = role::relay;
  host_id host = 1;
  actors::publish_config publish;     ///< leader, relay
  actors::subscribe_config subscribe; ///< subscriber
  actors::relay_node_config mesh;     ///< moq_relay
  attack::wrong lie = attack::wrong::flipped_bytes; ///< liar
  bool rewinds = false;               ///< its tuner may give the seconds before a start once more
};

/// Told what a node does, as it happens. It must not call the node from here.
class node_watch {
public:
  virtual ~node_watch() = default;
  virtual void on_report(host_id host, const actors::report& r) = 0;
  /// A track changed that the node publishes.
  virtual void on_published(host_id host, const moq::track& t, const moq::object& o) = 0;
  virtual void on_group_ended(host_id host, const moq::track& t, uint64_t group, bool reset) = 0;
  virtual void on_placed(host_id host, const std::string& path, const std::vector<uint8_t>& content) = 0;
  virtual void on_crashed(host_id host, crash how) = 0;
};

/// One machine with one process, and whoever starts that process again when it has ended.
class node {
public:
  node(world& in, network& net, broadcast& station, node_config config, node_watch& watch);
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  void start();
  /// Its process is asked to end, as by SIGTERM; the machine stays.
  void stop();
  /// Goes down at once, wherever it is.
  void crash(enum crash how);
  /// The process that went down is cleared away (between two messages).
  void bury();

  bool up() const { return up_; }
  host_id host() const { return config_.host; }
  role what() const { return config_.what; }
  const node_config& config() const { return config_; }
  std::string address() const { return "moqt://" + network::address_of(config_.host).to_string(); }

  sim_disk disk;
  reception tuner;
  std::chrono::milliseconds wall_off{0}; ///< its wall clock is wrong by so much
  uint64_t crashes = 0;
  // Broken on purpose (mutation).
  bool hoards = false;         ///< its tracks keep all groups

  /// What it publishes now.
  const std::vector<const moq::track*>& tracks() const;
  /// Asks its receiver what it holds; the answer comes with the next step.
  void ask_status(std::function<void(const actors::subscriber_status&)> then);

private:
  class tap;
  struct process;

  actors::machine machine_of(process& p);
  base::result<actors::running_topology> wire(process& p);
  base::result<actors::running_topology> wire_liar(process& p, const actors::machine& on);
  void lie(const std::shared_ptr<process>& of);

  world& world_;
  network& net_;
  broadcast& station_;
  node_config config_;
  node_watch& watch_;
  bool up_ = false;
  std::shared_ptr<process> process_;
  std::vector<std::shared_ptr<process>> dying_;
  std::vector<std::unique_ptr<tap>> taps_;
  bool bury_ = false;
};

} // namespace ec::simulation
