#include "manifest/merkle.hpp"

#include <doctest/doctest.h>

#include <set>

#include "manifest/proof.hpp"

using namespace ec::manifest;
namespace crypto = ec::crypto;

namespace {

std::vector<crypto::digest> leaves_of(size_t count) {
  std::vector<crypto::digest> out;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t bytes[] = {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8)};
    out.push_back(merkle::leaf(bytes));
  }
  return out;
}

} // namespace

TEST_CASE("every leaf of every small tree has a proof that fits this leaf, place and count only") {
  for (size_t count = 1; count <= 20; ++count) {
    const auto leaves = leaves_of(count);
    const auto root = merkle::root(leaves);
    for (size_t at = 0; at < count; ++at) {
      const auto path = merkle::path(leaves, at);
      REQUIRE(merkle::verify_path(root, leaves[at], at, count, path));
      for (size_t other = 0; other < 24; ++other) {
        if (other != at) CHECK_FALSE(merkle::verify_path(root, leaves[at], other, count, path));
        if (other != count) CHECK_FALSE(merkle::verify_path(root, leaves[at], at, other, path));
        if (other != at && other < count) CHECK_FALSE(merkle::verify_path(root, leaves[other], at, count, path));
      }
      auto longer = path;
      longer.push_back(root);
      CHECK_FALSE(merkle::verify_path(root, leaves[at], at, count, longer));
      if (!path.empty()) CHECK_FALSE(merkle::verify_path(root, leaves[at], at, count, std::span(path).first(path.size() - 1)));
      for (size_t i = 0; i < path.size(); ++i) {
        auto changed = path;
        changed[i].bytes[31] ^= 1;
        CHECK_FALSE(merkle::verify_path(root, leaves[at], at, count, changed));
      }
    }
  }
}

TEST_CASE("a repeated last leaf, a shorter list or another order gives another root") {
  std::set<crypto::digest> roots;
  auto leaves = leaves_of(3);
  roots.insert(merkle::root(leaves));
  leaves.push_back(leaves.back());
  roots.insert(merkle::root(leaves));
  roots.insert(merkle::root(leaves_of(2)));
  roots.insert(merkle::root(leaves_of(1)));
  auto turned = leaves_of(3);
  std::swap(turned[0], turned[2]);
  roots.insert(merkle::root(turned));
  CHECK(roots.size() == 5);
}

TEST_CASE("an inner node cannot pass for a leaf, nor a leaf for the root") {
  const auto leaves = leaves_of(4);
  const auto root = merkle::root(leaves);
  const auto right = merkle::path(leaves, 0).back(); // the node over the leaves 2 and 3
  const auto left = merkle::path(leaves, 3).back();
  const std::vector<crypto::digest> short_path{right};
  CHECK_FALSE(merkle::verify_path(root, left, 0, 2, short_path));
  CHECK_FALSE(merkle::verify_path(root, left, 0, 4, short_path));
  std::vector<uint8_t> both(left.bytes.begin(), left.bytes.end());
  both.insert(both.end(), right.bytes.begin(), right.bytes.end());
  CHECK_FALSE(merkle::verify_path(root, merkle::leaf(both), 0, 1, {}));
  CHECK(merkle::root(leaves_of(1)) != leaves_of(1)[0]);
}

TEST_CASE("a proof binds the state of a chunk, so that a damaged one never passes for whole") {
  content c{"ec/stream/v1/source/kind-file/device-a/channel-1/profile-ts-v1/variant-main", 2, 2000, "ts-v1", 8, {}};
  for (uint8_t i = 0; i < 4; ++i) c.chunks.push_back({crypto::blake3({&i, 1}), chunk_state::whole});
  c.chunks[1].state = chunk_state::damaged;
  REQUIRE(fault(c).empty());
  auto p = prove(c, 9);
  REQUIRE(verify(p, merkle_root(c)));
  p.chunk.state = chunk_state::whole;
  CHECK_FALSE(verify(p, merkle_root(c)));
  p = prove(c, 9);
  p.chunk_start_index += 1;
  p.chunk_index += 1;
  CHECK_FALSE(verify(p, merkle_root(c)));
  p = prove(c, 9);
  p.chunk_index = 7;
  CHECK_FALSE(verify(p, merkle_root(c)));
  p.total_chunks = UINT64_MAX;
  CHECK_FALSE(verify(p, merkle_root(c)));
}
