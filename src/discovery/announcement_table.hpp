#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "discovery/announcement.hpp"
#include "discovery/rate.hpp"

namespace ec::discovery {

/// The ways by which announcements travel.
enum class carrier_kind { self, directory, gossip, dht, mdns, post };
/// Stable names for events: "self", "directory", "gossip", "dht", "mdns"; "post": to a directory.
std::string_view name(carrier_kind by);

/// Who brought an announcement.
struct origin {
  carrier_kind by = carrier_kind::self;
  std::string address; ///< "192.0.2.7:4443", "[2001:db8::1]:80": the peer's, not the signer's
};

/// What became of an announcement.
enum class verdict {
  added,            ///< a source of a stream that was not known
  renewed,          ///< a newer one of a known source
  withdrawn,        ///< its source says that it has the stream no more
  duplicate,        ///< known already, byte for byte
  too_large,
  malformed,
  unsupported,      ///< of another version
  expired,
  from_future,      ///< its signer's clock is too far ahead of ours
  replayed,         ///< older than one that is known
  over_address_rate,///< its bringer brings more than it may
  over_key_rate,    ///< its signer says more than he may
  over_check_rate,  ///< this node checks no more signatures now
  full_address,     ///< its bringer brought as many as it may
  full_key,         ///< its signer stands for as many as he may
  full_stream,      ///< the stream has as many sources as are kept
  full,             ///< the table has no room
  bad_signature,
  equivocation,     ///< its signer said something else under the same sequence: the first stays
};
inline constexpr size_t verdicts = static_cast<size_t>(verdict::equivocation) + 1;
/// Stable name for counters and events: "over_address_rate".
std::string_view name(verdict v);
/// True if the announcement counts from now on: it is to be passed on.
bool accepted(verdict v);

/// One source of one stream, as it stands in a table.
struct source {
  std::shared_ptr<const announcement> what; ///< genuine; never null
  base::bytes encoded;                      ///< its bytes
  origin from;                              ///< who brought this version first
  uint64_t version = 0;                     ///< of its table, when it was taken
};

struct table_limits {
  size_t announcements = base::limits::announcements_max;
  size_t per_key = base::limits::announcements_per_key_max;
  size_t per_address = base::limits::announcements_per_address_max; ///< of a directory: `announcements`
  size_t per_stream = base::limits::announcements_per_stream_max;
};

/// The announcements that count now. Bytes and times in, verdicts out; what is over a limit is refused before a signature is checked. A
/// forged announcement leaves no trace but counters, and takes nothing from the signer whose name it bears.
class announcement_table {
public:
  explicit announcement_table(const table_limits& limits = {}) : limits_(limits) {}

  struct outcome {
    verdict what = verdict::malformed;
    std::string reason;               ///< of a refusal, for a person
    std::optional<source> now_counts; ///< accepted(): what was taken
  };
  /// Judges one announcement. `now` paces and forgets, `wall` is compared with the signer's clock.
  outcome push(std::span<const uint8_t> encoded, const origin& from, base::wall_time wall, base::mono_time now);

  /// Forgets what has expired; gives the sources that do not count any more.
  std::vector<source> expire(base::mono_time now);
  /// When expire() has something to do; nothing in an empty table.
  std::optional<base::mono_time> deadline() const;

  /// Who has the stream by any of its names, those that call it `id` first; by signer and node.
  std::vector<source> find(const identity::stream_id& id) const;
  /// Everything that counts, by stream, signer and node.
  std::vector<source> all() const;
  /// What was taken after `version` and is still known, withdrawals too, oldest first.
  std::vector<source> since(uint64_t version) const;

  size_t size() const { return entries_.size(); }
  /// Changes with what find() and all() say.
  uint64_t version() const { return version_; }
  uint64_t count(verdict v) const { return counts_[static_cast<size_t>(v)]; }
  uint64_t signatures_checked() const { return checked_; }
  /// Sources that made room for others.
  uint64_t crowded_out() const { return crowded_out_; }

private:
  /// Whose word this is, on what.
  using slot = std::tuple<std::string, crypto::verifying_key, std::string>; // stream id, signer, source node
  struct entry {
    source it;
    std::string address; ///< without its port, whose share this is
    carrier_kind by = carrier_kind::self;
    base::mono_time counts_until;
    base::mono_time known_until; ///< older words are told from new ones until here
    bool gone = false;           ///< withdrawn or expired: known only
  };

  outcome refuse(verdict v, std::string reason);
  outcome judge(std::span<const uint8_t> encoded, const origin& from, base::wall_time wall, base::mono_time now);
  std::optional<outcome> no_room(const announcement& a, const origin& from, const std::string& address);
  bool crowd_out(const std::string& newcomer);
  void link(const slot& key, const entry& e);
  void unlink(const slot& key, const entry& e);
  void erase(std::map<slot, entry>::iterator at);
  size_t share(const std::string& address, carrier_kind by) const;

  table_limits limits_;
  std::map<slot, entry> entries_;
  std::map<std::string, std::set<slot>> by_name_;     ///< stream id or alias id -> who bears it; those that count
  std::map<std::string, size_t> by_stream_;           ///< stream id -> entries, and so below
  std::map<crypto::verifying_key, size_t> by_key_;
  std::map<std::string, size_t> by_address_;
  std::multimap<base::mono_time, slot> due_;          ///< next moment at which something ends for it
  rate_table<std::string> address_rates_{base::limits::announcement_addresses_max};
  rate_table<crypto::verifying_key> key_rates_{base::limits::announcements_max};
  bucket checks_;
  uint64_t version_ = 0;
  uint64_t checked_ = 0;
  uint64_t crowded_out_ = 0;
  std::array<uint64_t, verdicts> counts_{};
};

/// An address without its port, and of IPv6 without the half that its owner chooses: who counts as one.
std::string neighbourhood(std::string_view address);

} // namespace ec::discovery
