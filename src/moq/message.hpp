#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "moq/types.hpp"

/// Control messages as values; a profile turns them into the bytes of one draft and back.
namespace ec::moq {

/// What a request stream is about: its first message [MOQT 3.2].
enum class request_kind { subscribe, publish, fetch, track_status, publish_namespace, subscribe_namespace, subscribe_tracks };

/// An authorization token as it stands in a message [MOQT 10.2.2].
struct auth_token {
  enum class alias_type : uint8_t { remove = 0, register_alias = 1, use_alias = 2, use_value = 3 };
  alias_type kind = alias_type::use_value;
  uint64_t alias = 0; ///< all kinds but use_value
  uint64_t type = 0;  ///< register_alias and use_value
  std::string value;  ///< register_alias and use_value

  bool operator==(const auth_token&) const = default;
};

/// Which objects of a track a subscription passes [MOQT 5.1.2].
struct subscription_filter {
  enum class kind : uint8_t {
    none = 0,           ///< everything published from now on; on the wire: no filter parameter
    next_group = 1,     ///< from the group after the largest
    largest_object = 2, ///< from the object after the largest
    absolute_start = 3, ///< from `start`
    absolute_range = 4, ///< from `start` to the end of group `end_group`
    unsupported = 250,  ///< a foreign type that is refused without closing the session
  };
  kind type = kind::none;
  location start;         ///< absolute kinds
  uint64_t end_group = 0; ///< absolute_range; inclusive, >= start.group

  bool operator==(const subscription_filter&) const = default;
};

/// The parameters of any control message; which may stand where is the profile's business [MOQT 10.2].
struct parameters {
  std::optional<uint64_t> object_delivery_timeout_ms;
  std::vector<auth_token> tokens;
  std::optional<uint64_t> rendezvous_timeout_ms;
  std::optional<uint64_t> subgroup_delivery_timeout_ms;
  std::optional<uint64_t> expires_ms;
  std::optional<location> largest;
  std::optional<uint64_t> fill_timeout_ms;
  std::optional<bool> forward;
  std::optional<uint8_t> priority; ///< subscriber priority, lower first; 128 if absent
  std::optional<subscription_filter> filter;
  std::optional<group_order> order;
  std::optional<uint64_t> new_group_request;
  std::optional<track_namespace> prefix;
  std::optional<hop_path> hops;       ///< of an announcement: the nodes that it went through, its sender last [MoQ Cluster]
  std::optional<uint64_t> route_cost; ///< of that way

  bool operator==(const parameters&) const = default;
};

/// Properties of a track that the transport knows, and all others as they stood on the wire [MOQT 12].
struct track_properties {
  std::optional<uint64_t> object_delivery_timeout_ms;
  std::optional<uint64_t> max_cache_duration_ms;
  std::optional<uint64_t> subgroup_delivery_timeout_ms;
  std::optional<uint8_t> priority;
  std::optional<group_order> order;
  std::optional<bool> dynamic_groups;
  /// Properties that the transport does not know. Even types: `number`; odd types: `value`.
  struct other {
    uint64_t type = 0;
    uint64_t number = 0;
    std::string value;
    bool operator==(const other&) const = default;
  };
  std::vector<other> others; ///< ascending by type
  /// Set by a decoder: a property that one must know to use the track, and that we do not know [MOQT 2.5.1].
  std::optional<uint64_t> mandatory_unknown;

  bool operator==(const track_properties&) const = default;
};

struct setup {
  std::optional<std::string> path;
  std::optional<std::string> authority;
  std::optional<std::string> implementation;
  uint64_t max_auth_token_cache_size = 0; ///< bytes
  std::vector<auth_token> tokens;
  std::optional<uint64_t> hop_id; ///< the sender's place in announcements, and that it tells their ways [MoQ Cluster]; 0: it keeps it to itself
  bool operator==(const setup&) const = default;
};

struct goaway {
  std::string uri;
  uint64_t timeout_ms = 0;           ///< 0: as soon as possible
  std::optional<request_id> first_unprocessed; ///< on the control stream only
  bool operator==(const goaway&) const = default;
};

struct subscribe {
  request_id id = 0;
  full_track_name track;
  parameters params;
  bool operator==(const subscribe&) const = default;
};

struct track_status {
  request_id id = 0;
  full_track_name track;
  parameters params;
  bool operator==(const track_status&) const = default;
};

struct subscribe_ok {
  uint64_t alias = 0;
  parameters params;
  track_properties properties;
  bool operator==(const subscribe_ok&) const = default;
};

struct request_ok {
  parameters params;
  track_properties properties; ///< only in answer to TRACK_STATUS
  bool operator==(const request_ok&) const = default;
};

/// Where to ask instead [MOQT 10.6.1].
struct redirect {
  std::string uri; ///< empty: the same session's
  full_track_name track;
  bool operator==(const redirect&) const = default;
};

struct request_error {
  uint64_t code = 0;
  std::optional<uint64_t> retry_after_ms; ///< unset: do not retry
  std::string reason;
  std::optional<redirect> to; ///< only with code redirect
  bool operator==(const request_error&) const = default;
};

struct request_update {
  request_id id = 0;
  parameters params;
  bool operator==(const request_update&) const = default;
};

struct publish {
  request_id id = 0;
  full_track_name track;
  uint64_t alias = 0;
  parameters params;
  track_properties properties;
  bool operator==(const publish&) const = default;
};

struct publish_done {
  /// Stands for "the publisher cannot tell".
  static constexpr uint64_t streams_unknown = (uint64_t{1} << 62) - 1;
  uint64_t status = 0;
  uint64_t stream_count = 0;
  std::string reason;
  bool operator==(const publish_done&) const = default;
};

struct fetch {
  enum class kind : uint8_t { standalone = 1, relative_joining = 2, absolute_joining = 3 };
  request_id id = 0;
  kind type = kind::standalone;
  full_track_name track;      ///< standalone
  location start;             ///< standalone
  location end;               ///< standalone; `object` is the last object plus 1, 0 is the whole group
  request_id joining_id = 0;  ///< joining
  uint64_t joining_start = 0; ///< joining: groups back from the joining location, or the group
  parameters params;
  bool operator==(const fetch&) const = default;
};

struct fetch_ok {
  bool end_of_track = false;
  location end; ///< as in `fetch::end`
  parameters params;
  track_properties properties;
  bool operator==(const fetch_ok&) const = default;
};

struct publish_namespace {
  request_id id = 0;
  track_namespace ns;
  parameters params;
  bool operator==(const publish_namespace&) const = default;
};

struct subscribe_namespace {
  request_id id = 0;
  track_namespace prefix;
  parameters params;
  bool operator==(const subscribe_namespace&) const = default;
};

struct subscribe_tracks {
  request_id id = 0;
  track_namespace prefix;
  parameters params;
  bool operator==(const subscribe_tracks&) const = default;
};

struct namespace_active {
  track_namespace suffix;
  std::optional<hop_path> hops{};       ///< as in parameters
  std::optional<uint64_t> route_cost{};
  bool operator==(const namespace_active&) const = default;
};

struct namespace_done {
  track_namespace suffix;
  bool operator==(const namespace_done&) const = default;
};

struct publish_blocked {
  full_track_name suffix;
  bool operator==(const publish_blocked&) const = default;
};

using message = std::variant<setup, goaway, subscribe, subscribe_ok, request_ok, request_error, request_update, publish,
                             publish_done, fetch, fetch_ok, track_status, publish_namespace, subscribe_namespace,
                             subscribe_tracks, namespace_active, namespace_done, publish_blocked>;

} // namespace ec::moq
