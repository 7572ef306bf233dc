#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "moq/profile.hpp"

namespace ec::moq {

/// Authorization tokens that the peer registered under aliases [MOQT 10.2.2]. Bounded by the size that we announced, which
/// counts 16 bytes for each token beside its value.
class token_cache {
public:
  explicit token_cache(size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Registers, deletes and looks up what one message says; the tokens that it means come back by value. `setup`: in SETUP
  /// nothing refers to an alias, and what has no room counts as said by value. Violations close the session with their code.
  decoded<std::vector<auth_token>> take(const std::vector<auth_token>& said, bool setup);

  size_t bytes() const { return bytes_; }

private:
  struct entry {
    uint64_t type = 0;
    std::string value;
  };
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::map<uint64_t, entry> entries_; ///< by alias
};

/// What a token costs in a cache.
inline size_t token_charge(const auth_token& t) {
  return 16 + t.value.size();
}

} // namespace ec::moq
