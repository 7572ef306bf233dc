#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "manifest/trust_set.hpp"

namespace ec::manifest {

/// Whom to trust for which streams, as an operator keeps it in a file. Format: docs/formats/trust.md.
struct trust_file {
  struct named_key {
    crypto::verifying_key key;
    std::string name; ///< may be empty

    friend bool operator==(const named_key&, const named_key&) = default;
  };
  struct rule {
    std::string streams; ///< a stream id, or the beginning of some and '*'
    std::vector<named_key> keys;

    friend bool operator==(const rule&, const rule&) = default;
  };
  std::vector<rule> rules;                    ///< all that match a stream add up
  std::vector<crypto::verifying_key> revoked; ///< of every stream

  friend bool operator==(const trust_file&, const trust_file&) = default;
};

/// True if `pattern` is this stream id, or ends in '*' and `stream_id` begins with what stands before it.
bool matches(std::string_view pattern, std::string_view stream_id);

/// Reads the text of such a file; `about` names it in errors. Errors (config): the key in it and what was expected there.
[[nodiscard]] base::result<trust_file> parse_trust_file(std::string_view text, const std::string& about);
/// Errors: config as above, those of base::read_file.
[[nodiscard]] base::result<trust_file> load_trust_file(const std::string& path);

/// Trusts, in `to`, what the file says of this stream, and no longer what it calls revoked. Errors: too_large.
[[nodiscard]] base::result<void> apply(const trust_file& file, const std::string& stream_id, trust_set& to);

} // namespace ec::manifest
