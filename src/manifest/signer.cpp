#include "manifest/signer.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

using base::errc;
using base::fail;
namespace limits = base::limits;

bool overlap(const content& a, const content& b) {
  return a.chunk_start_index < b.end_index() && b.chunk_start_index < a.end_index();
}

/// The signed epoch as content, as far as comparing needs it.
content content_of(const signer_state::epoch& e) {
  content c;
  c.chunk_start_index = e.chunk_start_index;
  c.chunks = e.chunks;
  return c;
}

} // namespace

bool may_follow(const content& earlier, const content& later) {
  if (!overlap(earlier, later)) return true;
  const auto from = std::max(earlier.chunk_start_index, later.chunk_start_index);
  const auto to = std::min(earlier.end_index(), later.end_index());
  const bool repairs = !earlier.all_whole() && later.all_whole();
  for (auto i = from; i < to; ++i) {
    const auto& was = earlier.at(i);
    const auto& is = later.at(i);
    if (was == is || (repairs && was.state != chunk_state::whole)) continue;
    return false;
  }
  return true;
}

bool compatible(const content& earlier, const content& later) {
  return earlier.chunk_duration_ms == later.chunk_duration_ms && earlier.encoder_profile_id == later.encoder_profile_id &&
         may_follow(earlier, later);
}

base::result<signer> signer::make(crypto::signing_key key, signer_state state) {
  if (state.key != key.public_key()) return fail(errc::invalid_argument, "the signer state is of another key", state.key.to_string());
  return signer(std::move(key), std::move(state));
}

base::result<void> signer::carry(std::vector<key_statement> statements) {
  if (statements.size() > limits::key_statements_max)
    return fail(errc::too_large, "more than " + std::to_string(limits::key_statements_max) + " key statements");
  for (const auto& s : statements) {
    if (!genuine(s)) return fail(errc::mismatch, "a key statement that is not signed by the key that it is about", s.key.to_string());
    if (s.what == key_statement::kind::revoke && s.key == key()) return fail(errc::refused, "this key was revoked: sign with another", s.key.to_string());
  }
  statements_ = std::move(statements);
  return base::ok();
}

base::result<pending> signer::prepare(content c, base::wall_time now, std::optional<uint64_t> broadcast_unix_ms,
                                      std::span<const repaired_chunk> repaired) {
  if (auto wrong = fault(c); !wrong.empty()) return fail(errc::invalid_argument, std::move(wrong), c.stream_id);
  if (c.stream_id != state_.stream_id) return fail(errc::invalid_argument, "this signer signs " + state_.stream_id, c.stream_id);
  if (state_.next_sequence >= static_cast<uint64_t>(internal::number_max)) return fail(errc::refused, "the chain is full: make a new key");
  if (broadcast_unix_ms && *broadcast_unix_ms > static_cast<uint64_t>(internal::number_max))
    return fail(errc::invalid_argument, "a broadcast time beyond 2^53");
  if (!repaired.empty() && !valid(repaired, c)) return fail(errc::invalid_argument, "chunks that are called repaired and are not whole in it");
  const auto about = "epoch " + std::to_string(c.epoch_id);
  if (c.chunk_start_index < state_.closed_below)
    return fail(errc::refused, "too old: what was signed below chunk " + std::to_string(state_.closed_below) + " is not remembered", about);
  const auto id = manifest_id(c);
  bool again = false;
  for (const auto& e : state_.epochs) {
    if (e.manifest_id == id) again = true;
    else if (!may_follow(content_of(e), c)) return fail(errc::refused, "another content of these chunks was signed: " + e.manifest_id.hex(), about);
    else if (e.chunk_start_index == c.chunk_start_index && e.chunks.size() == c.chunks.size() && e.chunks == c.chunks)
      return fail(errc::refused, "these chunks were signed with another duration or profile", about);
  }

  attestation a{.signer = key(), .sequence = state_.next_sequence};
  // A clock that was set back must not look like a rollback of the chain.
  const auto ms = static_cast<uint64_t>(std::clamp<int64_t>(base::unix_ms(now), 0, internal::number_max));
  a.signed_unix_ms = std::max(ms, state_.signed_unix_ms);
  a.broadcast_unix_ms = broadcast_unix_ms;
  a.previous = state_.previous;
  if (!repaired.empty()) a.extra.emplace_back(repaired_member, to_json(repaired));
  sign(a, id, key_);

  state_.next_sequence += 1;
  state_.previous = a.digest(id);
  state_.signed_unix_ms = a.signed_unix_ms;
  if (!again) {
    // A content that repairs an earlier one stands in its place.
    std::erase_if(state_.epochs, [&](const signer_state::epoch& e) {
      return e.chunk_start_index == c.chunk_start_index && e.chunks.size() == c.chunks.size();
    });
    const auto place = std::ranges::upper_bound(state_.epochs, c.chunk_start_index, {}, &signer_state::epoch::chunk_start_index);
    state_.epochs.insert(place, {c.chunk_start_index, id, c.chunks});
    while (state_.epochs.size() > limits::signer_epochs_max) {
      const auto& oldest = state_.epochs.front();
      state_.closed_below = std::max(state_.closed_below, oldest.chunk_start_index + oldest.chunks.size());
      state_.epochs.erase(state_.epochs.begin());
    }
  }

  auto own = std::make_shared<const content>(c);
  signed_manifest made{std::move(c), {std::move(a)}, statements_};
  auto payload = encode(made);
  return pending{state_, std::move(made), verified<content>(std::move(own)), id, std::move(payload), again};
}

} // namespace ec::manifest
