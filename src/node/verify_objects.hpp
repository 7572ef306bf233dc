#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "manifest/trust_set.hpp"

namespace ec::node {

/// What `ec-node verify` says of something that is wrong: about what, and the fault.
using say_wrong = std::function<void(const std::string& about, const std::string& text)>;

/// True if the file at `path` begins as an object file does.
bool is_object_file(const std::string& path);

/// Whom to trust for a stream, or why that cannot be said.
using trust_for = std::function<base::result<manifest::trust_set>(const std::string& stream_id)>;

/// Judges the object file at `path` and prints what is right in it. Without a named key (`trust` awaits its first) the first
/// signer counts, and that is said. A chunk is right that `min_signers` of them list.
void verify_object_file(const std::string& path, const trust_for& trust, size_t min_signers,
  const std::vector<uint8_t>& network_secret, const say_wrong& wrong);

} // namespace ec::node
