#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "crypto/keys.hpp"
#include "manifest/verifier.hpp"
#include "object/cipher.hpp"
#include "object/object_file.hpp"

namespace ec::object {

/// One thing that is wrong in an object file.
struct file_fault {
  std::string about; ///< "chunk 40, object 3 (byte 70211)"
  std::string text;
};

/// What an object file holds, as far as it was judged.
struct file_totals {
  uint64_t records = 0;
  uint64_t manifests = 0;      ///< manifest objects of which something counts
  uint64_t pieces = 0;         ///< that open at their place
  uint64_t chunks_right = 0;   ///< whole: every object right, and a trusted manifest lists the digest
  uint64_t damaged_right = 0;  ///< the same of damaged versions
  uint64_t groups_wrong = 0;   ///< with at least one fault, or listed by nobody who counts
  uint64_t bytes_right = 0;    ///< plaintext of what is right
};

/// Judges the records of an object file in their order, by nothing but the keys: opens every piece, compares it with the tail,
/// the tail with the manifests in front of it, and those with the signers. Pure; holds the digests of one chunk.
class file_checker {
public:
  /// `profile`: of the stream id; every head must name it.
  file_checker(stream_cipher cipher, manifest::verifier verifier, std::string profile);

  /// The next record, which begins at byte `position`; `now` is for manifests with bounds on their age. What is wrong with it,
  /// or with a group that ends too early because of it.
  std::vector<file_fault> push(const file_record& r, uint64_t position, base::wall_time now);
  /// That was all.
  std::vector<file_fault> finish();

  const file_totals& totals() const { return totals_; }
  /// Whose attestations counted.
  const std::set<crypto::verifying_key>& signers() const { return signers_; }

private:
  struct piece_facts {
    crypto::digest digest;
    size_t size = 0;
  };
  struct open_group {
    record_track on = record_track::chunks;
    uint64_t index = 0;
    uint64_t next = 0; ///< object id
    uint64_t first_pts = 0;
    std::optional<damage_mark> damage;
    std::vector<std::optional<piece_facts>> pieces; ///< empty: it does not open, which was said
    bool right = true;
    bool given_up = false; ///< what follows of it cannot be judged
  };

  void fault(std::string about, std::string text) { found_.push_back({std::move(about), std::move(text)}); }
  void take_manifest(const file_record& r, const std::string& about, base::wall_time now);
  void take_head(const file_record& r, const std::string& about);
  void take_piece(const file_record& r, const std::string& about);
  void take_tail(const file_record& r, const std::string& about);
  bool judge_listing(uint64_t index, const chunk_tail& tail);
  /// The open group is over, whole or not.
  void end_group();

  stream_cipher cipher_;
  manifest::verifier verifier_;
  std::string profile_;
  std::optional<open_group> group_;
  file_totals totals_;
  std::set<crypto::verifying_key> signers_;
  std::set<crypto::verifying_key> untrusted_; ///< bounded by trusted_keys_max
  bool unlisted_ = false;
  std::vector<file_fault> found_;
};

} // namespace ec::object
