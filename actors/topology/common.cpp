#include "actors/topology/common.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "actors/moq_link.hpp"
#include "base/file.hpp"
#include "base/limits.hpp"
#include "identity/stream_id.hpp"
#include "manifest/trust_file.hpp"

namespace ec::actors {

base::result<std::vector<uint8_t>> read_network_secret(const std::filesystem::path& file) {
  if (file.empty()) return std::vector<uint8_t>{};
  EC_TRY(auto secret, base::read_secret_text(file.string(), base::limits::network_secret_bytes_max));
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

quic::client_verification verification_of(const quic::endpoint_address& address, const tls_wishes& wishes) {
  if (address.pin) return quic::client_verification::pinned(*address.pin);
  if (wishes.insecure) return quic::client_verification::insecure();
  return wishes.ca.empty() ? quic::client_verification{} : quic::client_verification::ca(wishes.ca.string());
}

base::result<std::vector<session_peer>> peers_of(const std::vector<std::string>& addresses, size_t count_max, const std::string& setting, const tls_wishes& wishes) {
  if (addresses.size() > count_max) return base::fail(base::errc::config, "at most " + std::to_string(count_max) + " may be given", setting);
  if (!wishes.ca.empty())
    if (const auto ca = base::input_file::open(wishes.ca.string()); !ca) return base::fail(about_setting(ca.error(), "--tls-ca"));
  std::vector<session_peer> out;
  for (const auto& text : addresses) {
    const auto address = quic::endpoint_address::parse(text);
    if (!address) return base::fail(about_setting(address.error(), setting));
    auto& peer = out.emplace_back();
    peer.address = address.value();
    peer.verification = verification_of(peer.address, wishes);
  }
  return out;
}

namespace {

constexpr uint32_t upstream_cost_max = 1000;

/// Whom "NAME:PORT=VALUE" is about, or a VALUE without a name where there is one peer only; and the value.
base::result<std::pair<session_peer*, std::string>> said_of_peer(std::vector<session_peer>& peers, const std::string& text, const std::string& setting) {
  using base::errc, base::fail;
  const auto equals = text.find('=');
  if (equals == text.npos && peers.size() != 1)
    return fail(errc::config, std::to_string(peers.size()) + " relays are given: say of which one, NAME:PORT=" + text, setting);
  if (equals == text.npos) return std::pair(&peers.front(), text);
  const auto peer = std::ranges::find(peers, text.substr(0, equals), [](const session_peer& p) { return p.address.authority(); });
  if (peer == peers.end()) return fail(errc::config, "no relay is called " + text.substr(0, equals), setting);
  return std::pair(&*peer, text.substr(equals + 1));
}

} // namespace

base::result<void> connect_elsewhere(std::vector<session_peer>& peers, const std::vector<std::string>& places, const std::string& setting) {
  using base::errc, base::fail;
  for (const auto& text : places) {
    const auto where = quic::endpoint_address::parse(text.substr(text.find('=') + 1));
    if (!where) return fail(about_setting(where.error(), setting));
    if (const auto& w = where.value(); w.pin || !w.path.empty() || text.find("://") != text.npos)
      return fail(errc::config, "expected HOST:PORT or NAME:PORT=HOST:PORT, found '" + text + "'", setting);
    EC_TRY(const auto said, said_of_peer(peers, text, setting));
    auto& peer = *said.first;
    if (peer.at) return fail(errc::config, peer.address.authority() + " has two places", setting);
    peer.at = dial_place{where.value().host, where.value().port};
  }
  return base::ok();
}

base::result<void> weigh_relays(std::vector<session_peer>& peers, const std::vector<std::string>& costs, const std::string& setting) {
  using base::errc, base::fail;
  std::vector<const session_peer*> weighed;
  for (const auto& text : costs) {
    EC_TRY(const auto said, said_of_peer(peers, text, setting));
    auto& [peer, value] = said;
    const auto end = value.data() + value.size();
    if (const auto [at, wrong] = std::from_chars(value.data(), end, peer->cost); value.empty() || at != end || wrong != std::errc{} || peer->cost > upstream_cost_max)
      return fail(errc::config, "expected 0 to " + std::to_string(upstream_cost_max) + ", or NAME:PORT= before that, found '" + text + "'", setting);
    if (std::ranges::find(weighed, peer) != weighed.end()) return fail(errc::config, peer->address.authority() + " has two costs", setting);
    weighed.push_back(peer);
  }
  return base::ok();
}

base::result<std::vector<session_peer>> dialled_relays(const std::vector<std::string>& relays, const std::string& setting, const std::vector<std::string>& connect_to,
  const tls_wishes& wishes) {
  using base::errc, base::fail;
  if (relays.empty()) {
    const auto given = !connect_to.empty() ? "--connect-to" : wishes.insecure ? "--tls-insecure" : !wishes.ca.empty() ? "--tls-ca" : "";
    if (*given != 0) return fail(errc::config, "no relay is dialled: give " + setting + " too", given);
  }
  EC_TRY(auto out, peers_of(relays, base::limits::relay_peers_max, setting, wishes));
  for (auto r = out.begin(); r != out.end(); ++r)
    if (std::any_of(out.begin(), r, [&](const session_peer& other) { return other.address.authority() == r->address.authority(); }))
      return fail(errc::config, r->address.authority() + " is given twice", setting);
  EC_TRYV(connect_elsewhere(out, connect_to, "--connect-to"));
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

base::result<std::vector<std::string>> chosen_versions(const std::vector<std::string>& names) {
  using base::errc, base::fail;
  const auto& all = moq_protocols();
  for (const auto& name : names) {
    if (std::ranges::find(all, name) == all.end()) {
      std::string spoken;
      for (const auto& one : all) spoken += (spoken.empty() ? "" : ", ") + one;
      return fail(errc::config, "'" + name + "' is no version that is spoken: " + spoken, "--moq-version");
    }
    if (std::ranges::count(names, name) > 1) return fail(errc::config, "'" + name + "' is given twice", "--moq-version");
  }
  return names.empty() ? all : names;
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
