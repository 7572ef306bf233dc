#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "object/manifest_judge.hpp"
#include "object/sealer.hpp"

/// Manifests for receiver tests, reduced to their meaning: lines of "index digest damaged". A payload that opens with
/// "forged" is one that the judge refuses; "twice" takes back what was listed of its group.
namespace ec::object::test {

inline crypto::verifying_key test_key() {
  return crypto::signing_key::from_seed({1}).public_key();
}

class plain_judge final : public manifest_judge {
public:
  judgement judge(uint64_t group, uint64_t, const base::bytes& payload, base::wall_time) override {
    std::istringstream in{std::string(payload.text())};
    if (payload.text().starts_with("forged")) return {{}, {{refusal::manifest_untrusted, "forged", {}, false}}};
    if (payload.text().starts_with("twice")) {
      known_.erase(group);
      return {{}, {{refusal::manifest_equivocation, "twice", test_key(), true}}};
    }
    accepted_manifest out{group, group, 0, test_key(), false, false};
    uint64_t index = 0;
    std::string digest;
    bool damaged = false;
    while (in >> index >> digest >> damaged) {
      known_[index].push_back({index, *crypto::digest::from_hex(digest), damaged, test_key()});
      ++out.chunks;
    }
    return {out, {}};
  }
  std::vector<listed_chunk> find(uint64_t index) const override {
    const auto it = known_.find(index);
    return it == known_.end() ? std::vector<listed_chunk>{} : it->second;
  }

  standing standing_of(uint64_t index) const override { return {find(index).size(), 1}; }
  bool trusts(const crypto::verifying_key&) const override { return true; }

private:
  std::map<uint64_t, std::vector<listed_chunk>> known_;
};

/// The payload that lists `c` (or each of several, concatenated).
template <class Chunk>
std::string manifest_text(const Chunk& c) {
  return std::to_string(c.index) + " " + c.facts.digest.hex() + (c.facts.damaged ? " 1\n" : " 0\n");
}

} // namespace ec::object::test
