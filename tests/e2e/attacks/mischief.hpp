#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/messages.hpp"
#include "base/clock.hpp"
#include "crypto/keys.hpp"
#include "manifest/attestation.hpp"
#include "object/sealer.hpp"
#include "ts/chunk.hpp"

/// What an attacker publishes in place of what it received: one thing wrong, all the rest right.
namespace ec::attack {

/// The one thing. Objects first, then manifests; docs/security.md says which rule stops each.
enum class wrong {
  flipped_bytes,         ///< a bit of every sealed piece
  false_reading,         ///< a bit of the broadcast, sealed by the rules, with the tail that belongs to it
  swapped_groups,        ///< each two neighbouring chunks, exchanged
  replayed_old_chunks,   ///< the bytes of an earlier chunk, sealed for this one
  truncated,             ///< pieces cut short
  oversized,             ///< pieces and tails over their limit
  endless_objects,       ///< objects behind the tail, and groups of the future that never end
  other_stream,          ///< sealed for another stream
  head_payload_disagree, ///< a head that is not that of its chunk
  merkle_length,         ///< a proof longer than its tree is high
  merkle_position,       ///< a proof for another place
  forged_manifest,       ///< a manifest of a false reading, in the name of a trusted key that did not sign it
  untrusted_key,         ///< the same, signed by a key of its own
  revoked_key,           ///< the same, signed by a key that was trusted until its owner revoked it
  rolled_back_manifest,  ///< an older one, when its chain is long since elsewhere
  stale_manifest,        ///< one that was signed seven hours ago
  far_future,            ///< manifests of more chunks of the next years than anybody remembers
  mix_and_match,         ///< one epoch's manifest in the place of another's
  freeze,                ///< no manifest after the second
  equivocation,          ///< two contents for each epoch
  tiny_manifests,        ///< a flood
  json_depth,
  json_length,
  json_numbers,
};

/// "flipped-bytes"; nothing for what is none of them.
std::optional<wrong> wrong_of(std::string_view name);
/// All of them, for the usage text.
std::vector<std::string_view> names();

struct mischief_config {
  wrong what = wrong::flipped_bytes;
  std::string stream_id;
  std::optional<crypto::signing_key> key;         ///< of a trusted signer; unset: one of its own
  std::optional<crypto::verifying_key> claimed;   ///< forged_manifest, tiny_manifests: in whose name
  uint64_t count = 20'000;                        ///< tiny_manifests: how many
  std::function<base::wall_time()> wall = base::wall_now; ///< what it dates its words with
};

/// Takes what a chunk cutter says and gives what the endpoint is told.
class mischief {
public:
  using sink = std::function<void(actors::publish_op)>;

  mischief(mischief_config config, sink out);

  void on(const ts::cut_event& event);

private:
  /// A signer that need not tell the truth.
  struct voice {
    crypto::signing_key key;
    uint64_t sequence = 0;
    std::optional<crypto::digest> previous;
  };

  void opened(const ts::chunk_opened& e);
  void piece(const ts::piece_released& e);
  void whole(const ts::chunk_whole& e);
  void broken(uint64_t index);

  std::vector<uint8_t> plaintext(const ts::piece_released& e);
  void publish(object::sealed_object o);
  void publish_tail(object::sealed_object o, const object::sealed_chunk& chunk);
  void put(uint64_t group, uint64_t object, base::bytes payload);
  void end_group(uint64_t group);
  void overflow(uint64_t group, uint64_t from);
  void overrun(uint64_t group);

  void manifest_of(const object::sealed_chunk& chunk);
  manifest::content content_of(uint64_t index, const crypto::digest& digest) const;
  manifest::attestation say(const manifest::content& c, std::chrono::milliseconds ago = {});
  void put_manifest(uint64_t group, std::vector<uint8_t> payload);
  void flood(uint64_t index);

  mischief_config config_;
  sink out_;
  std::shared_ptr<const moq::full_track_name> chunks_;
  std::shared_ptr<const moq::full_track_name> manifests_;
  object::sealer sealer_;
  voice voice_;
  uint64_t first_pts_ = 0;
  std::map<uint32_t, std::vector<uint8_t>> old_;       ///< pieces of the first chunk, by place
  std::optional<uint64_t> old_of_;
  uint64_t first_sequence_ = 0;
  uint64_t signed_ = 0;    ///< chunks that were spoken of
  uint64_t overran_ = 0;   ///< groups of the future
  uint64_t flooded_ = 0;   ///< tiny manifests
  std::map<uint64_t, uint64_t> manifest_objects_; ///< next object id by group
};

} // namespace ec::attack
