#include "quic/redirect.hpp"

namespace ec::quic {

base::result<endpoint_address> follow_redirect(const endpoint_address& current, std::string_view uri) {
  if (uri.empty()) return current;
  if (uri.find("://") == std::string_view::npos)
    return base::fail(base::errc::unsupported, "expected moqt://host:port or https://host:port", std::string(uri.substr(0, 80)));
  // Fragments of other kinds tell a client more of the session, and nothing of where it is [MOQT 3.1.4].
  if (const auto hash = uri.find('#'); hash != std::string_view::npos && !uri.substr(hash).starts_with("#spki=")) uri = uri.substr(0, hash);
  EC_TRY(auto next, endpoint_address::parse(uri));
  if (next.host != current.host || next.port != current.port) return next;
  const auto query = current.path.find('?');
  if (next.path.empty()) next.path = current.path;
  else if (query != std::string::npos && next.path.find('?') == std::string::npos) next.path += current.path.substr(query);
  if (!next.pin) next.pin = current.pin;
  return next;
}

} // namespace ec::quic
