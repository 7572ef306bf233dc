#include "object/cipher.hpp"

#include <algorithm>
#include <memory>

#include "base/byte_io.hpp"
#include "base/hex.hpp"
#include "crypto/random.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

std::vector<uint8_t> associated_data(std::string_view stream_id, const piece_place& at) {
  base::byte_writer out(64 + stream_id.size() + at.publisher.size());
  out.raw("every.channel piece v1");
  out.u16(static_cast<uint16_t>(stream_id.size()));
  out.raw(stream_id);
  out.u16(static_cast<uint16_t>(at.publisher.size()));
  out.raw(at.publisher);
  out.u64(at.group);
  out.u32(at.place);
  return out.take();
}

/// Memory for one payload or piece: not filled with zeros first, and owned by the bytes made from it.
struct block {
  explicit block(size_t size) : memory(std::make_shared_for_overwrite<uint8_t[]>(size)), view(memory.get(), size) {}
  base::bytes take() const { return base::bytes::share(memory, view); }

  std::shared_ptr<uint8_t[]> memory;
  std::span<uint8_t> view;
};

} // namespace

base::result<stream_cipher> stream_cipher::make(std::string_view stream_id, std::span<const uint8_t> network_secret) {
  if (stream_id.empty()) return fail(errc::invalid_argument, "no stream id to derive a key from");
  if (stream_id.size() > limits::stream_id_bytes_max) return fail(errc::too_large, "the stream id is too long for a key");
  if (network_secret.size() > limits::network_secret_bytes_max)
    return fail(errc::too_large, "the network secret is longer than " + std::to_string(limits::network_secret_bytes_max) + " bytes");
  base::byte_writer material(8 + stream_id.size() + network_secret.size());
  material.u16(static_cast<uint16_t>(stream_id.size()));
  material.raw(stream_id);
  material.u16(static_cast<uint16_t>(network_secret.size()));
  material.raw(network_secret);
  auto all = material.take();
  stream_cipher out(stream_id, all);
  crypto::wipe(all);
  return out;
}

stream_cipher::stream_cipher(std::string_view stream_id, std::span<const uint8_t> material)
    : stream_id_(stream_id), aead_(crypto::derive_key("every.channel 2026-11 object key v1", material)),
      nonce_key_(crypto::derive_key("every.channel 2026-11 object nonce v1", material)) {
  const auto id = crypto::derive_key("every.channel 2026-11 object key id v1", material);
  key_id_ = base::to_hex(std::span(id).first(16));
}

stream_cipher::~stream_cipher() {
  crypto::wipe(nonce_key_);
}

crypto::nonce12 stream_cipher::nonce_of(std::span<const uint8_t> associated, const crypto::digest& digest) const {
  const auto mac = crypto::hasher(nonce_key_).update(associated).update(digest.span()).finish();
  crypto::nonce12 out;
  std::copy_n(mac.bytes.begin(), out.size(), out.begin());
  return out;
}

base::bytes stream_cipher::seal(const piece_place& at, std::span<const uint8_t> plaintext, const crypto::digest& digest) const {
  const auto associated = associated_data(stream_id_, at);
  const auto nonce = nonce_of(associated, digest);
  const block out(plaintext.size() + sealed_piece_overhead);
  out.view[0] = sealed_piece_type;
  std::ranges::copy(nonce, out.view.begin() + 1);
  aead_.seal_into(out.view.subspan(sealed_piece_front), nonce, associated, plaintext);
  return out.take();
}

base::result<piece> stream_cipher::open(const piece_place& at, std::span<const uint8_t> payload) const {
  if (payload.size() > sealed_piece_bytes_max) return fail(errc::too_large, "longer than a full piece", "piece");
  if (payload.size() <= sealed_piece_overhead || payload[0] != sealed_piece_type) return fail(errc::malformed, "is no sealed piece", "piece");
  crypto::nonce12 nonce;
  std::ranges::copy(payload.subspan(1, nonce.size()), nonce.begin());
  const auto associated = associated_data(stream_id_, at);
  const block plain(payload.size() - sealed_piece_overhead);
  EC_TRYV(aead_.open_into(plain.view, nonce, associated, payload.subspan(sealed_piece_front)));
  const auto digest = crypto::blake3(plain.view);
  // Whoever knows the key can seal under any nonce; only one of them gives the object that everybody else publishes.
  if (nonce_of(associated, digest) != nonce) return fail(errc::mismatch, "the nonce is not that of the bytes", "piece");
  return piece{plain.take(), digest};
}

std::optional<piece_mark> mark_of(std::span<const uint8_t> payload) {
  if (payload.size() <= sealed_piece_overhead || payload[0] != sealed_piece_type) return std::nullopt;
  piece_mark out;
  std::ranges::copy(payload.subspan(1, 12), out.bytes.begin());
  std::ranges::copy(payload.last(limits::aead_tag_bytes), out.bytes.begin() + 12);
  return out;
}

} // namespace ec::object
