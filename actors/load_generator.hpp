#pragma once

#include <chrono>

#include "actors/quic_endpoint.hpp"
#include "moq/load.hpp"
#include "quic/address.hpp"

namespace ec::actors {

/// What is asked of a relay, and for how long.
struct load_plan {
  quic::endpoint_address address;
  quic::socket_address peer; ///< `address`, looked up
  quic::client_verification verification;
  moq::load_shape shape;
  size_t publishers = 1;
  size_t subscribers = 1;    ///< of all publishers, evenly
  std::chrono::milliseconds warm_up{2000};  ///< after every subscriber has got an object
  std::chrono::milliseconds duration{10'000};
  std::chrono::milliseconds start_limit{30'000}; ///< for every subscriber to have got one
  std::chrono::milliseconds late{1000};     ///< a longer delay makes a group late
};

/// What came of it; `fault` is set if nothing was measured.
struct load_report {
  std::string fault;
  moq::load_figures figures;
  uint64_t objects_published = 0; ///< while it was measured
  std::chrono::nanoseconds measured{0};
  size_t subscribers = 0; ///< that were served when measuring began
};

/// A step of the run, for whoever reads counters of the relay beside.
enum class load_step { begin, end };

/// Publishes and subscribes through one relay, all in sessions of its own from one endpoint, in the versions of MoQ that the endpoint offers.
using load_generator_actor = caf::typed_actor<
  // Runs the plan; the answer comes at its end. Once.
  caf::replies_to<start_atom>::with<load_report>,
  // The next object or step is due (sent to itself).
  caf::reacts_to<tick_atom>>;

/// `at_step` is called on the endpoint's loop when measuring begins and ends.
load_generator_actor spawn_load_generator(caf::actor_system& sys, const running_endpoint& endpoint, load_plan plan, std::function<void(load_step)> at_step);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::load_report)
