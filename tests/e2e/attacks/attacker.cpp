/// A publisher that receives a broadcast like any other and lies about it in one named way. It speaks the real formats, through the
/// project's own cutter, sealer, signer and endpoint; tests/e2e/attacks/attacks.py sets it beside honest publishers.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>

#include "actors/quic_endpoint.hpp"
#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "crypto/certificate.hpp"
#include "tests/e2e/attacks/mischief.hpp"
#include "ts/chunk_cutter.hpp"
#include "tuner/source.hpp"

using namespace ec;

namespace {

std::atomic<bool> stopping{false};

class attacker_config final : public caf::actor_system_config {
public:
  attacker_config() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", 1u);
    set("logger.verbosity", caf::atom("quiet"));
  }
};

int usage(const std::string& why) {
  std::fprintf(stderr, "attacker: %s\nusage: attacker --attack NAME --input URL --stream-id ID --state-dir DIR --endpoint-addr-out FILE [--key FILE] "
                       "[--claim ed25519:HEX] [--count N]\nattacks:", why.c_str());
  for (const auto name : attack::names()) std::fprintf(stderr, " %.*s", static_cast<int>(name.size()), name.data());
  std::fprintf(stderr, "\n");
  return 2;
}

struct settings {
  attack::mischief_config mischief;
  std::string input, state_dir, addr_out;
};

base::result<settings> settings_of(std::map<std::string, std::string> given) {
  settings out;
  const auto what = attack::wrong_of(given["--attack"]);
  if (!what) return base::fail(base::errc::config, "no attack of this name", "--attack");
  out.mischief.what = *what;
  out.mischief.stream_id = given["--stream-id"];
  out.input = given["--input"];
  out.state_dir = given["--state-dir"];
  out.addr_out = given["--endpoint-addr-out"];
  if (!given["--key"].empty()) {
    EC_TRY(auto key, crypto::signing_key::load(given["--key"]));
    out.mischief.key = std::move(key);
  }
  if (!given["--claim"].empty()) {
    EC_TRY(out.mischief.claimed, crypto::verifying_key::parse(given["--claim"]));
  }
  if (!given["--count"].empty()) out.mischief.count = std::strtoull(given["--count"].c_str(), nullptr, 10);
  return out;
}

base::result<void> attack_until_stopped(caf::actor_system& sys, settings with) {
  EC_TRY(auto identity, crypto::certificate_pair::load_or_make(with.state_dir, base::wall_now(), {"localhost"}));
  EC_TRY(const auto listen, quic::socket_address::parse("127.0.0.1:0"));
  actors::quic_endpoint_config config;
  config.implementation = "attacker";
  config.linger = std::chrono::milliseconds{0};
  config.quic.listen = listen;
  config.quic.alpns = {"moqt-18"};
  quic::endpoint_address full;
  full.host = "127.0.0.1";
  full.pin = identity.spki();
  config.quic.identity = std::make_shared<const crypto::certificate_pair>(std::move(identity));
  EC_TRY(auto source, tuner::open_source(with.input));
  EC_TRY(auto endpoint, actors::start_quic_endpoint(sys, std::move(config)));
  full.port = endpoint.local.port();
  attack::mischief mischief(std::move(with.mischief), [to = endpoint.actor](actors::publish_op op) { caf::anon_send(to, std::move(op)); });
  EC_TRYV(base::write_file_atomic(with.addr_out, base::as_span(full.to_string() + "\n"), 0644, base::durability::process));
  ts::chunk_cutter cutter(ts::cutter_config{});
  std::vector<ts::cut_event> events;
  while (!stopping) {
    auto got = source->read(std::chrono::milliseconds{100});
    if (!got) break;
    cutter.push(got.value(), base::mono_now(), events);
    for (const auto& e : events) mischief.on(e);
    events.clear();
  }
  caf::anon_send(endpoint.actor, actors::stop_atom::value);
  endpoint.actor = nullptr;
  sys.await_all_actors_done();
  return base::ok();
}

} // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) return usage("every option takes a value");
  auto with = settings_of(std::move(given));
  if (!with) return usage(with.error().message());
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });
  attacker_config config;
  caf::actor_system sys{config};
  const auto done = attack_until_stopped(sys, std::move(with).value());
  if (done) return 0;
  std::fprintf(stderr, "attacker: %s\n", done.error().message().c_str());
  std::_Exit(1); // actors may still run
}
