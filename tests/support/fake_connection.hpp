#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "quic/endpoint.hpp"

/// A connection that records what is asked of it, for what is built on connections.
namespace ec::test {

class fake_connection final : public quic::connection {
public:
  explicit fake_connection(bool server) : server_(server) {}

  struct ending {
    uint64_t code;
    std::string text;
    std::optional<uint64_t> after;
  };
  std::map<uint64_t, std::string> written;
  std::map<uint64_t, bool> fins;
  std::vector<std::pair<uint64_t, uint64_t>> resets, stops; ///< stream, code
  std::map<uint64_t, uint64_t> credit, urgencies;
  std::vector<std::string> datagrams;
  std::vector<ending> endings;
  size_t streams_left = 100;
  bool full = false;

  std::optional<uint64_t> open_uni() override { return open(uni_, 2); }
  std::optional<uint64_t> open_bidi() override { return open(bidi_, 0); }
  quic::write_result write(uint64_t id, base::bytes data, bool fin) override {
    if (full && !data.empty()) return quic::write_result::full;
    if (fins[id]) return quic::write_result::gone;
    written[id] += data.text();
    fins[id] = fin;
    return quic::write_result::queued;
  }
  void reset(uint64_t id, uint64_t code) override { resets.emplace_back(id, code); }
  void stop_sending(uint64_t id, uint64_t code) override { stops.emplace_back(id, code); }
  void set_priority(uint64_t id, uint64_t urgency) override { urgencies[id] = urgency; }
  size_t unsent(uint64_t) const override { return 0; }
  size_t unsent() const override { return 0; }
  size_t unacked() const override { return 0; }
  void consumed(uint64_t id, uint64_t bytes) override { credit[id] += bytes; }
  bool send_datagram(base::bytes data) override {
    datagrams.emplace_back(data.text());
    return true;
  }
  size_t datagram_bytes_max() const override { return 1200; }
  void set_keep_alive(base::mono_duration) override {}
  void close(uint64_t app_code, std::string_view reason) override { endings.push_back({app_code, std::string(reason), std::nullopt}); }
  void close_after(uint64_t id, uint64_t app_code, std::string_view reason) override { endings.push_back({app_code, std::string(reason), id}); }
  bool server() const override { return server_; }
  bool connected() const override { return endings.empty(); }
  quic::socket_address peer() const override { return quic::socket_address::parse("10.0.0.9:9").value(); }
  std::string_view alpn() const override { return "h3"; }
  std::optional<quic::spki_digest> peer_spki() const override { return std::nullopt; }
  quic::connection_stats stats() const override { return {}; }

private:
  std::optional<uint64_t> open(uint64_t& next, uint64_t kind) {
    if (streams_left == 0) return std::nullopt;
    --streams_left;
    return 4 * next++ + kind + (server_ ? 1 : 0);
  }

  const bool server_;
  uint64_t uni_ = 0, bidi_ = 0;
};

} // namespace ec::test
