#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/limits_guard.hpp"
#include "moq/layers.hpp"
#include "moq/relay_gate.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"
#include "moq/types.hpp"

/// Tracks taken from some sessions and served to all: what a relay does between publishers and subscribers [MOQT 9]. No I/O.
namespace ec::moq {

class relay;
class relay_peer;

struct relay_config {
  size_t upstreams_max = base::limits::relay_track_upstreams_max; ///< publishers that one track is taken from at once
  size_t track_bytes_max = base::limits::relay_track_cache_bytes;
  size_t track_groups_max = base::limits::relay_track_cache_groups;
  size_t cache_bytes_max = base::limits::relay_cache_bytes_max;   ///< of all tracks
  base::mono_duration cache_age_max = std::chrono::minutes(2);    ///< of a group, but for the newest
  base::mono_duration publisher_linger = std::chrono::seconds(5); ///< how long a publisher that vanished is waited for
  base::mono_duration idle_linger = std::chrono::seconds(2);      ///< a track that nobody wants any more is still taken for so long
  base::mono_duration fill_timeout = std::chrono::seconds(10);    ///< for all objects of a fetch upstream
  std::shared_ptr<relay_gate> gate{};                             ///< null: everything is passed on as it comes
  size_t held_bytes_max = base::limits::relay_held_bytes_max;     ///< for the gate, of one subscription upstream
  size_t refusals_max = base::limits::relay_refusals_max;         ///< by the gate, after which a publisher is not asked for the track again
};

/// Everything that a relay counts, since it began. Only grows.
struct relay_counters {
  uint64_t objects_in = 0;            ///< taken
  uint64_t objects_duplicate = 0;     ///< another publisher had them first: the same bytes
  uint64_t objects_conflict = 0;      ///< another publisher had them first, with other bytes: the first stay
  uint64_t objects_behind_hole = 0;   ///< not passed on: what lies before them in their subgroup is missing
  uint64_t objects_refused = 0;       ///< against the rules of their track, or older than what is held
  uint64_t objects_crowded_out = 0;   ///< of a newest group, which left for the bound of all tracks
  uint64_t objects_begun = 0;         ///< large ones, passed on before they were whole
  uint64_t subgroups_reset = 0;       ///< for all subscribers: nobody had the rest
  uint64_t subgroups_rescued = 0;     ///< one publisher failed, another goes on
  uint64_t subscriptions_upstream = 0;
  uint64_t publishers_lost = 0;       ///< times that a track lost its last publisher without an end
  uint64_t publishers_resumed = 0;    ///< times that one came in time
  uint64_t tracks_handed_over = 0;    ///< taken from a publisher that leaves, or costs more, until another had all of them
  uint64_t fetches_upstream = 0;
  uint64_t fetches_shared = 0;        ///< served by a fetch upstream that was under way
  uint64_t fetches_incomplete = 0;    ///< of what is not held nobody said whether it exists
  uint64_t tracks_refused = 0;        ///< asked for, and not to be had
  uint64_t tracks_closed = 0;         ///< asked for or offered, and closed by the gate
  uint64_t objects_false = 0;         ///< refused by the gate
  uint64_t objects_unproven = 0;      ///< dropped, as the gate knew nothing for them in time
  uint64_t publishers_ended = 0;      ///< of a track, for what the gate refused
};

/// Two publishers gave one object with different bytes.
struct relay_conflict {
  full_track_name track;
  location at;
  base::bytes kept;  ///< payload of the one that came first
  base::bytes other;
  std::string from;  ///< who gave the other
};

/// Hears what an operator wants to know.
class relay_watcher {
public:
  virtual ~relay_watcher() = default;
  /// A namespace is offered, or no longer.
  virtual void on_offer(std::string_view /*peer*/, const track_namespace& /*ns*/, bool /*active*/) {}
  /// A track is relayed from now on.
  virtual void on_track_up(const full_track_name& /*name*/, std::string_view /*peer*/) {}
  /// Its last publisher vanished; it is waited for.
  virtual void on_track_lost(const full_track_name& /*name*/, std::string_view /*reason*/) {}
  virtual void on_track_resumed(const full_track_name& /*name*/, std::string_view /*peer*/) {}
  /// It is not relayed any more.
  virtual void on_track_down(const full_track_name& /*name*/, std::string_view /*reason*/) {}
  /// The first of a track only; the others are counted.
  virtual void on_conflict(const relay_conflict&) {}
  /// The gate refused what `peer` gives of it: the first of a track and peer only, the others are counted.
  virtual void on_false(const full_track_name& /*name*/, std::string_view /*peer*/, std::string_view /*why*/) {}
  /// It gave too much of that, and is not asked for the track any more.
  virtual void on_publisher_ended(const full_track_name& /*name*/, std::string_view /*peer*/, std::string_view /*why*/) {}
};

/// Finds the tracks of a store among the sessions of its peers, and keeps them coming: one subscription to each publisher of a wanted
/// track however many subscribers it has. Each object is taken from whoever gives it first. One thread; the store outlives the relay,
/// the relay outlives its peers.
class relay final : public track_finder {
public:
  relay(relay_config config, track_store& store, relay_watcher& watcher);
  ~relay() override;
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  void on_tick(base::mono_time now);
  /// When on_tick must be called at the latest.
  std::optional<base::mono_time> deadline() const { return due_; }
  const relay_counters& counters() const { return counters_; }
  size_t tracks() const;      ///< that are relayed now
  size_t publishers() const;  ///< sessions that offer something
  size_t subscribers() const; ///< requests that want a track now
  size_t cached_bytes() const { return store_.cached_bytes(); }
  uint64_t objects_cut_off() const { return store_.parts_cut_off(); } ///< of those begun, of which nobody had the rest

  // track_finder
  std::optional<request_error> wanted(const full_track_name& name, base::mono_time now) override;
  void unwanted(const full_track_name& name) override;
  std::shared_ptr<const fill> bring(track& t, location first, location last, base::mono_time now) override;

private:
  friend class relay_peer;
  struct job;
  struct taken;
  struct relayed;

  // relay.cpp: who has what is wanted
  void join(relay_peer& peer);
  void leave(relay_peer& peer);
  std::optional<request_error> offered(relay_peer& peer, request_id request, const track_namespace& ns);
  void withdrawn(relay_peer& peer, request_id request);
  void learned(relay_peer& peer, request_id request, const track_namespace& ns, bool active);
  void tell_upstream(relay_peer& up, const track_namespace& ns);
  void look_again(relay_peer& peer, const track_namespace& ns);
  void ask(relayed& w);
  void ask_upstream(relayed& w, uint64_t cost_min);
  static bool has_cheaper(const relayed& w, const relay_peer& than);
  void ask(relayed& w, relay_peer& peer);
  void taken_ok(relay_peer& peer, request_id id, const subscribe_ok& ok);
  void lost(relay_peer& peer, request_id id, bool final, uint64_t status, const request_error& why);
  void drop(relayed& w, std::string_view reason);
  void wake(base::mono_time at);
  void tick(relayed& w);
  bool is_over(relayed& w);
  void keep_within_bounds();

  void denied(relay_peer& peer, request_id id, const request_error& why);
  void ask_denied(relayed& w);
  std::optional<request_error> establish(relayed& w, taken& u, const track_properties& properties, std::optional<location> largest);

  // relay_leave.cpp: publishers that leave, or cost more than others
  void release_leaving();
  void drop_unoffered(relayed& w);
  static bool is_left_for(const taken& u, const taken& other);
  bool is_spare(const relayed& w, const taken& leaving) const;

  // relay_publish.cpp: what is pushed
  publish_answer published(relay_peer& peer, request_id id, const publish& m);
  static bool needed(const relayed& w);
  static bool is_pushed(const relayed& w);

  // relay_objects.cpp: what comes of it
  void begun(relay_peer& peer, request_id id, uint64_t group, uint64_t subgroup, stream_facts facts);
  void object_came(relay_peer& peer, request_id id, const object& o);
  void ended(relay_peer& peer, request_id id, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset);
  void settle(relayed& w, uint64_t group, uint64_t subgroup, uint64_t code);
  void settle_all(relayed& w, uint64_t code);
  void note_conflict(relayed& w, const object& other, const std::string& from);
  void begin_subgroup(taken& u, uint64_t group, uint64_t subgroup, stream_facts facts);
  void take(relayed& w, taken& u, const object& o);
  void end_subgroup(relayed& w, taken& u, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset);
  static bool can_go_on(const taken& from, location next, uint64_t subgroup);
  static bool goes_on(const relayed& w, location next, uint64_t subgroup);
  void give_up(relayed& w, uint64_t group, uint64_t subgroup, uint64_t code);

  // relay_parts.cpp: objects of which not all has come
  void part_came(relay_peer& peer, request_id id, const object_part& p);
  void contradicted(relayed& w, taken& u, const object& other);
  void cut_off(relayed& w);

  // relay_screen.cpp: what the gate says of it
  struct event;
  bool is_closed(relayed& w);
  void take_along(relayed& w);
  bool waits(relayed& w, taken& u, uint64_t group, event e);
  void go_on(relayed& w, uint64_t source, uint64_t group);
  void go_no_further(taken& u, uint64_t group, relay_gate::verdict why);
  void decide();
  void blame(relayed& w, uint64_t source, const std::string& why);
  bool is_barred(const relay_peer& peer, const full_track_name& name) const;
  bool passes(job& j, const object& o);

  // relay_fill.cpp: what is fetched of it
  bool start(job& j);
  void filled(relay_peer& peer, request_id id, const object& o);
  void finish(job& j, fill::state is);
  void abandon(relay_peer& peer, relayed* of);

  relay_config config_;
  track_store& store_;
  relay_watcher& watcher_;
  relay_counters counters_;
  base::mono_time now_{};
  std::optional<base::mono_time> due_;
  base::mono_time look_at_{}; ///< at the age of what is held
  uint64_t sources_ = 0; ///< subscriptions upstream that ever were
  bool deciding_ = false;
  std::vector<relay_peer*> peers_;
  std::unordered_map<full_track_name, std::unique_ptr<relayed>> tracks_;
};

/// One session of a relay: what lies above it. It may publish, subscribe, or both.
class relay_peer final : public upper_layer {
public:
  /// `name`: for people. `upstream`: the peer is a relay that this one uses: it is asked for what nobody else offers, and told what they do.
  /// `cost`, of such: the cheapest that have a track are asked for it, others when those fail.
  relay_peer(relay& home, std::string name, bool upstream, uint32_t cost = 0);
  /// As if its session had closed.
  ~relay_peer() override;
  relay_peer(const relay_peer&) = delete;
  relay_peer& operator=(const relay_peer&) = delete;

  /// Its session, before anything happens there.
  void bind(session& s) { session_ = &s; }
  /// Calls `tell` when the session is set up.
  void on_up(std::function<void(const peer_setup&)> tell) { tell_up_ = std::move(tell); }
  /// Calls `tell` when the peer asks for this session to end (upper_layer::on_goaway).
  void on_leave(std::function<void(std::string_view uri, uint64_t timeout_ms)> tell) { tell_leave_ = std::move(tell); }
  /// Nothing is taken or fetched from it any more. It comes to that after a GOAWAY: each track is left when another publisher has all that
  /// may still come of it.
  bool is_left() const { return subscriptions_.empty() && fetches_.empty(); }

  // upper_layer
  void on_setup(const peer_setup& setup) override;
  void on_closed(uint64_t code, std::string_view reason) override;
  void on_goaway(std::string_view uri, uint64_t timeout_ms) override;
  void on_subscribe_ok(request_id id, const subscribe_ok& ok) override;
  void on_request_error(request_id id, const request_error& e) override;
  void on_subgroup_begin(request_id id, uint64_t group, uint64_t subgroup, bool from_start, bool ends_group) override;
  void on_object(request_id id, const object& o) override;
  void on_object_part(request_id id, const object_part& p) override;
  void on_subgroup_end(request_id id, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end_of_group) override;
  publish_answer on_publish(request_id id, const publish& m) override;
  void on_publish_done(request_id id, uint64_t status, std::string_view reason, uint64_t stream_count) override;
  void on_fetch_gap(request_id id, location last, bool unknown) override;
  void on_fetch_end(request_id id, std::optional<uint64_t> reset) override;
  void on_namespace(request_id id, const track_namespace& suffix, bool active) override;
  std::optional<request_error> on_publish_namespace(request_id id, const track_namespace& ns) override;
  void on_publish_namespace_done(request_id id, const track_namespace& ns) override;

private:
  friend class relay;
  /// At the time of its session.
  relay& home();
  /// True if a namespace that it offers is a prefix of `ns`.
  bool offers(const track_namespace& ns) const;

  relay& home_;
  std::string name_;
  bool upstream_;
  uint32_t cost_;
  bool up_ = false; ///< requests may be made
  bool denied_ = false;  ///< a track may remember that it did not have it (relayed::denied)
  bool leaving_ = false; ///< asked for the end of its session: nothing new is asked of it
  std::function<void(const peer_setup&)> tell_up_;
  std::function<void(std::string_view, uint64_t)> tell_leave_;
  session* session_ = nullptr;
  std::map<request_id, relay::relayed*> subscriptions_;
  std::map<request_id, relay::job*> fetches_;
  std::map<request_id, track_namespace> offers_;         ///< of the peer, by its request
  std::map<request_id, hop_path> ways_;                  ///< of those
  std::map<track_namespace, hop_path> learned_;          ///< of an upstream relay, and not our own coming back
  struct told {
    request_id id = no_request;
    hop_path hops; ///< the way that it was told
  };
  std::map<track_namespace, told> told_;                 ///< to an upstream relay
  std::map<full_track_name, size_t> false_;              ///< of what it gave, the gate refused so much
};

} // namespace ec::moq
