#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <set>
#include <unordered_map>
#include <utility>

#include "quic/endpoint.hpp"
#include "quic/internal/connection.hpp"

namespace ec::quic::internal {

using base::mono_time;
using base::result;

struct cid_key {
  std::array<uint8_t, NGTCP2_MAX_CIDLEN> raw{};
  uint8_t size = 0;
  friend bool operator==(const cid_key&, const cid_key&) = default;
};

inline cid_key key_of(const uint8_t* data, size_t size) {
  cid_key key;
  key.size = static_cast<uint8_t>(std::min(size, key.raw.size()));
  std::memcpy(key.raw.data(), data, key.size);
  return key;
}

/// Clients choose the first id themselves: a secret keeps them from choosing ids that collide.
struct cid_hash {
  std::array<uint64_t, 3> secret{};
  size_t operator()(const cid_key& key) const {
    uint64_t words[3] = {};
    std::memcpy(words, key.raw.data(), key.raw.size());
    uint64_t h = secret[0] ^ key.size;
    for (size_t i = 0; i < 3; ++i) {
      h ^= words[i] ^ secret[i];
      h *= secret[(i + 1) % 3] | 1;
      h = std::rotl(h, 29) ^ (h >> 32);
    }
    return static_cast<size_t>(h);
  }
};

/// A connection that is over, for as long as its last packets may be under way [RFC 9000 10.2].
struct tombstone {
  std::vector<uint8_t> farewell; ///< empty: silent
  socket_address local, remote;
  mono_time until;
  uint64_t packets = 0;
  std::vector<ngtcp2_cid> cids;
};

struct route {
  connection_impl* live = nullptr;
  tombstone* dead = nullptr;
};

class endpoint_impl final : public endpoint, public connection_host {
public:
  endpoint_impl(endpoint_config config, std::unique_ptr<udp_port> port, acceptor* accept)
    : config_(std::move(config)), port_(std::move(port)), acceptor_(accept) {
    memory_.free_share = base::limits::quic_connection_free_bytes;
  }
  ~endpoint_impl() override;
  result<void> set_up();

  // endpoint
  int fd() const override { return port_->fd(); }
  socket_address local() const override { return port_->local(); }
  void on_readable(mono_time now) override;
  std::optional<mono_time> deadline() const override;
  void on_timer(mono_time now) override;
  void flush(mono_time now) override;
  bool blocked() const override { return blocked_; }
  result<connection*> connect(const socket_address& peer, const std::string& server_name, const client_verification& verification,
                              const std::vector<std::string>& alpns, connection_events& events, mono_time now) override;
  void close_all(uint64_t app_code, std::string_view reason, mono_time now) override;
  result<void> set_identity(std::shared_ptr<const crypto::certificate_pair> identity) override;
  size_t connections() const override { return connections_.size(); }
  endpoint_counters counters() const override {
    auto out = counters_;
    out.udp = port_->counters();
    return out;
  }

  // connection_host
  const endpoint_config& config() const override { return config_; }
  send_batcher& batcher() override { return batcher_; }
  udp_port& port() override { return *port_; }
  bool new_cid(connection_impl& owner, ngtcp2_cid& cid, uint8_t* token) override;
  void forget_cid(const ngtcp2_cid& cid) override { routes_.erase(key_of(cid.data, cid.datalen)); }
  void wake(connection_impl& c) override {
    if (!std::exchange(c.dirty, true)) dirty_.push_back(&c);
  }
  void has_events(connection_impl& c) override {
    if (!std::exchange(c.eventful, true)) eventful_.push_back(&c);
  }
  void handshake_done(connection_impl& c) override {
    if (std::exchange(c.half_open, false)) --half_open_;
    if (c.server()) ++counters_.accepted;
    const auto s = c.stats();
    counters_.resumed += s.resumed ? 1 : 0;
    counters_.early_data_accepted += s.early_data_accepted ? 1 : 0;
    counters_.early_data_rejected += s.early_data_rejected ? 1 : 0;
  }
  server_tickets tickets(mono_time now) override;
  void remember(const std::string& name, known_server server) override {
    if (config_.known) config_.known->put(name, std::move(server));
  }
  connection_events* accept(connection_impl& c) override { return acceptor_ ? acceptor_->on_accept(c, c.alpn(), c.peer()) : nullptr; }
  void lost_packets(uint64_t count) override { counters_.lost_packets += count; }
  memory_pool& memory() override { return memory_; }
  void left_for_burden() override { ++counters_.overburdened; }

private:
  /// Time never goes back for ngtcp2 (it asserts so): a flush may have asked the port for a later time than the owner has.
  mono_time tick(mono_time now) { return last_now_ = std::max(last_now_, now); }
  bool serving() const { return acceptor_ && server_tls_; }
  void read_round(std::span<const udp_arrival> arrivals, mono_time now);
  void after_round(mono_time now);
  void datagram(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now);
  /// A stateless reset carries no id of ours: it is known by its sender and its last bytes, which ngtcp2 compares.
  bool reset_for_client(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now);
  void stranger(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now);
  void initial(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now);
  void deliver(mono_time now);
  void answer(const udp_arrival& to, std::span<const uint8_t> packet, mono_time now);
  void send_retry(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, mono_time now);
  void refuse(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, uint64_t code, mono_time now);
  void send_stateless_reset(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now);
  void handle(connection_impl& c, step what, mono_time now);
  /// Sends the farewell, keeps a tombstone, queues the last event.
  void bury(connection_impl& c, mono_time now);
  void destroy(connection_impl& c);
  void arm(connection_impl& c);
  void disarm(connection_impl& c);
  bool send_now(mono_time now);
  void purge(mono_time now);
  void lighten(mono_time now);

  endpoint_config config_;
  std::unique_ptr<udp_port> port_;
  acceptor* acceptor_;
  std::shared_ptr<const tls_context> server_tls_;
  std::shared_ptr<const tls_context> plain_tls_;
  std::unordered_map<std::string, std::shared_ptr<const tls_context>> ca_tls_; ///< by CA file
  std::array<uint8_t, 32> token_secret_{};
  std::array<uint8_t, 32> reset_secret_{};

  memory_pool memory_; ///< outlives connections_
  send_batcher batcher_;
  std::unordered_map<connection_impl*, std::unique_ptr<connection_impl>> connections_;
  std::unordered_map<cid_key, route, cid_hash> routes_;
  std::deque<std::unique_ptr<tombstone>> tombstones_;
  std::unordered_map<std::string, size_t> per_address_;
  std::set<std::pair<mono_time, connection_impl*>> timers_;
  std::vector<connection_impl*> dialled_;
  std::vector<connection_impl*> dirty_;
  std::vector<connection_impl*> touched_;
  std::vector<connection_impl*> eventful_;
  std::vector<connection_impl*> dead_;
  size_t half_open_ = 0;
  bool blocked_ = false;
  bool delivering_ = false;
  mono_time retry_send_{};
  mono_time last_now_{};
  mono_time reset_window_{};
  size_t resets_in_window_ = 0;
  endpoint_counters counters_;
};

} // namespace ec::quic::internal
