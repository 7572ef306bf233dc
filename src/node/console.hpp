#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "actors/report.hpp"

namespace ec::node {

/// How events reach the terminal.
enum class console_mode { human, json, quiet };

/// What the run said about itself, for the exit code.
struct console_outcome {
  std::atomic<bool> failed{false}; ///< the stream ended because too much of it was not right
};

/// Prints the reports of a topology to standard output: sentences for a person (with a live progress line where standard output is a
/// terminal), or one JSON object a line.
actors::observer_actor spawn_console(caf::actor_system& sys, console_mode mode, std::shared_ptr<console_outcome> outcome);

} // namespace ec::node
