#include "manifest/proof.hpp"

#include "base/byte_io.hpp"
#include "base/limits.hpp"
#include "manifest/merkle.hpp"

namespace ec::manifest {
namespace {

std::vector<crypto::digest> leaves_of(const content& c) {
  std::vector<crypto::digest> out;
  out.reserve(c.chunks.size());
  for (size_t i = 0; i < c.chunks.size(); ++i) out.push_back(chunk_leaf(c.chunk_start_index + i, c.chunks[i]));
  return out;
}

} // namespace

crypto::digest chunk_leaf(uint64_t chunk_index, const chunk_entry& chunk) {
  base::byte_writer out;
  out.u64(chunk_index);
  out.u8(static_cast<uint8_t>(chunk.state));
  out.raw(chunk.digest.span());
  return merkle::leaf(out.span());
}

crypto::digest merkle_root(const content& c) {
  return merkle::root(leaves_of(c));
}

membership_proof prove(const content& c, uint64_t chunk_index) {
  return {chunk_index, c.at(chunk_index), c.chunk_start_index, c.chunks.size(), merkle::path(leaves_of(c), chunk_index - c.chunk_start_index)};
}

bool verify(const membership_proof& proof, const crypto::digest& merkle_root) {
  if (proof.chunk_index < proof.chunk_start_index || proof.total_chunks > base::limits::manifest_chunks_max) return false;
  return merkle::verify_path(merkle_root, chunk_leaf(proof.chunk_index, proof.chunk), proof.chunk_index - proof.chunk_start_index,
                             proof.total_chunks, proof.path);
}

} // namespace ec::manifest
