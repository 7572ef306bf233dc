#include "object/group_copy.hpp"

namespace ec::object {
namespace {

using base::errc, base::fail;

/// One copy has one source.
constexpr source_id only = 0;

base::result<void> outcome(assembled a) {
  switch (a) {
  case assembled::added:
  case assembled::duplicate: return base::ok();
  case assembled::too_large: return fail(errc::too_large, "longer than a piece");
  case assembled::unauthentic: return fail(errc::bad_signature, "not sealed with the stream's key for this place");
  case assembled::out_of_place: return fail(errc::malformed, "at a place where the tail has none");
  case assembled::malformed: return fail(errc::malformed, "no sealed piece");
  default: return fail(errc::mismatch, "other bytes than it gave before, or sealed against the rule");
  }
}

} // namespace

base::result<void> group_copy::push(uint64_t object, std::span<const uint8_t> payload, const stream_cipher& cipher) {
  if (object > object_id_max) return fail(errc::too_large, "no group has such an object");
  if (object == head_object) {
    EC_TRY(auto head, decode_head(track::chunks, payload));
    if (head_ && *head_ != head) return fail(errc::mismatch, "a second head");
    if (head.profile != profile_) return fail(errc::unsupported, "cut by profile " + head.profile);
    if (head.key_id != cipher.key_id()) return fail(errc::bad_signature, "sealed under another key: is the network secret the same");
    head_ = std::move(head);
    return base::ok();
  }
  switch (kind_of(payload)) {
  case payload_kind::tail: return push_tail(object, payload);
  case payload_kind::piece: return outcome(whole_.add_piece(only, static_cast<uint32_t>(object - 1), payload, cipher));
  default: return fail(errc::malformed, "neither a piece nor a tail");
  }
}

base::result<void> group_copy::push_tail(uint64_t object, std::span<const uint8_t> payload) {
  EC_TRY(auto tail, decode_tail(track::chunks, payload));
  if (!head_) return fail(errc::malformed, "a tail without a head");
  if (head_->first_pts != tail.first_pts) return fail(errc::mismatch, "head and tail name two first PTS");
  assembly::found_wrong wrong;
  EC_TRYV(outcome(whole_.add_tail(only, object, std::move(tail), wrong)));
  return base::ok();
}

chunk_copy group_copy::take() const {
  const auto& tail = *whole_.complete();
  return {index_, tail.first_pts, tail.duration, whole_.chunk(), tail.digest()};
}

} // namespace ec::object
