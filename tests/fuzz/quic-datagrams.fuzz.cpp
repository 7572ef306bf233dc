#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "quic/endpoint.hpp"
#include "tests/support/virtual_net.hpp"

using namespace ec;

namespace {

struct nobody final : quic::acceptor {
  quic::connection_events* on_accept(quic::connection&, std::string_view, const quic::socket_address&) override { return nullptr; }
};

struct target {
  test::virtual_net net;
  nobody accept;
  std::unique_ptr<quic::endpoint> server;
  std::unique_ptr<quic::udp_port> attacker;

  target() {
    std::string dir = (std::filesystem::temp_directory_path() / "ec-quic-fuzz-XXXXXX").string();
    if (!::mkdtemp(dir.data())) std::abort();
    auto pair = crypto::certificate_pair::load_or_make(dir, base::wall_now(), {});
    std::filesystem::remove_all(dir);
    quic::endpoint_config config;
    config.identity = std::make_shared<const crypto::certificate_pair>(std::move(pair.value()));
    config.alpns = {"moqt-18"};
    auto made = quic::endpoint::create(config, net.open("10.0.0.1:4433"), &accept);
    if (!made) std::abort();
    server = std::move(made.value());
    net.attach(*server);
    attacker = net.open("10.0.0.66:1");
  }
};

} // namespace

/// Arbitrary datagrams into a server: each input is a list of (u16 length, bytes); an Initial is padded to full size when
/// the first byte of its length says so. No crash, and no state that outlives the handshake timeout.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static target t;
  while (size >= 2) {
    const bool pad = (data[0] & 0x80) != 0;
    const size_t wanted = static_cast<size_t>((data[0] & 0x07) << 8 | data[1]);
    data += 2;
    size -= 2;
    const size_t taken = std::min(wanted, size);
    std::vector<uint8_t> packet(data, data + taken);
    data += taken;
    size -= taken;
    if (pad && packet.size() < 1200) packet.resize(1200);
    if (packet.empty()) continue;
    const quic::udp_batch batch{t.attacker->local(), t.server->local(), 0, packet, packet.size()};
    t.attacker->send({&batch, 1}, t.net.now);
  }
  t.net.run([] { return false; }, std::chrono::seconds(40));
  if (t.server->connections() != 0) std::abort();
  return 0;
}
