#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "quic/endpoint.hpp"
#include "tests/simulation/world.hpp"

namespace ec::simulation {

/// A node's place in the network; its address is 10.0.0.<host>.
using host_id = unsigned;

/// One direction between two hosts.
struct path {
  base::mono_duration delay = std::chrono::milliseconds(10);
  base::mono_duration jitter = std::chrono::milliseconds(2); ///< at most so much more: packets overtake each other
  unsigned lost_per_mille = 0;
  unsigned twice_per_mille = 0;
  double bytes_per_second = 0; ///< 0: without limit
  bool cut = false;
};

class sim_endpoint;
class sim_connection;

/// What carries the packets of connections between hosts. Streams come whole and in order, as QUIC gives them: what is lost is sent
/// again, what comes twice is dropped. A peer that is silent for half a minute is given up.
class network {
public:
  explicit network(world& in) : world_(in) {}

  path& between(host_id from, host_id to) { return paths_[{from, to}]; }
  static quic::socket_address address_of(host_id host);

  /// The endpoint of a host that is up.
  std::unique_ptr<quic::endpoint> open(host_id host, quic::endpoint_config config, quic::acceptor* accept, sim_loop& loop);
  /// From now on nothing leaves the host or comes to it; no peer is told.
  void silence(host_id host);
  /// The machine answers again, with "nobody is here" until an endpoint is opened.
  void wake(host_id host) { down_.erase(host); }
  uint64_t packets() const { return packets_; }
  bool forgets = false; ///< what is lost is not sent again

private:
  friend class sim_endpoint;
  friend class sim_connection;

  struct packet {
    enum class kind { hello, welcome, finished, data, reset, stop, ping, pong, close, unknown, refused } what = kind::data;
    uint64_t stream = 0;
    uint64_t offset = 0; ///< data
    base::bytes bytes;   ///< data
    bool fin = false;    ///< data
    uint64_t code = 0;   ///< reset, stop, close
    std::string text;    ///< close
  };
  /// Both ends of one connection; an end that is gone is null. 0 dialled.
  struct wire {
    uint64_t id = 0;
    host_id hosts[2] = {};
    sim_connection* ends[2] = {};
    std::vector<std::string> offered{}; ///< ALPNs, by who dialled
    std::string alpn{};                 ///< agreed on
  };

  void send(const std::shared_ptr<wire>& w, unsigned from, packet p, unsigned attempt = 0);
  void arrive(const std::shared_ptr<wire>& w, unsigned to, const packet& p, unsigned attempt);
  static bool reliable(packet::kind k);

  world& world_;
  std::map<std::pair<host_id, host_id>, path> paths_;
  std::map<host_id, sim_endpoint*> endpoints_;
  std::set<host_id> down_;
  uint64_t wires_ = 0;
  uint64_t packets_ = 0;
};

class sim_connection final : public quic::connection {
public:
  sim_connection(sim_endpoint& at, std::shared_ptr<network::wire> on, unsigned side, quic::connection_events* events);
  ~sim_connection() override;

  std::optional<uint64_t> open_uni() override;
  std::optional<uint64_t> open_bidi() override;
  quic::write_result write(uint64_t id, base::bytes data, bool fin) override;
  void reset(uint64_t id, uint64_t code) override;
  void stop_sending(uint64_t id, uint64_t code) override;
  void set_priority(uint64_t id, uint64_t urgency) override;
  size_t unsent(uint64_t id) const override;
  size_t unsent() const override { return queued_; }
  size_t unacked() const override { return 0; }
  void consumed(uint64_t, uint64_t) override {}
  bool send_datagram(base::bytes) override { return false; }
  size_t datagram_bytes_max() const override { return 0; }
  void set_keep_alive(base::mono_duration quiet) override { quiet_ = quiet; }
  void close(uint64_t app_code, std::string_view reason) override;
  bool server() const override { return side_ == 1; }
  bool connected() const override { return connected_ && !closing_; }
  quic::socket_address peer() const override { return network::address_of(wire_->hosts[1 - side_]); }
  std::string_view alpn() const override { return wire_->alpn; }
  std::optional<quic::spki_digest> peer_spki() const override { return std::nullopt; }
  quic::connection_stats stats() const override { return {}; }

private:
  friend class network;
  friend class sim_endpoint;
  using packet = network::packet;

  struct outgoing {
    uint64_t offset = 0; ///< behind what was given to the network
    uint64_t urgency = uint64_t{1} << 32;
    std::deque<packet> queue;
    size_t queued = 0;
    bool ended = false;   ///< FIN or reset is on its way
    bool stopped = false; ///< the peer does not want it
  };
  struct incoming {
    uint64_t next = 0;
    std::map<uint64_t, packet> early;
    bool stopped = false; ///< this side does not want it
  };

  bool is_ours(uint64_t id) const { return (id & 1) == side_; }
  void send(packet p);
  void pump();
  void heard();
  void watch();
  void keep_alive();
  void on(const packet& p);
  void on_data(const packet& p);
  void in_done(uint64_t id);
  /// The end of it, whoever wanted it; the events are told from the world's next step.
  void end(quic::close_reason why);

  sim_endpoint& at_;
  std::optional<base::mono_duration> quiet_; ///< before a PING, in place of the endpoint's
  std::shared_ptr<network::wire> wire_;
  unsigned side_;
  quic::connection_events* events_;
  bool connected_ = false;
  bool closing_ = false;
  std::map<uint64_t, outgoing> out_;
  std::map<uint64_t, incoming> in_;
  std::unordered_set<uint64_t> in_over_;
  std::vector<packet> before_finished_; ///< that overtook the end of the handshake
  uint64_t unis_ = 0, bidis_ = 0;
  size_t unis_open_ = 0; ///< of ours, not yet taken whole by the peer
  bool starved_ = false; ///< open_uni() had nothing
  size_t queued_ = 0;
  base::mono_time busy_until_{};
  bool pumping_ = false;
  base::mono_time heard_at_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class sim_endpoint final : public quic::endpoint {
public:
  sim_endpoint(network& net, host_id host, sim_loop& loop, quic::endpoint_config config, quic::acceptor* accept);
  ~sim_endpoint() override;

  int fd() const override { return -1; }
  quic::socket_address local() const override { return network::address_of(host_); }
  void on_readable(base::mono_time) override {}
  std::optional<base::mono_time> deadline() const override { return std::nullopt; }
  void on_timer(base::mono_time) override {}
  void flush(base::mono_time) override {}
  bool blocked() const override { return false; }
  base::result<quic::connection*> connect(const quic::socket_address& peer, const std::string& server_name,
    const quic::client_verification& verification, const std::vector<std::string>& alpns, quic::connection_events& events,
    base::mono_time now) override;
  void close_all(uint64_t app_code, std::string_view reason, base::mono_time now) override;
  base::result<void> set_identity(std::shared_ptr<const crypto::certificate_pair>) override { return base::ok(); }
  size_t connections() const override { return connections_.size(); }
  quic::endpoint_counters counters() const override { return {}; }

private:
  friend class network;
  friend class sim_connection;

  sim_connection& add(std::shared_ptr<network::wire> w, unsigned side, quic::connection_events* events);
  void drop(sim_connection* c);
  /// The first of its own that is among them; empty: none.
  std::string choose(const std::vector<std::string>& offered) const;
  /// Its loop has something to do.
  void touch() { loop_.touch(); }

  network& net_;
  host_id host_;
  quic::endpoint_config config_;
  quic::acceptor* accept_;
  sim_loop& loop_;
  bool silent_ = false; ///< the host is down: nothing is told to anybody
  std::vector<std::unique_ptr<sim_connection>> connections_;
};

} // namespace ec::simulation
