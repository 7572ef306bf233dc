#include "node/run_topology.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "node/command.hpp"
#include "node/signals.hpp"
#include "tuner/shared_inputs.hpp"

namespace ec::node {
namespace {

class node_config final : public caf::actor_system_config {
public:
  node_config() {
    // Measured: `sharing` hands a message on in 20 us and sleeps when idle; the default burns CPU and takes 80 us.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::max(1u, std::thread::hardware_concurrency()));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

/// Tells when an actor has ended.
class watcher final : public caf::event_based_actor {
public:
  watcher(caf::actor_config& cfg, caf::actor what, std::function<void()> ended) :
    caf::event_based_actor(cfg), what_(std::move(what)), ended_(std::move(ended)) {
    set_down_handler([this](const caf::down_msg&) {
      ended_();
      quit();
    });
  }
  caf::behavior make_behavior() override {
    monitor(what_);
    what_ = nullptr;
    return {[](start_placeholder) {}};
  }

private:
  using start_placeholder = actors::start_atom; // a behavior needs one handler; nothing sends it
  caf::actor what_;
  std::function<void()> ended_;
};

} // namespace

actors::machine this_machine() {
  actors::machine out;
  // The variable that QUIC programs share for this; a fault is looked for in a command as it stands, not in one with other options.
  if (const char* folder = std::getenv("QLOGDIR"); folder && *folder) {
    out.open_endpoint = [folder = std::string(folder)](quic::endpoint_config config, quic::acceptor* accept) -> base::result<std::unique_ptr<quic::endpoint>> {
      EC_TRY(config.notes, quic::qlog_folder(folder));
      return quic::endpoint::create(std::move(config), accept);
    };
  }
  out.open_source = [](std::string_view input, const tuner::source_options& options) { return tuner::shared_inputs::of_process().open(input, options); };
  return out;
}

int run_topology(const std::string& command, console_mode mode,
  const std::function<base::result<actors::running_topology>(caf::actor_system&, actors::observer_actor)>& wire,
  const std::function<void(const actors::running_topology&)>& started) {
  stop_signals signals; // before any thread
  const auto outcome = std::make_shared<console_outcome>();
  node_config config;
  caf::actor_system sys{config};
  auto console = spawn_console(sys, mode, outcome);
  auto topology = wire(sys, console);
  if (!topology) {
    print_error(command, topology.error().message());
    // Whatever runs already has done nothing yet that would have to be ended in order.
    const auto code = topology.error().code;
    const bool usage = code == base::errc::config || code == base::errc::invalid_argument || code == base::errc::not_found ||
                       code == base::errc::permission || code == base::errc::malformed;
    std::_Exit(usage ? exit_usage : exit_failed);
  }
  started(topology.value());
  auto conductor = actors::spawn_conductor(sys, std::move(topology).value());
  // An actor that nobody holds is gone at once.
  auto watching = sys.spawn<watcher, caf::hidden>(caf::actor_cast<caf::actor>(conductor), [&] { signals.wake(); });
  bool asked = false;
  while (signals.wait()) {
    if (asked) std::_Exit(128 + 2);
    asked = true;
    caf::anon_send(conductor, actors::stop_atom::value);
  }
  caf::anon_send_exit(console, caf::exit_reason::user_shutdown);
  conductor = nullptr;
  watching = nullptr;
  console = nullptr;
  sys.await_all_actors_done();
  return outcome->failed ? exit_not_verified : exit_ok;
}

} // namespace ec::node
