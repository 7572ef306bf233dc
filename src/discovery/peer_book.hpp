#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/limits_carriers.hpp"

/// Peers that were found under a stream, and nobody vouches for: which of them are dialled, and when. Design: docs/adr/0009-dht.md.
namespace ec::discovery {

/// A peer as a network gives it.
struct found_peer {
  std::string address;   ///< "192.0.2.7:4443", "[2001:db8::1]:4443"
  bool reachable = true; ///< globally_reachable()

  friend bool operator==(const found_peer&, const found_peer&) = default;
};

/// True if a stranger may name this address (4 or 16 bytes, in network order) and port for others to dial: of the internet, and not the port of
/// a service that somebody could be made to disturb.
bool globally_reachable(std::span<const uint8_t> host, uint16_t port);

struct peer_book_config {
  bool anybody = true; ///< anybody can name peers: only those of the internet are dialled, and few of one address
  size_t streams = base::limits::dht_streams_max;
  size_t per_stream = base::limits::found_peers_per_stream_max;
  size_t per_neighbourhood = base::limits::found_peers_per_neighbourhood_max;
  size_t dialled = base::limits::found_peers_dialled_max;
  size_t tried = base::limits::found_peers_tried_max;
  size_t kept = base::limits::found_peers_kept_max;
  std::chrono::milliseconds trial{10'000};         ///< who gave nothing for so long is left
  std::chrono::milliseconds again_first{5'000};    ///< then dialled again after so long, and twice as long each time,
  std::chrono::milliseconds again_max{1'800'000};  ///< up to this
  std::chrono::milliseconds forget_stream{30'000}; ///< a stream that nobody wanted for so long
};

/// Who is found goes in, whom to dial comes out. Places are given to those first that failed least; some are always for those that are new.
class peer_book {
public:
  explicit peer_book(const peer_book_config& config = {}) : config_(config) {}

  /// The stream is wanted, for a while. False if too many are.
  bool want(const std::string& stream, base::mono_time now);
  bool wanted(const std::string& stream) const { return streams_.contains(stream); }
  /// A peer was found under a wanted stream. Others are no matter.
  void found(const std::string& stream, const found_peer& peer, base::mono_time now);
  /// It gave what holds for `ttl`.
  void useful(const std::string& address, std::chrono::milliseconds ttl, base::mono_time now);
  /// It gave what no honest peer gives: it is left, and dialled again after the longest time.
  void useless(const std::string& address, base::mono_time now);

  /// Its connection ended: it is dialled again, soon if it gave something.
  void lost(const std::string& address, base::mono_time now);

  struct step {
    std::vector<std::string> dial;  ///< from now on
    std::vector<std::string> leave; ///< those that were dialled
  };
  /// What is due.
  step look(base::mono_time now);

  struct counters {
    uint64_t found = 0;       ///< peers, each time that one was given
    uint64_t unreachable = 0; ///< not dialled: nobody's to name
    uint64_t no_room = 0;     ///< not kept: over a bound
    uint64_t dialled = 0;
    uint64_t fruitless = 0; ///< left with nothing
  };
  const counters& count() const { return counters_; }
  size_t dialled_now() const;
  /// Peers of a stream that gave something which still holds.
  size_t useful_now(const std::string& stream, base::mono_time now) const;

private:
  struct peer {
    std::set<std::string> streams;
    uint64_t order = 0; ///< who was found first is tried first
    bool dialled = false;
    bool proven = false; ///< gave something since it was dialled
    base::mono_time since{}; ///< dialled
    base::mono_time until{}; ///< what it gave holds
    base::mono_time next{};  ///< may be dialled
    unsigned fails = 0;
  };

  bool make_room(const std::string& stream);
  void leave(const std::string& address, peer& p, base::mono_time next, step& out);
  std::chrono::milliseconds wait(unsigned fails) const;
  size_t places(const std::string& stream, bool proven) const;
  void visit_only(const std::string& stream, base::mono_time now, step& out);

  peer_book_config config_;
  std::map<std::string, base::mono_time> streams_; ///< wanted until
  std::map<std::string, peer> peers_;              ///< by address
  counters counters_;
  uint64_t next_order_ = 0;
};

} // namespace ec::discovery
