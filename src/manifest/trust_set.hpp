#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/keys.hpp"

namespace ec::manifest {

/// The keys whose signatures count. Bounded by trusted_keys_max.
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

  bool trusts(const crypto::verifying_key& key) const { return keys_.contains(key); }
  /// True while the next valid signer would be trusted.
  bool awaits_first() const { return first_use_ && keys_.empty(); }
  /// The key's name, else its text.
  std::string name(const crypto::verifying_key& key) const;
  size_t size() const { return keys_.size(); }

private:
  bool first_use_ = false;
  std::map<crypto::verifying_key, std::string> keys_;
};

} // namespace ec::manifest
