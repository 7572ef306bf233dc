#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "actors/carrier.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "net/http_client.hpp"
#include "net/url.hpp"

namespace ec::actors {

/// http_ask with the patience of a carrier, which looks again soon.
base::result<net::http_answer> ask_directory(const net::url& where, const net::http_call& call);

struct directory_carrier_config {
  net::url directory;
  std::string token;                         ///< what it wants of who posts; empty: nothing
  std::chrono::milliseconds poll{1500};
  bool pass_on = false;                      ///< posts what this node heard elsewhere, too
  /// The outside; may block.
  std::function<base::result<net::http_answer>(const net::url&, const net::http_call&)> ask = ask_directory;
};

/// Reads a stream directory, and posts to it what this node announces. Rather on a thread of its own: it waits for HTTP.
carrier_spec directory_carrier(directory_carrier_config config, observer_actor observer, placement where = placement::own_thread);

} // namespace ec::actors
