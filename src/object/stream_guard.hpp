#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "manifest/verifier.hpp"
#include "object/cipher.hpp"
#include "object/format.hpp"

namespace ec::object {

/// What a guard makes of something.
enum class guarded : uint8_t {
  right,   ///< a trusted manifest vouches for it, or it is one
  waits,   ///< nothing speaks against it, and nothing for it yet
  useless, ///< nothing new, too late, or about something that is not here: not to be passed on, and no fault of who gave it
  wrong,   ///< not what the stream's key sealed, not what a trusted manifest lists, or nobody's word who is trusted
};

struct guard_answer {
  guarded is = guarded::waits;
  std::string why{}; ///< for a person, of useless and wrong
};

/// A group of one source about which something is known now. It waited until then.
struct guard_decision {
  uint64_t source = 0;
  track on = track::chunks;
  uint64_t group = 0;
  guarded is = guarded::right; ///< never waits
  std::string why{};
};

/// Judges what a relay is given of one stream, so that it passes on only what a trusted manifest lists: a chunk's objects wait until its
/// tail lists them and a manifest lists the tail's digest. Each source has groups of its own: what one says speaks for no other. Holds
/// digests, no payloads. Pure; one thread. The caller bounds the sources.
class stream_guard {
public:
  /// `profile`: of the stream id.
  stream_guard(stream_cipher cipher, manifest::verifier verifier, std::string profile);

  /// One object of track `manifests`. May decide groups.
  guard_answer manifest(uint64_t group, const base::bytes& payload, base::wall_time wall);
  /// One object of a chunk's group, in the order of their ids from each source. Right if the group is found right already, or with this one; then
  /// all that waited of it is right too, and no decision follows.
  guard_answer push(uint64_t source, track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload, base::mono_time now);
  /// One object out of order, as a fetch brings it: right only if it is part of a chunk of which some source's whole group was right.
  guard_answer match(track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload) const;

  /// What manifests decided since the last call.
  std::vector<guard_decision> take_decisions() { return std::exchange(decisions_, {}); }
  /// Groups that began before `since` and are not decided: wrong if a trusted manifest lists another chunk there, else useless.
  void expire(base::mono_time since);
  /// The source is gone.
  void forget(uint64_t source);

  const manifest::verifier& verifier() const { return verifier_; }
  /// Groups that wait.
  size_t waiting() const;

private:
  struct piece_facts {
    crypto::digest digest;
    size_t size = 0;
  };
  struct group_state {
    base::mono_time since{};
    std::optional<chunk_head> head;
    std::map<uint32_t, piece_facts> pieces; ///< by place
    std::optional<chunk_tail> tail;
    guarded is = guarded::waits;
    std::string why;
  };
  using place = std::tuple<uint64_t, track, uint64_t>; ///< source, track, group
  struct proven {
    chunk_tail tail;
    crypto::digest digest;
  };

  guard_answer take_head(group_state& g, track on, std::span<const uint8_t> payload) const;
  guard_answer take_piece(group_state& g, track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload) const;
  guard_answer take_tail(group_state& g, track on, uint64_t object, std::span<const uint8_t> payload) const;
  /// True if a manifest that counts lists it.
  bool listed(track on, uint64_t group, const crypto::digest& digest) const;
  void prove(track on, uint64_t group, const chunk_tail& tail);
  void make_room(uint64_t source);

  stream_cipher cipher_;
  manifest::verifier verifier_;
  std::string profile_;
  std::map<place, group_state> groups_;
  std::map<std::pair<track, uint64_t>, proven> proven_;
  std::vector<guard_decision> decisions_;
};

} // namespace ec::object
