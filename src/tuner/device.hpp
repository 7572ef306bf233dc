#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/http_client.hpp"
#include "net/url.hpp"
#include "tuner/lineup.hpp"

namespace ec::tuner {

/// What a device says of itself and its channels.
struct device_documents {
  std::string from;                          ///< "http://192.0.2.7:80", or the file's name
  std::vector<lineup_entry> lineup;          ///< with what `?tuning` adds, from newer firmware
  std::optional<discover_document> discover; ///< unset: it did not say
  std::optional<lineup_status> status;       ///< likewise
};

/// A device in the same network answers at once, or thinks for some seconds.
inline constexpr net::http_timeouts device_timeouts{.connect = std::chrono::milliseconds(2000), .header = std::chrono::milliseconds(5000), .stall = std::chrono::milliseconds(2000)};

/// Reads the discover.json of the device whose HTTP server is at `host`:`port`. Errors: those of http_get and parse_discover, refused (another
/// status than 200).
[[nodiscard]] base::result<discover_document> ask_discover(const std::string& host, uint16_t port, const net::http_timeouts& timeouts = device_timeouts);

/// Reads the documents of the device whose HTTP server is at `host`:`port`: the lineup, which has to come, then discover.json and
/// lineup_status.json, which need not. Blocks for at most three times the sum of the timeouts. Only this address is asked,
/// whatever URLs the documents name. Errors: those of http_get and parse_lineup, refused (another status than 200).
[[nodiscard]] base::result<device_documents> ask_device(const std::string& host, uint16_t port, const net::http_timeouts& timeouts = device_timeouts);

/// The same for the device that sends `stream`: documents are on port 80 where streams are on 5004, or, as of the simulator, on the
/// stream's own port, which is asked first. Errors: of the last that was asked.
[[nodiscard]] base::result<device_documents> ask_device_of(const net::url& stream, const net::http_timeouts& timeouts = device_timeouts);

} // namespace ec::tuner
