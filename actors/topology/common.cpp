#include "actors/topology/common.hpp"

#include <cstdlib>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "identity/stream_id.hpp"

namespace ec::actors {

base::result<std::vector<uint8_t>> read_network_secret(const std::filesystem::path& file) {
  if (file.empty()) return std::vector<uint8_t>{};
  EC_TRY(auto secret, base::read_secret_file(file.string(), base::limits::network_secret_bytes_max));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.size() < 16)
    return base::fail(base::errc::config, "holds fewer than 16 bytes; make one with: head -c 32 /dev/urandom | base64", file.string());
  return secret;
}

std::filesystem::path state_dir(const std::filesystem::path& configured) {
  if (!configured.empty()) return configured;
  const auto variable = [](const char* name) {
    const char* v = std::getenv(name);
    return std::filesystem::path(v == nullptr ? "" : v);
  };
  if (const auto systemd = variable("STATE_DIRECTORY"); !systemd.empty()) return systemd;
  if (const auto xdg = variable("XDG_STATE_HOME"); !xdg.empty()) return xdg / "ec-node";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".local/state/ec-node";
  return "ec-node-state";
}

base::result<std::vector<session_peer>> peers_of(const std::vector<std::string>& addresses, size_t count_max, const std::string& setting) {
  if (addresses.size() > count_max) return base::fail(base::errc::config, "at most " + std::to_string(count_max) + " may be given", setting);
  std::vector<session_peer> out;
  for (const auto& text : addresses) {
    const auto address = quic::endpoint_address::parse(text);
    if (!address) return base::fail(about_setting(address.error(), setting));
    auto& peer = out.emplace_back();
    peer.address = address.value();
    if (peer.address.pin) peer.verification = quic::client_verification::pinned(*peer.address.pin);
  }
  return out;
}

moq::track_namespace namespace_of(const std::string& stream_id) {
  const auto id = identity::stream_id::parse(stream_id);
  return {id ? identity::namespace_fields(id.value()) : std::vector<std::string>{}};
}

base::error about_setting(const base::error& why, const std::string& setting) {
  auto out = why;
  out.code = base::errc::config;
  out.text = why.message();
  out.about = setting;
  return out;
}

} // namespace ec::actors
