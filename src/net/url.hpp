#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ec::net {

/// An absolute http or https URL, taken apart. Path and query stay percent-encoded as they were written.
struct url {
  std::string scheme; ///< "http" or "https"
  std::string host;   ///< lower case; an IPv6 address without its brackets
  uint16_t port = 80; ///< 1..65535; the scheme's own when the URL names none
  std::string path;   ///< begins with '/'
  std::string query;  ///< without '?'; empty if none

  bool ipv6() const { return host.find(':') != std::string::npos; }
  /// "host:port", an IPv6 host in brackets: what a person types and a Host header says.
  std::string authority() const;
  /// "/path?query": the request target [RFC 9112 3.2.1].
  std::string target() const;
  /// The whole URL; the port is always named.
  std::string text() const;

  friend bool operator==(const url&, const url&) = default;
};

/// Parses strictly [RFC 3986]: http or https only, no user information, no fragment, no white space, control or non-ASCII
/// byte, well-formed percent escapes, at most limits::url_bytes_max. Errors: malformed, too_large, unsupported (scheme).
[[nodiscard]] base::result<url> parse_url(std::string_view text);

/// What `reference` means in a document at `base` [RFC 3986 5.2]: absolute, or of a host, a path or a query only; a fragment is left out.
/// Errors: those of parse_url.
[[nodiscard]] base::result<url> resolve_url(const url& base, std::string_view reference);

/// A host and a port as `--listen` takes them: "127.0.0.1:5004", "[::1]:0", "localhost:80"; port 0 is allowed here.
struct host_port {
  std::string host; ///< without brackets
  uint16_t port = 0;

  friend bool operator==(const host_port&, const host_port&) = default;
};
[[nodiscard]] base::result<host_port> parse_host_port(std::string_view text);

/// The bytes that a percent-encoded text stands for [RFC 3986 2.1]; nothing if an escape is broken.
std::optional<std::string> percent_decoded(std::string_view text);
/// The same backwards, for one segment of a path: all but unreserved characters is escaped.
std::string percent_encoded(std::string_view bytes);

/// The segments of a path, decoded: "/a/b%2Fc" has "a" and "b/c"; of "/" none. Errors: malformed (a broken escape, an empty segment, no '/' at its
/// beginning).
[[nodiscard]] base::result<std::vector<std::string>> path_segments(std::string_view path);

/// The value of the first `key=value` of a query, percent-decoded; nothing if the key is absent or an escape is broken.
std::optional<std::string> query_value(std::string_view query, std::string_view key);

} // namespace ec::net
