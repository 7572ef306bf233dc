#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/atoms.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "base/result.hpp"

namespace ec::actors {

/// What a supervisor holds now.
struct branch_status {
  std::string name;
  uint64_t restarts = 0;           ///< after faults, since its start
  std::vector<caf::actor> running; ///< as `branch_spec::start` gave them, without those that ended; none: it waits to start anew
};

/// Keeps one branch of a topology alive: starts its actors, and when one of them ends with a fault, ends the others and starts
/// the branch anew after a capped back-off. A branch whose actors all ended normally is done. However it ends itself, it takes its
/// branch along. The only layer that retries.
using supervisor_actor = caf::typed_actor<
  // Starts the branch (sent by the supervisor to itself; again after each back-off).
  caf::reacts_to<start_atom>,
  // What runs now; never blocks.
  caf::replies_to<status_atom>::with<branch_status>,
  // Ends the branch for good: its actors are asked to stop and the supervisor ends when they have.
  caf::reacts_to<stop_atom>>;

/// One branch: what is started and ended together.
struct branch_spec {
  std::string name; ///< for logs: "tuner", "session 127.0.0.1:4433"
  /// Spawns the actors of the branch. May block (it runs on a thread of its own): DNS, opening a device. An error counts as
  /// a fault of the branch.
  std::function<base::result<std::vector<caf::actor>>(caf::actor_system&)> start;
  /// Asks the running actors to end in order (a data branch: from its source); they may be none, while the branch waits for its
  /// next start. Without it they are sent an exit.
  std::function<void(const std::vector<caf::actor>&)> stop;
  /// The branch is done as soon as its first actor ended normally: the others are then sent an exit.
  bool ends_with_first = false;
  std::chrono::milliseconds backoff_first{250};
  std::chrono::milliseconds backoff_max{10'000};
  /// The shortest wait after a reason that says "patiently": somebody else must act first. After one that says "never" it is backoff_max: what
  /// looks wrong for good may be put right while we wait.
  std::chrono::milliseconds backoff_patient{1000};
  std::chrono::milliseconds steady_after{30'000}; ///< a branch that ran this long starts again with the first back-off
};

supervisor_actor spawn_supervisor(caf::actor_system& sys, branch_spec spec, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::branch_status)
