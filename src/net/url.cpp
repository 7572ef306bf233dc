#include "net/url.hpp"

#include <algorithm>
#include <charconv>

#include "base/limits.hpp"

namespace ec::net {
namespace {

using base::errc;
using base::fail;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool hex_digit(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

int hex_value(char c) { return digit(c) ? c - '0' : lower(c) - 'a' + 10; }

/// pchar, '/' and '?' [RFC 3986 3.3, 3.4], with whole percent escapes.
bool path_or_query(std::string_view text) {
  constexpr std::string_view marks = "-._~!$&'()*+,;=:@/?";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !hex_digit(text[i + 1]) || !hex_digit(text[i + 2])) return false;
      i += 2;
    } else if (!alpha(c) && !digit(c) && marks.find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

bool host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-') return false;
  return std::all_of(host.begin(), host.end(), [](char c) { return alpha(c) || digit(c) || c == '-' || c == '.' || c == '_'; });
}

bool ipv6_host(std::string_view host) {
  if (host.size() < 2 || host.size() > 45 || host.find(':') == std::string_view::npos) return false;
  return std::all_of(host.begin(), host.end(), [](char c) { return hex_digit(c) || c == ':' || c == '.'; });
}

base::result<host_port> split_authority(std::string_view text, std::optional<uint16_t> default_port, std::string_view about) {
  host_port out;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !ipv6_host(text.substr(1, end - 1)))
      return fail(errc::malformed, "the IPv6 address in brackets is none", std::string(about));
    out.host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return fail(errc::malformed, "only ':port' may follow the brackets", std::string(about));
      has_port = true;
      port = rest.substr(1);
    }
  } else {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    if (!host_name(out.host)) return fail(errc::malformed, "the host is empty or has a byte that no host name has", std::string(about));
    if (colon != std::string_view::npos) {
      has_port = true;
      port = text.substr(colon + 1);
    }
  }
  std::transform(out.host.begin(), out.host.end(), out.host.begin(), lower);
  if (!has_port) {
    if (!default_port) return fail(errc::malformed, "no port: write host:port", std::string(about));
    out.port = *default_port;
    return out;
  }
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (ec != std::errc() || end != port.data() + port.size() || port.size() > 5 || value > 65535)
    return fail(errc::malformed, "the port is no number of 0..65535", std::string(about));
  out.port = static_cast<uint16_t>(value);
  return out;
}

/// The path without its "." and ".." segments [RFC 3986 5.2.4]; the query behind it stays.
std::string without_dots(std::string_view target) {
  const auto question = std::min(target.find('?'), target.size());
  auto path = target.substr(0, question);
  std::string out;
  while (!path.empty()) { // it begins with '/'
    const auto end = std::min(path.find('/', 1), path.size());
    const auto segment = path.substr(0, end);
    path.remove_prefix(end);
    const bool dots = segment == "/." || segment == "/..";
    if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
    if (!dots) out += segment;
    else if (path.empty()) out += '/';
  }
  return out.append(target.substr(question));
}

} // namespace

std::string url::authority() const {
  return (ipv6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string url::target() const {
  return query.empty() ? path : path + "?" + query;
}

std::string url::text() const {
  return scheme + "://" + authority() + target();
}

base::result<url> parse_url(std::string_view text) {
  if (text.size() > base::limits::url_bytes_max) return fail(errc::too_large, "the URL is too long");
  const std::string about(text);
  url out;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return fail(errc::malformed, "no scheme: write http://host/path", about);
  for (const char c : text.substr(0, colon)) out.scheme += lower(c);
  if (out.scheme != "http" && out.scheme != "https") return fail(errc::unsupported, "only http and https URLs are read", about);
  text.remove_prefix(colon + 3);
  const auto end = std::min(text.find_first_of("/?#"), text.size());
  const auto authority = text.substr(0, end);
  const auto rest = text.substr(end);
  if (authority.find('@') != std::string_view::npos) return fail(errc::malformed, "user information has no place in a URL", about);
  EC_TRY(auto where, split_authority(authority, out.scheme == "https" ? uint16_t{443} : uint16_t{80}, about));
  if (where.port == 0) return fail(errc::malformed, "the port is no number of 1..65535", about);
  out.host = std::move(where.host);
  out.port = where.port;
  if (rest.find('#') != std::string_view::npos) return fail(errc::malformed, "a fragment is never sent: leave it out", about);
  const auto question = rest.find('?');
  out.path = rest.substr(0, question);
  if (out.path.empty()) out.path = "/";
  if (question != std::string_view::npos) out.query = rest.substr(question + 1);
  if (out.path.find('?') != std::string::npos || !path_or_query(out.path) || !path_or_query(out.query))
    return fail(errc::malformed, "path or query has a byte that must be percent-encoded, or a broken escape", about);
  return out;
}

base::result<url> resolve_url(const url& base, std::string_view reference) {
  reference = reference.substr(0, reference.find('#'));
  const auto colon = reference.find(':');
  if (colon != std::string_view::npos && colon < reference.find_first_of("/?")) return parse_url(reference); // it has a scheme
  std::string whole = base.scheme + ":";
  if (reference.starts_with("//")) return parse_url(whole.append(reference));
  whole += "//" + base.authority();
  if (reference.starts_with('/')) return parse_url(whole.append(without_dots(reference)));
  if (reference.empty()) return parse_url(whole + base.target());
  if (reference.starts_with('?')) return parse_url((whole + base.path).append(reference));
  const auto folder = base.path.substr(0, base.path.rfind('/') + 1);
  return parse_url(whole.append(without_dots(folder + std::string(reference))));
}

base::result<host_port> parse_host_port(std::string_view text) {
  if (text.size() > base::limits::url_bytes_max) return fail(errc::too_large, "the address is too long");
  return split_authority(text, std::nullopt, text);
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !hex_digit(text[i + 1]) || !hex_digit(text[i + 2])) return std::nullopt;
    out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view bytes) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) out += c;
    else out.append({'%', digits[byte >> 4], digits[byte & 15]});
  }
  return out;
}

base::result<std::vector<std::string>> path_segments(std::string_view path) {
  if (!path.starts_with('/')) return fail(errc::malformed, "a path begins with '/'", std::string(path.substr(0, 80)));
  std::vector<std::string> out;
  path.remove_prefix(1);
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    auto segment = percent_decoded(path.substr(0, end));
    if (!segment) return fail(errc::malformed, "a broken percent escape", std::string(path.substr(0, 80)));
    if (segment->empty()) return fail(errc::malformed, "an empty segment of a path", std::string(path.substr(0, 80)));
    out.push_back(std::move(*segment));
    const bool last = end == path.size();
    path.remove_prefix(last ? end : end + 1);
    if (!last && path.empty()) return fail(errc::malformed, "an empty segment of a path", "/");
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != key) continue;
    const auto raw = pair.substr(std::min(equals + 1, pair.size()));
    std::string spaced(raw);
    std::ranges::replace(spaced, '+', ' ');
    return percent_decoded(spaced);
  }
  return std::nullopt;
}

} // namespace ec::net
