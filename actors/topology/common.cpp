#include "actors/topology/common.hpp"

#include <cstdlib>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "identity/stream_id.hpp"
#include "manifest/trust_file.hpp"

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

base::result<manifest::trust_set> named_trust(const std::vector<std::string>& keys, const std::string& setting, const std::filesystem::path& file,
  const std::string& stream_id) {
  using base::fail;
  manifest::trust_set out;
  for (const auto& text : keys)
    if (const auto added = out.add(text); !added) return fail(about_setting(added.error(), setting));
  if (file.empty()) return out;
  const auto read = manifest::load_trust_file(file.string());
  if (!read) return fail(about_setting(read.error(), "--trust-file"));
  if (const auto applied = manifest::apply(read.value(), stream_id, out); !applied) return fail(about_setting(applied.error(), "--trust-file"));
  if (out.size() == 0)
    return fail(base::errc::config, "no key in it counts for this stream: expected an entry whose \"streams\" is or begins " + stream_id, "--trust-file " + file.string());
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
