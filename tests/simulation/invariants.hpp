#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "manifest/content.hpp"
#include "tests/simulation/node.hpp"

namespace ec::simulation {

/// What a run promises, beside that nothing unverified comes out and nobody signs twice.
struct promises {
  /// A chunk that the signer lists as whole is at a subscriber so many chunk durations after it was listed and after a source that
  /// the subscriber can reach had all of it ...
  unsigned late_max = 5;
  /// ... if nothing was wrong with either of them for so many chunk durations before.
  unsigned recovery = 15;
  // What a publisher holds of one track, open group included.
  size_t chunk_groups_max = 6;
  size_t manifest_groups_max = base::limits::moq_track_cache_groups;
  size_t cache_bytes_max = base::limits::moq_track_cache_bytes;
};

/// Holds a run to the invariants, after every step. The first that breaks is kept.
class invariants final : public node_watch {
public:
  invariants(world& in, network& net, broadcast& station, promises p) : world_(in), net_(net), station_(station), promises_(p) {}

  void add(node& n) { nodes_[n.host()] = &n; }

  /// Something is wrong with a host, or with the ways between two, right now.
  void blame(host_id host) { bad_host_[host] = world_.now(); }
  void blame(host_id a, host_id b) { bad_way_[{std::min(a, b), std::max(a, b)}] = world_.now(); }

  /// After every step.
  void check();
  /// Now and then: what takes a while to look at.
  void check_deeply();
  const std::optional<std::string>& failure() const { return failure_; }
  void fail(std::string what);

  struct totals {
    uint64_t chunks_broadcast = 0;
    uint64_t chunks_signed = 0;
    uint64_t manifests = 0;
    uint64_t delivered = 0;   ///< over all subscribers
    uint64_t damaged = 0;     ///< of them
    uint64_t segments = 0;
    uint64_t rejected = 0;
    uint64_t skipped = 0;
    uint64_t restarts = 0;
    uint64_t promised = 0;    ///< chunks that had to arrive, and did
    size_t cached_max = 0, waiting_max = 0; ///< bytes
    std::map<std::string, uint64_t> events;
  };
  const totals& counted() const { return totals_; }

  // node_watch
  void on_report(host_id host, const actors::report& r) override;
  void on_published(host_id host, const moq::track& t, const moq::object& o) override;
  void on_group_ended(host_id host, const moq::track& t, uint64_t group, bool reset) override;
  void on_placed(host_id host, const std::string& path, const std::vector<uint8_t>& content) override;
  void on_crashed(host_id host, crash how) override;

private:
  /// One subscriber's view.
  struct reception_state {
    std::map<uint64_t, base::mono_time> written; ///< chunk index -> first segment of it
    std::optional<uint64_t> last;                ///< delivered, of this process
    uint64_t judged_below = 0;                   ///< promises were looked at up to here
  };

  void on_manifest(host_id host, const base::bytes& payload);
  void check_caches(const node& n);
  void check_signed_twice(const manifest::content& c);
  void check_state_first(host_id host, uint64_t sequence);
  void check_newest_segment(host_id host, const std::string& text);
  void check_folder(host_id host);
  void check_promises(host_id subscriber, reception_state& state);
  bool well_since(host_id a, host_id b, base::mono_time since) const;
  crypto::digest digest_on_disk(node& n, uint64_t index, const std::vector<uint8_t>& bytes) const;

  world& world_;
  network& net_;
  broadcast& station_;
  promises promises_;
  std::map<host_id, node*> nodes_;
  std::optional<std::string> failure_;
  totals totals_;
  // What the leader said.
  std::map<uint64_t, std::vector<manifest::content>> epochs_;     ///< by first index: the contents that were signed
  std::map<uint64_t, std::vector<uint8_t>> sequences_;            ///< sequence number -> the object that held it
  std::map<uint64_t, std::set<crypto::digest>> listed_;           ///< chunk index -> digests that were signed
  std::map<uint64_t, base::mono_time> listed_whole_;              ///< chunk index -> when it was first listed as whole
  std::map<uint64_t, std::map<host_id, base::mono_time>> offered_; ///< chunk index -> who had all of it since when
  std::map<host_id, reception_state> receptions_;
  std::set<host_id> crashed_; ///< since the last look
  uint64_t looks_ = 0;
  std::set<host_id> loose_; ///< subscribers whose window, which is not synced, went through a power cut: what they list may be torn
  std::map<host_id, base::mono_time> bad_host_;
  std::map<std::pair<host_id, host_id>, base::mono_time> bad_way_;
};

} // namespace ec::simulation
