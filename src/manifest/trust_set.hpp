#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "manifest/key_statement.hpp"

namespace ec::manifest {

/// The keys whose signatures count: those that were named, and those that they named as their successors. Bounded by trusted_keys_max,
/// revoked_keys_max and key_rotations_max.
class trust_set {
public:
  /// Trusts nobody.
  trust_set() = default;
  /// Trusts nobody yet, and then the first signer whose signature verifies, for as long as this object lives. For want of
  /// a key only: whoever answers first is believed, so it must be said loudly.
  static trust_set first_use();

  /// `name` is what people call the key, for logs; may be empty. A key that is in it already gets the new name.
  /// Errors: too_large (trusted_keys_max).
  [[nodiscard]] base::result<void> add(const crypto::verifying_key& key, std::string name = {});
  /// The same from text, `ed25519:<hex>` or `NAME=ed25519:<hex>`: what `--trust` takes. Errors: malformed, too_large.
  [[nodiscard]] base::result<void> add(std::string_view text);
  /// Its word counts no more, whoever names it, and so it vouches for no successor either. Errors: too_large (revoked_keys_max).
  [[nodiscard]] base::result<void> revoke(const crypto::verifying_key& key);
  /// Follows a statement that is genuine(). Errors: untrusted, refused (its key named another successor before), too_large
  /// (key_rotations_max in a row; trusted_keys_max; revoked_keys_max).
  [[nodiscard]] base::result<void> follow(const key_statement& s);
  /// Follows again what was followed before a restart, in that order, each genuine(). A revocation counts whether its key is trusted
  /// or not: it may be named, or seen first, later. A successor counts only if the key that named it still does.
  void recall(const std::vector<key_statement>& statements);
  /// What was followed, in that order.
  const std::vector<key_statement>& followed() const { return followed_; }
  /// True if following it would change nothing.
  bool follows(const key_statement& s) const;

  bool trusts(const crypto::verifying_key& key) const { return trusted_.contains(key); }
  bool revoked(const crypto::verifying_key& key) const { return revoked_.contains(key); }
  /// True while the next valid signer would be trusted.
  bool awaits_first() const { return first_use_ && named_.empty(); }
  /// Equal for keys of one owner: a key and its successors are one signer, however many of them sign.
  crypto::verifying_key owner(const crypto::verifying_key& key) const;
  /// The key's name, or that of the key whose successor it is; else its text.
  std::string name(const crypto::verifying_key& key) const;
  /// Trusted keys.
  size_t size() const { return trusted_.size(); }
  /// Owners of trusted keys: signers that can add up.
  size_t owners() const;

private:
  struct standing {
    std::string name;
    size_t rotations = 0; ///< from the nearest key that was named
  };
  void rebuild();
  base::result<void> take(const key_statement& s);

  bool first_use_ = false;
  std::map<crypto::verifying_key, std::string> named_;
  std::map<crypto::verifying_key, crypto::verifying_key> next_; ///< by the older key, also of keys that were revoked since
  std::set<crypto::verifying_key> revoked_;
  std::vector<key_statement> followed_;
  std::map<crypto::verifying_key, standing> trusted_;             ///< follows from the three above, whatever their order
  std::map<crypto::verifying_key, crypto::verifying_key> owners_; ///< likewise
};

} // namespace ec::manifest
