#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "moq/relay_gate.hpp"

namespace ec::actors {

/// Whose word a relay takes for what it passes on.
struct verify_wishes {
  std::vector<std::string> trust_signer;     ///< "ed25519:<hex>"
  std::filesystem::path trust_file;          ///< keys for each stream; adds to `trust_signer`
  std::vector<uint8_t> network_secret;       ///< of the streams; may be empty
  bool unverified = false;                   ///< what is no every.channel stream is passed on as it comes
  std::function<base::wall_time()> wall = base::wall_now;
};

/// A gate that passes on of every.channel streams only what manifests of trusted keys list (object::stream_guard), and other tracks only if
/// `wishes` say so. Errors (config): a key or the trust file cannot be read.
[[nodiscard]] base::result<std::shared_ptr<moq::relay_gate>> verified_relaying(verify_wishes wishes);

} // namespace ec::actors
