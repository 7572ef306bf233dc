#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "moq/message.hpp"
#include "moq/types.hpp"

/// What a publisher offers: tracks with the groups it still holds. Shared by all sessions of one endpoint, on one thread.
namespace ec::moq {

class track;
class track_finder;
class track_store;

/// How a track is offered. `properties` go to every subscriber.
struct track_config {
  uint8_t priority = 128; ///< publisher priority of objects that the track announces as its default; lower first
  group_order order = group_order::ascending;
  /// Every group has exactly one subgroup: its stream then says that its FIN ends the group.
  bool single_subgroup = true;
  /// Objects may carry properties: costs one byte for each object that does not.
  bool object_properties = false;
  bool datagrams = false; ///< every object is published as a datagram; what is too large for a path is lost on it
  size_t cache_groups_max = base::limits::moq_track_cache_groups;
  /// Payload, properties and a charge for each object. Whole groups leave first; of the newest its first objects. What fetches wait for may
  /// take as much again.
  size_t cache_bytes_max = base::limits::moq_track_cache_bytes;
  std::optional<uint64_t> object_delivery_timeout_ms;
  std::optional<uint64_t> subgroup_delivery_timeout_ms;
  std::optional<uint64_t> max_cache_duration_ms;
  std::optional<bool> dynamic_groups;
  bool announced = true; ///< its namespace is announced for as long as it is here
  std::vector<track_properties::other> properties; ///< further properties, ascending by type
};

/// What the stream that an object came on says of its subgroup.
struct stream_facts {
  bool from_start = true;  ///< it began with the first object of the subgroup
  bool ends_group = false; ///< the group ends where it does
};

/// Objects that are brought from elsewhere for who fetches them. While a session holds it, what it brought is not evicted.
struct fill {
  enum class state {
    asked,   ///< `store_observer::on_filled` follows
    whole,   ///< what is not held does not exist
    unknown, ///< of what is not held nothing is known
    failed,  ///< nothing came: `error`
  };
  state is = state::asked;
  request_error error;
};

/// Hears of every change to a track. Sessions are observers; a test or a relay may be one too. An observer may remove
/// itself (or another) from inside a call.
class track_observer {
public:
  virtual ~track_observer() = default;
  /// `first_of_subgroup`: no object of this subgroup came before.
  virtual void on_append(track& t, const object& o, bool first_of_subgroup, base::mono_time now) = 0;
  /// More is there of an object that is not whole yet: `p` begins with what was told of it before. on_append follows when it is
  /// whole, on_reset_subgroup if it will not be.
  virtual void on_part(track& /*t*/, const object_part& /*p*/, bool /*first_of_subgroup*/, base::mono_time /*now*/) {}
  virtual void on_end_subgroup(track& t, uint64_t group, uint64_t subgroup, base::mono_time now) = 0;
  virtual void on_end_group(track& t, uint64_t group, base::mono_time now) = 0;
  virtual void on_reset_subgroup(track& /*t*/, uint64_t /*group*/, uint64_t /*subgroup*/, uint64_t /*code*/, base::mono_time /*now*/) {}
  virtual void on_reset_group(track& t, uint64_t group, uint64_t code, base::mono_time now) = 0;
  /// The last call for this track; it is forgotten as an observer already.
  virtual void on_end_track(track& t, uint64_t status, std::string_view reason, base::mono_time now) = 0;
};

/// Hears which tracks and namespaces a store offers.
class store_observer {
public:
  virtual ~store_observer() = default;
  virtual void on_track_added(track& t, base::mono_time now) = 0;
  /// The track ended before and is being destroyed: let go of it.
  virtual void on_track_removed(track& t, base::mono_time now) = 0;
  /// A namespace is offered now, or no longer; or the ways to it changed (track_store::namespaces), while it is `active`.
  virtual void on_namespace(const track_namespace& ns, bool active, base::mono_time now) = 0;
  /// What was asked for by track_finder::wanted is not to be had now.
  virtual void on_track_refused(const full_track_name& /*name*/, const request_error& /*why*/, base::mono_time /*now*/) {}
  /// What track_finder::fill asked for came, or will not.
  virtual void on_filled(const fill& /*what*/, base::mono_time /*now*/) {}
  /// The store is being destroyed; forget it.
  virtual void on_store_gone() = 0;
};

/// One group as far as a track still holds it.
struct cached_group {
  struct subgroup_state {
    uint64_t first = 0;
    std::optional<uint64_t> last; ///< the last whole object; none: only `part` is there
    std::unique_ptr<object_part> part; ///< the object behind it, of which not all has come: no fetch sees it
    bool from_start = true;  ///< `first` is its first object
    bool ended = false;
    bool was_reset = false;  ///< ended before its end
    bool ends_group = false; ///< the group ends where it does
    uint8_t priority = 128;
  };
  std::map<uint64_t, object> objects; ///< whole ones, by object id
  std::map<uint64_t, subgroup_state> subgroups;
  uint64_t largest = 0; ///< largest object id ever published in it
  size_t bytes = 0;
  bool ended = false;
  bool was_reset = false; ///< what was published is no longer offered: its state is unknown to who asks
  bool for_fetch = false; ///< it came back: who is subscribed had its end, who asks gets it
  std::optional<uint64_t> trimmed; ///< objects up to this one may have existed and left before their group
  base::mono_time since{}; ///< its first object came
  std::vector<std::weak_ptr<const fill>> pins; ///< while one of them lives it is not evicted

  /// The subgroup of an object that is under way in it; null if it is not.
  subgroup_state* under_way(const object& o);
  /// What there is of object `id`, if that is under way; null otherwise.
  const object_part* part(uint64_t id) const;
  /// The first object that is under way.
  const object_part* part() const;
};

/// The header of the object that was published last, as a session encoded it; most subscribers get the same.
struct encoded_head {
  const void* by = nullptr; ///< the version's codec
  location at;
  std::optional<uint64_t> previous; ///< object before it on its stream
  bool has_properties = false;
  base::bytes bytes;
};

class track {
public:
  const full_track_name& name() const { return name_; }
  const track_config& config() const { return config_; }
  /// What SUBSCRIBE_OK and FETCH_OK say of it.
  const track_properties& properties() const { return properties_; }
  /// Largest location published so far; nothing before the first object.
  std::optional<location> largest() const { return largest_; }
  bool ended() const { return ended_; }
  uint64_t end_status() const { return end_status_; }
  const std::string& end_reason() const { return end_reason_; }
  /// Groups still held, by id.
  const std::map<uint64_t, cached_group>& groups() const { return groups_; }
  /// Objects up to here may have existed and are no longer held.
  std::optional<location> evicted_through() const { return evicted_; }
  /// Bytes charged against `cache_bytes_max`.
  size_t cached_bytes() const { return bytes_; }

  void observe(track_observer& who);
  void forget(track_observer& who);
  size_t observers() const;
  /// For the sessions that serve it.
  encoded_head& head() { return head_; }

private:
  friend class track_store;
  template <class Call>
  void tell(Call call);

  full_track_name name_;
  track_config config_;
  track_properties properties_;
  std::map<uint64_t, cached_group> groups_;
  std::optional<location> largest_;
  std::optional<location> evicted_;
  size_t bytes_ = 0;
  bool ended_ = false;
  uint64_t end_status_ = 0;
  std::string end_reason_;
  std::vector<track_observer*> observers_; // null: forgotten while a call was under way
  size_t telling_ = 0;
  encoded_head head_;
};

/// Finds what a store lacks: a relay. Called by sessions, on the store's thread.
class track_finder {
public:
  virtual ~track_finder() = default;
  /// Somebody asks for the track, until `unwanted`. Nothing: the store has it, or it is being asked for and `on_track_added` or
  /// `on_track_refused` follow. Otherwise the reason why nobody can be asked now; it may still be added later.
  virtual std::optional<request_error> wanted(const full_track_name& name, base::mono_time now) = 0;
  virtual void unwanted(const full_track_name& name) = 0;
  /// Somebody fetches `first` to `last`, inclusive. Null: all that exists of it is held.
  virtual std::shared_ptr<const fill> bring(track& t, location first, location last, base::mono_time now) = 0;
};

/// Tracks by name, and the namespaces that they are in. Destroy sessions before the store, or after: they let go of it.
class track_store {
public:
  track_store() = default;
  ~track_store();
  track_store(const track_store&) = delete;
  track_store& operator=(const track_store&) = delete;

  /// Offers a new track; its namespace is announced to who subscribed to a prefix. Errors: exists, invalid_argument (the
  /// name is too long or under a reserved namespace).
  /// `largest`: what was published before, elsewhere.
  [[nodiscard]] base::result<track*> add(full_track_name name, track_config config, base::mono_time now, std::optional<location> largest = {});
  track* find(const full_track_name& name);
  /// All tracks whose namespace begins with `prefix`, by name.
  std::vector<track*> under(const track_namespace& prefix);
  /// Ends every subscription of the track with `status` and `reason` (done_code). It stays for FETCH until removed.
  void end_track(track& t, uint64_t status, std::string_view reason, base::mono_time now);
  /// Ends the track if it has not ended, and forgets it with all its objects; `t` dangles afterwards.
  void remove(track& t, base::mono_time now);

  /// Publishes one object to every subscription and keeps it. Objects of a subgroup come in ascending order. The payload
  /// is shared, never copied. Errors: exists (the same object was published before, with the same bytes: harmless),
  /// mismatch (with other bytes: that would make the track malformed), invalid_argument (out of order, behind the end of
  /// its group or subgroup, in a group that was reset or evicted, a second subgroup where there may be one, another
  /// priority within a subgroup), too_large, closed (the track has ended).
  [[nodiscard]] base::result<void> append(track& t, object o, base::mono_time now, stream_facts facts = {});
  /// Publishes the beginning of an object, or more of it: `append` with the whole ends it. Each subscription gets what it has not got yet, one that
  /// begins meanwhile all of it; nobody else sees it before its end. What is there is charged, not what is promised. Errors as for append:
  /// exists (it is whole already), mismatch (it does not begin with what is there).
  [[nodiscard]] base::result<void> append_part(track& t, const object_part& p, base::mono_time now, stream_facts facts = {});
  /// Objects of which only the beginning ever came.
  uint64_t parts_cut_off() const { return parts_cut_off_; }
  /// Keeps an object that exists already, for who fetches; subscriptions are told nothing of it. `by`: it is not evicted before that
  /// is let go. Errors: exists, mismatch, too_large, as for append.
  [[nodiscard]] base::result<void> keep(track& t, object o, const std::shared_ptr<const fill>& by, base::mono_time now);
  /// All objects of a group that only `keep` brought are held.
  void kept_whole(track& t, uint64_t group);
  /// More was published elsewhere than came here.
  void raise_largest(track& t, location largest);
  /// No further object will come in the subgroup: its streams end. Nothing happens if it is not there.
  void end_subgroup(track& t, uint64_t group, uint64_t subgroup, base::mono_time now);
  /// No further object will come in the group: all its streams end.
  void end_group(track& t, uint64_t group, base::mono_time now);
  /// The group turned out bad: its streams are reset with `code` (reset_code), its objects forgotten, and what is
  /// appended to it later is refused.
  void reset_group(track& t, uint64_t group, uint64_t code, base::mono_time now);

  /// The subgroup ended before its end: its streams are reset with `code`. What came of it stays, for who fetches.
  void reset_subgroup(track& t, uint64_t group, uint64_t subgroup, uint64_t code, base::mono_time now);

  /// Forgets the oldest group that is neither the newest nor pinned. False: there is none.
  bool drop_oldest(track& t);
  /// Forgets the first objects of the newest group, pinned or not, until the track holds `bytes` at most or nothing is left of the group.
  /// Subscriptions see nothing of it. How many objects left.
  size_t trim_newest(track& t, size_t bytes);
  /// Forgets such groups that came before `since`.
  void drop_before(track& t, base::mono_time since);
  /// Bytes charged for the objects of all tracks.
  size_t cached_bytes() const { return bytes_; }

  /// Who finds what is not here; null: nobody. It must outlive the store, or be unset.
  void find_with(track_finder* finder) { finder_->who = finder; }
  /// Somebody wants the track for as long as the result is held. Sets `no` if it is neither here nor asked for.
  std::shared_ptr<const void> want(const full_track_name& name, base::mono_time now, std::optional<request_error>& no);
  /// Null: what is held is all that exists. Otherwise what is brought for it.
  std::shared_ptr<const fill> bring(track& t, location first, location last, base::mono_time now);
  /// Tells observers; for the finder.
  void refuse(const full_track_name& name, const request_error& why, base::mono_time now);
  void filled(const fill& what, base::mono_time now);

  /// A group that was reset is offered anew, from its first object on: to who fetches it. Subscriptions, whose streams of it have ended,
  /// are told nothing. Nothing happens if it was not reset.
  void restore_group(track& t, uint64_t group);

  /// Announces a namespace that has no track yet. Counted: each announce needs its withdraw.
  /// `hops`: through whom it came here; empty: it is this node's own, or nobody knows.
  void announce(const track_namespace& ns, base::mono_time now, const hop_path& hops = {});
  void withdraw(const track_namespace& ns, base::mono_time now, const hop_path& hops = {});
  /// All announced namespaces and those of tracks, each once, in order, with the ways to each.
  const std::map<track_namespace, std::vector<hop_path>>& namespaces() const { return namespaces_; }

  void observe(store_observer& who);
  void forget(store_observer& who);

private:
  struct finder_place {
    track_finder* who = nullptr;
  };

  base::result<cached_group*> group_for(track& t, const object& o, uint64_t payload_bytes, base::mono_time now);
  base::result<cached_group::subgroup_state*> subgroup_for(track& t, cached_group& group, const object& o, stream_facts facts);
  base::result<void> append_datagram(track& t, cached_group& group, const object& o, base::mono_time now);
  // track_parts.cpp
  base::result<void> append_rest(track& t, cached_group& group, cached_group::subgroup_state& sub, const object& o, base::mono_time now);
  void set_part(track& t, cached_group& group, cached_group::subgroup_state& sub, const object_part* p);
  void cut_off(track& t, uint64_t id, cached_group& group, uint64_t code, base::mono_time now);
  void evict(track& t);
  void hold(track& t, cached_group& g, const object& o);
  void drop(track& t, std::map<uint64_t, cached_group>::iterator group);

  std::unordered_map<full_track_name, std::unique_ptr<track>> tracks_;
  std::map<track_namespace, std::vector<hop_path>> namespaces_; ///< one for each announce
  std::vector<store_observer*> observers_;
  size_t bytes_ = 0;
  uint64_t parts_cut_off_ = 0;
  base::mono_time now_{}; ///< of the last object
  std::shared_ptr<finder_place> finder_ = std::make_shared<finder_place>(); ///< also held by each interest, which may outlive the store
};

} // namespace ec::moq
