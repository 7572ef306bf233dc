#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include "base/clock.hpp"
#include "quic/endpoint.hpp"
#include "tests/support/virtual_net.hpp"

/// A server and a client on a simulated network, and an application that records everything it is told.
namespace ec::test {

inline std::shared_ptr<const crypto::certificate_pair> make_identity(const std::vector<std::string>& names = {"server.test"}) {
  std::string dir = (std::filesystem::temp_directory_path() / "ec-quic-XXXXXX").string();
  REQUIRE(::mkdtemp(dir.data()));
  auto made = crypto::certificate_pair::load_or_make(dir, base::wall_now(), names);
  std::filesystem::remove_all(dir);
  REQUIRE(made);
  return std::make_shared<const crypto::certificate_pair>(std::move(made.value()));
}

/// One certificate for the whole run: making keys takes time.
inline std::shared_ptr<const crypto::certificate_pair> identity() {
  static const auto made = make_identity();
  return made;
}

struct app : quic::connection_events {
  quic::connection* c = nullptr;
  std::string alpn;
  std::string peer;
  bool connected = false;
  bool consume = true;
  bool echo = false;
  std::map<uint64_t, std::string> data;
  std::map<uint64_t, size_t> bytes;
  std::map<uint64_t, bool> fins;
  std::map<uint64_t, uint64_t> resets, stops;
  std::vector<std::string> datagrams;
  std::vector<uint64_t> order; ///< ids as their data came
  std::vector<uint64_t> closed_streams;
  size_t streams_available = 0, send_space = 0;
  std::optional<quic::close_reason> closed;

  void on_connected(std::string_view a, const quic::socket_address& p) override {
    connected = true;
    alpn = a;
    peer = p.to_string();
  }
  void on_stream_data(uint64_t id, base::bytes d, bool fin) override {
    if (!echo) data[id] += d.text();
    bytes[id] += d.size();
    fins[id] = fin;
    order.push_back(id);
    if (consume) c->consumed(id, d.size());
    if (echo) CHECK(c->write(id, d, fin) == quic::write_result::queued);
  }
  void on_stream_reset(uint64_t id, uint64_t code) override { resets[id] = code; }
  void on_stop_sending(uint64_t id, uint64_t code) override { stops[id] = code; }
  void on_datagram(base::bytes d) override { datagrams.emplace_back(d.text()); }
  void on_streams_available() override { ++streams_available; }
  void on_send_space() override { ++send_space; }
  void on_stream_closed(uint64_t id) override { closed_streams.push_back(id); }
  void on_closed(const quic::close_reason& why) override {
    closed = why;
    c = nullptr;
  }
};

struct apps : quic::acceptor {
  std::vector<std::unique_ptr<app>> all;
  bool refuse = false;
  bool echo = false;
  bool consume = true;
  quic::connection_events* on_accept(quic::connection& c, std::string_view, const quic::socket_address&) override {
    if (refuse) return nullptr;
    all.push_back(std::make_unique<app>());
    all.back()->c = &c;
    all.back()->echo = echo;
    all.back()->consume = consume;
    return all.back().get();
  }
};

struct pair {
  virtual_net net;
  apps server_apps;
  std::unique_ptr<quic::endpoint> server;
  std::unique_ptr<quic::endpoint> client;
  app mine;

  static quic::endpoint_config server_config() {
    quic::endpoint_config config;
    config.identity = identity();
    config.alpns = {"moqt-18", "moqt-16"};
    return config;
  }

  explicit pair(quic::endpoint_config config = server_config(), quic::endpoint_config client_config = {}) {
    listen(std::move(config));
    auto made = quic::endpoint::create(std::move(client_config), net.open("10.0.0.2:5000"), nullptr);
    REQUIRE(made);
    client = std::move(made.value());
    net.attach(*client);
  }
  void listen(quic::endpoint_config config) {
    auto made = quic::endpoint::create(std::move(config), net.open("10.0.0.1:4433"), &server_apps);
    REQUIRE(made);
    server = std::move(made.value());
    net.attach(*server);
  }
  ~pair() {
    if (client) net.detach(*client);
    if (server) net.detach(*server);
  }

  quic::client_verification pin() const { return quic::client_verification::pinned(identity()->spki()); }
  void dial(app& a, const quic::client_verification& how, const std::vector<std::string>& alpns = {"moqt-18"},
            const std::string& name = "server.test") {
    auto made = client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), name, how, alpns, a, net.now);
    REQUIRE(made);
    a.c = made.value();
  }
  /// Both sides connected; the server's application.
  app& connect() {
    const auto before = server_apps.all.size();
    dial(mine, pin());
    REQUIRE(net.run([&] { return mine.connected && server_apps.all.size() > before && server_apps.all.back()->connected; }));
    return *server_apps.all.back();
  }
};

inline base::bytes pattern(size_t size, uint8_t seed = 1) {
  std::vector<uint8_t> out(size);
  uint32_t x = seed;
  for (auto& b : out) {
    x = x * 1664525 + 1013904223;
    b = static_cast<uint8_t>(x >> 24);
  }
  return base::bytes::adopt(std::move(out));
}

} // namespace ec::test
