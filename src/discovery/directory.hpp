#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "discovery/announcement_table.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "net/url.hpp"

/// The stream directory: a table of announcements over HTTP. Format: docs/formats/directory.md.
namespace ec::discovery {

struct directory_config {
  std::string token;    ///< who posts must say it; empty: anybody may
  std::string instance; ///< another one after each start: 1 to 64 of [a-z0-9]
  size_t listing_bytes_max = base::limits::directory_listing_bytes_max; ///< of announcements in one answer
};

/// Answers the requests to a directory. Requests and times in, answers out; not thread-safe.
class directory {
public:
  explicit directory(directory_config config);

  net::http_response answer(const net::http_request& request, base::wall_time wall, base::mono_time now);

  const announcement_table& table() const { return table_; }
  /// Requests over the rate of their address.
  uint64_t requests_refused() const { return requests_refused_; }
  uint64_t posts_unauthorized() const { return posts_unauthorized_; }

private:
  net::http_response streams(const net::http_request& request) const;
  net::http_response upsert(const net::http_request& request, base::wall_time wall, base::mono_time now);
  net::http_response health() const;

  directory_config config_;
  announcement_table table_;
  rate_table<std::string> rates_{base::limits::announcement_addresses_max};
  uint64_t requests_refused_ = 0;
  uint64_t posts_unauthorized_ = 0;
};

/// Where a reader of a directory stands: what it has is not sent again.
struct directory_place {
  std::string instance; ///< empty: nothing is known yet
  uint64_t version = 0;
};

/// What a directory lists. Nothing of it is verified.
struct directory_listing {
  directory_place place;
  bool more = false;                 ///< there is more than fitted: ask again from `place`
  std::vector<base::bytes> encoded;  ///< canonical announcements; may be none
};

/// The URL under `base` (with any path of its own) from which to read on.
net::url listing_url(const net::url& base, const directory_place& place);
/// The URL under `base` to post to.
net::url upsert_url(const net::url& base);
/// Reads the body of such an answer. Errors: malformed, too_large.
[[nodiscard]] base::result<directory_listing> read_listing(std::string_view body);
/// The POST of one announcement.
net::http_call upsert_call(const base::bytes& encoded, const std::string& token);

} // namespace ec::discovery
