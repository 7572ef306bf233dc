#include "actors/topology/access.hpp"

#include <algorithm>

#include "access/admission.hpp"
#include "actors/topology/common.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/limits_access.hpp"
#include "crypto/random.hpp"
#include "net/url.hpp"

namespace ec::actors {

using base::errc, base::fail;
namespace limits = base::limits;

namespace {

base::result<std::vector<moq::track_namespace>> prefixes_of(const std::vector<std::string>& paths, const char* setting) {
  if (paths.size() > limits::token_prefixes_max) return fail(errc::config, "at most " + std::to_string(limits::token_prefixes_max) + " may be given", setting);
  std::vector<moq::track_namespace> out;
  for (const auto& path : paths) {
    auto prefix = access::parse_prefix(path);
    if (!prefix) return fail(about_setting(prefix.error(), setting));
    out.push_back(std::move(prefix).value());
  }
  return out;
}

} // namespace

base::result<std::optional<access::access_rules>> access_rules_of(const relay_node_config& config) {
  const access::access_limits limits{.sessions_per_address = config.sessions_per_address, .sessions_per_token = config.sessions_per_token,
    .requests_per_address = config.requests_per_address, .requests_per_token = config.requests_per_token,
    .bytes_per_second_per_address = uint64_t{config.publish_kbps_per_address} * 125, .bytes_per_second_per_token = uint64_t{config.publish_kbps_per_token} * 125};
  const bool by_certificate = !config.client_ca.empty();
  if (!by_certificate) {
    const auto given = !config.peer_publish.empty() ? "--peer-publish" : !config.peer_subscribe.empty() ? "--peer-subscribe" : "";
    if (*given != 0) return fail(errc::config, "no certificate is looked at without --client-ca: give that too", given);
  }
  if (config.token_key.empty()) {
    const auto of_tokens = config.sessions_per_token > 0 ? "--sessions-per-token" : config.requests_per_token > 0 ? "--requests-per-token" : config.publish_kbps_per_token > 0 ? "--publish-kbps-per-token" : "";
    if (*of_tokens != 0) return fail(errc::config, "no token is looked at without --token-key: give that too", of_tokens);
  }
  if (config.token_key.empty() && !by_certificate) {
    const auto given = !config.public_publish.empty() ? "--public-publish" : !config.public_subscribe.empty() ? "--public-subscribe" : "";
    if (*given != 0) return fail(errc::config, "everything is public without --token-key or --client-ca: give that too", given);
    if (!limits.any()) return std::optional<access::access_rules>{};
    access::access_rules open;
    open.limits = limits;
    open.everybody = true;
    return std::optional<access::access_rules>{std::move(open)};
  }
  if (config.token_key.size() > limits::token_keys_max) return fail(errc::config, "at most " + std::to_string(limits::token_keys_max) + " may be given", "--token-key");
  access::access_rules out;
  out.limits = limits;
  for (const auto& file : config.token_key) {
    auto key = crypto::token_key::load(file.string());
    if (!key) return fail(about_setting(key.error(), "--token-key"));
    const auto name = key.value().thumbprint();
    if (std::ranges::any_of(out.keys, [&](const auto& k) { return k->thumbprint() == name; })) return fail(errc::config, file.string() + ": the same key is given twice", "--token-key");
    out.keys.push_back(std::make_shared<const crypto::token_key>(std::move(key).value()));
  }
  EC_TRY(out.public_publish, prefixes_of(config.public_publish, "--public-publish"));
  if (by_certificate) {
    const auto all = [](const std::vector<std::string>& given) { return given.empty() ? std::vector<std::string>{"/"} : given; };
    EC_TRY(out.peer_publish, prefixes_of(all(config.peer_publish), "--peer-publish"));
    EC_TRY(out.peer_subscribe, prefixes_of(all(config.peer_subscribe), "--peer-subscribe"));
  }
  EC_TRY(out.public_subscribe, prefixes_of(config.public_subscribe, "--public-subscribe"));
  return std::optional<access::access_rules>{std::move(out)};
}

base::result<std::shared_ptr<const crypto::certificate_pair>> client_identity_of(const std::filesystem::path& cert, const std::filesystem::path& key, bool dials,
                                                                                const std::string& dialled) {
  using pair = std::shared_ptr<const crypto::certificate_pair>;
  if (cert.empty() && key.empty()) return pair{};
  if (cert.empty() || key.empty()) return fail(errc::config, "--client-cert and --client-key go together", cert.empty() ? "--client-key" : "--client-cert");
  if (!dials) return fail(errc::config, "nobody is dialled who could be shown it: give " + dialled + " too", "--client-cert");
  auto read = crypto::certificate_pair::load(cert, key);
  if (!read) return fail(about_setting(read.error(), "--client-cert"));
  return pair(std::make_shared<const crypto::certificate_pair>(std::move(read).value()));
}

base::result<std::vector<std::string>> origins_of(const std::vector<std::string>& given, const char* setting) {
  std::vector<std::string> out;
  for (const auto& text : given) {
    const auto url = net::parse_url(text.find("://") == text.npos ? "https://" + text : text);
    if (!url || url.value().path != "/" || !url.value().query.empty() || text.ends_with('/'))
      return fail(errc::config, "'" + text + "' is no origin: https://HOST, https://HOST:PORT or HOST is", setting);
    const auto& u = url.value();
    const bool usual = u.port == (u.scheme == "https" ? 443 : 80);
    const auto authority = u.authority();
    out.push_back(u.scheme + "://" + (usual ? authority.substr(0, authority.rfind(':')) : authority));
  }
  return out;
}

base::result<void> show_token(const std::vector<quic::endpoint_address*>& peers, const std::string& token, const std::filesystem::path& file, const std::string& dialled) {
  if (token.empty() && file.empty()) return base::ok();
  const std::string setting = token.empty() ? "--token-file" : "--token";
  if (!token.empty() && !file.empty()) return fail(errc::config, "--token and --token-file are two ways to say one thing: give one", setting);
  if (peers.empty()) return fail(errc::config, "nobody is dialled who could be shown it: give " + dialled + " too", setting);
  auto text = token;
  if (!file.empty()) {
    auto raw = base::read_secret_text(file.string(), limits::token_bytes_max + 2);
    if (!raw) return fail(about_setting(raw.error(), setting));
    text.assign(raw.value().begin(), raw.value().end());
    crypto::wipe(raw.value());
  }
  if (const auto read = access::read_token(text); !read) return fail(errc::config, "no token: " + read.error().text, setting);
  for (auto* peer : peers) {
    auto& path = peer->path;
    if (!access::tokens_of_path(path).empty()) return fail(errc::config, peer->authority() + " has a token in its address already", setting);
    if (path.empty()) path = "/";
    path += (path.find('?') == path.npos ? "?jwt=" : "&jwt=") + text;
  }
  return base::ok();
}

} // namespace ec::actors
