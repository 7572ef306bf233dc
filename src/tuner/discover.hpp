#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tuner/lineup.hpp"

namespace ec::tuner {

/// Whom to ask for.
struct discover_question {
  std::string host;      ///< name or IPv4 address; empty: everybody in the networks of this host, by broadcast
  uint16_t port = 80;    ///< where `host` has its documents, unless it says otherwise
  std::string device_id; ///< eight hexadecimal digits; empty: any
  std::chrono::milliseconds wait{1000}; ///< for answers; whoever is asked for by name or id ends it by answering
};

/// One that answered.
struct discovered_device {
  std::string address;   ///< IPv4, from which it answered
  std::string device_id; ///< eight upper-case digits; empty: it did not say
  unsigned tuners = 0;   ///< 0: it did not say
  bool legacy = false;   ///< before lineup.json
  std::string base_url;  ///< where its documents are; always at `address`
  std::optional<discover_document> document; ///< discover.json; unset: it did not come
  bool by_protocol = true; ///< false: only its documents answered, not UDP port 65001
};

/// Looks for HDHomeRun tuners with libhdhomerun (UDP port 65001), and asks each that answers for its discover.json. A host that does not
/// answer there is asked for the document alone. Only the addresses that answered are asked, whatever URLs they name. At most
/// limits::discovered_devices_max; sorted by id. Nobody answered: an empty list. Blocks for at most `wait`, another half second, the look-up of a name,
/// and five seconds for documents. Errors: not_found (no such host), invalid_argument (device id), io.
[[nodiscard]] base::result<std::vector<discovered_device>> discover(const discover_question& question);

} // namespace ec::tuner
