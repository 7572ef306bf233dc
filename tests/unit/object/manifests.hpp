#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "object/manifest_judge.hpp"
#include "object/sealer.hpp"

/// Manifests for receiver tests, reduced to their meaning: lines of "index digest damaged". A payload that opens with
/// "forged" is one that the judge refuses.
namespace ec::object::test {

inline crypto::verifying_key test_key() {
  return crypto::signing_key::from_seed({1}).public_key();
}

class plain_judge final : public manifest_judge {
public:
  std::variant<accepted_manifest, refused_manifest> judge(uint64_t group, uint64_t, const base::bytes& payload, base::wall_time) override {
    std::istringstream in{std::string(payload.text())};
    if (payload.text().starts_with("forged")) return refused_manifest{refusal::manifest_untrusted, "forged", false, 0, {}};
    if (payload.text().starts_with("twice")) return refused_manifest{refusal::manifest_equivocation, "twice", true, group, test_key().to_string()};
    accepted_manifest out{group, test_key(), false, {}};
    uint64_t index = 0;
    std::string digest;
    bool damaged = false;
    while (in >> index >> digest >> damaged) {
      const listed_chunk chunk{index, *crypto::digest::from_hex(digest), damaged, test_key()};
      out.chunks.push_back(chunk);
      known_[index].push_back(chunk);
    }
    return out;
  }
  std::vector<listed_chunk> find(uint64_t index) const override {
    const auto it = known_.find(index);
    return it == known_.end() ? std::vector<listed_chunk>{} : it->second;
  }

private:
  std::map<uint64_t, std::vector<listed_chunk>> known_;
};

/// The payload that lists `c` (or each of several, concatenated).
template <class Chunk>
std::string manifest_text(const Chunk& c) {
  return std::to_string(c.index) + " " + c.facts.digest.hex() + (c.facts.damaged ? " 1\n" : " 0\n");
}

} // namespace ec::object::test
