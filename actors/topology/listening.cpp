#include "actors/topology/listening.hpp"

#include <unistd.h>

#include "actors/moq_link.hpp"
#include "actors/topology/common.hpp"
#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/log.hpp"
#include "crypto/certificate.hpp"

namespace ec::actors {

base::result<started_endpoint> start_endpoint(caf::actor_system& sys, const listen_wishes& wishes, const machine& on) {
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  const std::vector<std::string> names{"localhost", host};
  auto identity = wishes.tls_cert.empty() ? crypto::certificate_pair::load_or_make(wishes.state, on.wall(), names)
                                          : crypto::certificate_pair::load(wishes.tls_cert, wishes.tls_key);
  if (!identity) return base::fail(about_setting(identity.error(), wishes.tls_cert.empty() ? "--state-dir" : "--tls-cert"));
  const auto listen = quic::socket_address::parse(wishes.listen);
  if (!listen) return base::fail(about_setting(listen.error(), "--listen"));
  quic_endpoint_config endpoint;
  endpoint.implementation = "ec-node/" EC_VERSION;
  endpoint.linger = wishes.linger;
  endpoint.relays = wishes.relays;
  endpoint.early_data = wishes.early_data;
  endpoint.quic.listen = listen.value();
  endpoint.quic.alpns = wishes.protocols.empty() ? moq_protocols() : wishes.protocols;
  endpoint.quic.alpns.emplace_back(quic::webtransport_alpn); // last: who offers a version beside it wants no HTTP/3
  quic::endpoint_address full;
  full.pin = identity.value().spki();
  const auto current = std::make_shared<const crypto::certificate_pair>(std::move(identity).value());
  endpoint.quic.identity = current;
  endpoint.quic.client_ca_pem = wishes.client_ca_pem;
  endpoint.quic.client_identity = wishes.client_identity;
  EC_TRY(auto running, start_quic_endpoint(sys, std::move(endpoint), on));
  full.port = running.local.port();
  full.host = host;
  if (!listen.value().wildcard()) {
    const auto local = running.local.to_string();
    full.host = local.substr(0, local.rfind(':'));
    if (full.host.front() == '[') full.host = full.host.substr(1, full.host.size() - 2);
  }
  // By this digest a browser knows the endpoint; a pin names the key, which outlives the certificate.
  base::log::info("quic_endpoint", "certificate", {{"sha256", base::to_hex(current->certificate_digest())}, {"ends_unix_ms", base::unix_ms(current->not_after())}});
  started_endpoint out{std::move(running), full, std::nullopt};
  if (wishes.tls_cert.empty())
    out.keeper = spawn_certificate_keeper(sys, {.dir = wishes.state, .names = names, .current = current, .wall = on.wall}, out.running.actor, on.blocking);
  return out;
}

base::result<running_topology> behind_endpoint(caf::actor_system& sys, running_topology t, const started_endpoint& endpoint,
  const std::filesystem::path& address_out) {
  t.address = endpoint.where.to_string();
  t.stages.push_back({caf::actor_cast<caf::actor>(endpoint.running.actor)});
  if (endpoint.keeper) t.stages.back().push_back(caf::actor_cast<caf::actor>(*endpoint.keeper));
  t.loops.push_back(endpoint.running.loop);
  if (address_out.empty()) return t;
  const auto line = t.address + "\n";
  if (const auto written = base::write_file_atomic(address_out.string(), base::as_span(line), 0644); !written) {
    const auto why = about_setting(written.error(), "--endpoint-addr-out");
    end_topology(sys, std::move(t));
    return base::fail(why);
  }
  return t;
}

} // namespace ec::actors
