#include "manifest/merkle.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/byte_io.hpp"

namespace ec::manifest::merkle {
namespace {

using namespace std::string_view_literals;

constexpr auto leaf_domain = "every.channel/manifest/v1/leaf\0"sv; // the zero byte belongs to it
constexpr auto node_domain = "every.channel/manifest/v1/node\0"sv;
constexpr auto root_domain = "every.channel/manifest/v1/root\0"sv;

crypto::digest node(const crypto::digest& left, const crypto::digest& right) {
  return crypto::hasher().update(node_domain).update(left.span()).update(right.span()).finish();
}

crypto::digest bind_count(const crypto::digest& top, uint64_t count) {
  base::byte_writer size;
  size.u64(count);
  return crypto::hasher().update(root_domain).update(size.span()).update(top.span()).finish();
}

/// The largest power of two below `count`, which is at least 2.
uint64_t split(uint64_t count) {
  return std::bit_floor(count - 1);
}

crypto::digest tree(std::span<const crypto::digest> leaves) {
  if (leaves.size() == 1) return leaves[0];
  const auto k = split(leaves.size());
  return node(tree(leaves.first(k)), tree(leaves.subspan(k)));
}

/// The top of a tree of `count` leaves in which `position` is `leaf`; uses up `left` from the back. Nothing if too short.
bool climb(crypto::digest& at, uint64_t position, uint64_t count, std::span<const crypto::digest>& left) {
  if (count == 1) return true;
  if (left.empty()) return false;
  const auto sibling = left.back();
  left = left.first(left.size() - 1);
  const auto k = split(count);
  const bool in_left = position < k;
  if (!climb(at, in_left ? position : position - k, in_left ? k : count - k, left)) return false;
  at = in_left ? node(at, sibling) : node(sibling, at);
  return true;
}

} // namespace

crypto::digest leaf(std::span<const uint8_t> bytes) {
  return crypto::hasher().update(leaf_domain).update(bytes).finish();
}

crypto::digest root(std::span<const crypto::digest> leaves) {
  return bind_count(tree(leaves), leaves.size());
}

std::vector<crypto::digest> path(std::span<const crypto::digest> leaves, uint64_t position) {
  std::vector<crypto::digest> out; // from the root down, turned at the end
  while (leaves.size() > 1) {
    const auto k = split(leaves.size());
    if (position < k) {
      out.push_back(tree(leaves.subspan(k)));
      leaves = leaves.first(k);
    } else {
      out.push_back(tree(leaves.first(k)));
      leaves = leaves.subspan(k);
      position -= k;
    }
  }
  std::ranges::reverse(out);
  return out;
}

size_t path_size(uint64_t position, uint64_t count) {
  size_t out = 0;
  for (; count > 1; ++out) {
    const auto k = split(count);
    const bool in_left = position < k;
    position -= in_left ? 0 : k;
    count = in_left ? k : count - k;
  }
  return out;
}

bool verify_path(const crypto::digest& root, const crypto::digest& leaf, uint64_t position, uint64_t count,
                 std::span<const crypto::digest> path) {
  if (position >= count || path.size() > 64) return false;
  auto at = leaf;
  auto left = path;
  return climb(at, position, count, left) && left.empty() && bind_count(at, count) == root;
}

} // namespace ec::manifest::merkle
