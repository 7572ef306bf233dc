#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "discovery/peer_book.hpp"
#include "net/url.hpp"

/// The mainline DHT [BEP 5]: who has a stream, by address and port. Nothing of BitTorrent but this.
namespace ec::discovery {

/// Where the DHT holds who has a stream.
using dht_key = std::array<uint8_t, 20>;

/// The first 20 bytes of the BLAKE3 digest of a stream's key (stream_id::key()): docs/formats/announcement.md.
dht_key dht_key_of(std::string_view stream_key);

struct dht_config {
  std::string listen;                    ///< "192.0.2.7:6881"; empty: any free port, on all addresses
  std::vector<net::host_port> bootstrap; ///< of a private network; none: the public one
  std::string state;                     ///< what dht_network::state() gave; empty: none

  bool is_private() const { return !bootstrap.empty(); }
};

/// Peers that the network gave under a key.
struct dht_found {
  dht_key under{};
  std::vector<found_peer> peers;
};

struct dht_counters {
  uint64_t nodes = 0; ///< of the network that this one knows and that answered
  uint64_t bytes_out = 0, bytes_in = 0; ///< of datagrams' payload
  std::string fault;  ///< why it cannot listen; empty if it can
};

/// This node's part in a DHT. Nothing blocks but wait(): what is asked for comes with take().
class dht_network {
public:
  virtual ~dht_network() = default;

  /// Says to the network that this node has it, at this UDP port of the address by which the network sees it. Holds half an hour.
  virtual void announce(const dht_key& key, uint16_t port) = 0;
  /// Asks who has it. What others announce of it is given by take() too, until forget().
  virtual void look_for(const dht_key& key) = 0;
  virtual void forget(const dht_key& key) = 0;
  /// Greets the nodes by which a private network is joined, once more.
  virtual void greet() = 0;
  /// What came since the last call: at most dht_peers_per_look_max peers.
  virtual std::vector<dht_found> take() = 0;
  /// Blocks until there is something to take, `most` at the longest: for who has nothing else to do. The one call that blocks.
  virtual void wait(std::chrono::milliseconds /*most*/) {}
  virtual const dht_counters& counters() const = 0;
  /// The nodes that it knows, for the next start.
  virtual std::string state() const = 0;
};

/// Joins; whether that comes to anything, the counters say. Errors: config (an address), io.
[[nodiscard]] base::result<std::unique_ptr<dht_network>> join_dht(const dht_config& config);

/// HOST:PORT of a bootstrap node. Errors: malformed.
[[nodiscard]] base::result<net::host_port> parse_bootstrap(std::string_view text);

} // namespace ec::discovery
