#include "crypto/digest.hpp"

#include <new>

#include <blake3.h>

#include "base/hex.hpp"
#include "crypto/random.hpp"

namespace ec::crypto {
namespace {

static_assert(sizeof(blake3_hasher) <= sizeof(hasher) && alignof(blake3_hasher) <= alignof(hasher));
static_assert(digest::size == BLAKE3_OUT_LEN && sizeof(key32) == BLAKE3_KEY_LEN);

template <class Array>
auto* library(Array& state) {
  using wanted = std::conditional_t<std::is_const_v<Array>, const blake3_hasher, blake3_hasher>;
  return std::launder(reinterpret_cast<wanted*>(state.data()));
}

} // namespace

std::string digest::hex() const {
  return base::to_hex(bytes);
}

std::optional<digest> digest::from_hex(std::string_view text) {
  digest out;
  if (!base::from_lower_hex(text, out.bytes)) return std::nullopt;
  return out;
}

hasher::hasher() {
  blake3_hasher_init(new (state_.data()) blake3_hasher);
}

hasher::hasher(const key32& key) {
  blake3_hasher_init_keyed(new (state_.data()) blake3_hasher, key.data());
}

hasher::~hasher() {
  wipe({reinterpret_cast<uint8_t*>(state_.data()), state_.size()});
}

hasher& hasher::update(std::span<const uint8_t> part) {
  blake3_hasher_update(library(state_), part.data(), part.size());
  return *this;
}

hasher& hasher::update(std::string_view part) {
  blake3_hasher_update(library(state_), part.data(), part.size());
  return *this;
}

digest hasher::finish() const {
  digest out;
  blake3_hasher_finalize(library(state_), out.bytes.data(), out.bytes.size());
  return out;
}

digest blake3(std::span<const uint8_t> in) {
  blake3_hasher state;
  blake3_hasher_init(&state);
  blake3_hasher_update(&state, in.data(), in.size());
  digest out;
  blake3_hasher_finalize(&state, out.bytes.data(), out.bytes.size());
  return out;
}

digest keyed_blake3(const key32& key, std::span<const uint8_t> in) {
  return hasher(key).update(in).finish();
}

key32 derive_key(std::string_view context, std::span<const uint8_t> material) {
  blake3_hasher state;
  blake3_hasher_init_derive_key_raw(&state, context.data(), context.size());
  blake3_hasher_update(&state, material.data(), material.size());
  key32 out;
  blake3_hasher_finalize(&state, out.data(), out.size());
  wipe({reinterpret_cast<uint8_t*>(&state), sizeof state});
  return out;
}

} // namespace ec::crypto
