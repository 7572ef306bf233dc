#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/net_loop.hpp"
#include "actors/placement.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/result.hpp"
#include "quic/endpoint.hpp"
#include "tuner/device.hpp"
#include "tuner/locate.hpp"
#include "tuner/source.hpp"

namespace ec::actors {

/// What a node stands on: all of the outside that its wiring touches. As it is made, it is this machine; a simulation puts its own
/// clock, network, disk and tuners in its place and runs the same wiring (tests/simulation).
struct machine {
  base::disk* disk = &base::system_disk(); ///< of state and HLS directories; must outlive the node
  std::function<base::wall_time()> wall = base::wall_now;
  placement blocking = placement::own_thread; ///< of actors whose work may block
  std::function<std::unique_ptr<net_loop>(caf::actor_system&)> make_loop = make_epoll_loop;
  std::function<base::result<std::unique_ptr<quic::endpoint>>(quic::endpoint_config, quic::acceptor*)> open_endpoint =
    [](quic::endpoint_config config, quic::acceptor* accept) { return quic::endpoint::create(std::move(config), accept); };
  std::function<base::result<std::unique_ptr<tuner::source>>(std::string_view, const tuner::source_options&)> open_source = tuner::open_source;
  /// What an input that names a device or a channel in words stands for; may block.
  std::function<base::result<std::string>(std::string_view)> locate_input = [](std::string_view input) { return tuner::locate_input(input); };
  /// What the tuner behind a stream's URL says of its channels; may block.
  std::function<base::result<tuner::device_documents>(const net::url&)> ask_device = [](const net::url& stream) { return tuner::ask_device_of(stream); };
  std::chrono::milliseconds source_idle{0}; ///< pause before a source is read again that had nothing; 0: its `read` waits itself
  std::function<base::result<std::vector<quic::socket_address>>(const std::string& host, uint16_t port)> resolve = quic::resolve;
  std::shared_ptr<quic::ticket_keys> tickets = std::make_shared<quic::ticket_keys>();   ///< of all endpoints that are listened at
  std::shared_ptr<quic::known_servers> known = std::make_shared<quic::known_servers>(); ///< of all that are dialled from
};

} // namespace ec::actors
