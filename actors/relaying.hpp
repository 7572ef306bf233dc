#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/gatekeeper.hpp"
#include "actors/report.hpp"
#include "moq/relay.hpp"

namespace ec::actors {

/// That an endpoint relays, how, and who is told of it.
struct relay_choice {
  moq::relay_config config;
  observer_actor observer;
  std::optional<access::access_rules> access{}; ///< whom it lets in; unset: everybody
  std::vector<std::string> origins{};           ///< pages that may open a session by WebTransport, "https://tv.example"; empty: any
};

/// What a relay has to say as log lines and reports (docs/formats/events.md).
std::unique_ptr<moq::relay_watcher> report_relaying(observer_actor observer);

} // namespace ec::actors
