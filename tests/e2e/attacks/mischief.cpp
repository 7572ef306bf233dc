#include "tests/e2e/attacks/mischief.hpp"

#include <algorithm>
#include <array>

#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "crypto/random.hpp"
#include "manifest/content.hpp"

namespace ec::attack {
namespace {

namespace limits = base::limits;
using std::chrono::milliseconds;

constexpr std::string_view all_names[] = {
  "flipped-bytes", "false-reading", "swapped-groups", "replayed-old-chunks", "truncated", "oversized", "endless-objects", "other-stream",
  "head-payload-disagree", "merkle-length", "merkle-position", "forged-manifest", "untrusted-key", "revoked-key", "rolled-back-manifest", "stale-manifest", "far-future",
  "mix-and-match", "freeze", "equivocation", "tiny-manifests", "json-depth", "json-length", "json-numbers"};

constexpr uint8_t manifest_priority = 64;
constexpr uint64_t freeze_after = 2;
constexpr uint64_t chain_forgotten = limits::verifier_chain_max + 8;
constexpr uint64_t future_groups = 4;
constexpr uint64_t future_epochs = 2;
constexpr uint32_t future_pieces = 100;
constexpr uint64_t flood_step = 500; // of each piece that comes: the whole flood within some seconds

/// Another stream, whose key is not the one of the stream that is attacked.
constexpr std::string_view elsewhere = "ec/stream/v1/source/kind-hdhomerun/device-elsewhere/channel-6.1/profile-ts-v1/variant-main";

object::stream_cipher cipher_of(std::string_view stream_id) {
  auto made = object::stream_cipher::make(stream_id);
  return std::move(made).value();
}

std::vector<uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

/// Lies about what was broadcast: the objects under it are sealed by the rules.
bool false_bytes(wrong w) {
  return w == wrong::false_reading || w == wrong::forged_manifest || w == wrong::untrusted_key || w == wrong::revoked_key;
}

} // namespace

std::optional<wrong> wrong_of(std::string_view name) {
  const auto found = std::ranges::find(all_names, name);
  if (found == std::end(all_names)) return std::nullopt;
  return static_cast<wrong>(found - std::begin(all_names));
}

std::vector<std::string_view> names() {
  return {std::begin(all_names), std::end(all_names)};
}

mischief::mischief(mischief_config config, sink out) :
  config_(std::move(config)), out_(std::move(out)),
  sealer_(cipher_of(config_.what == wrong::other_stream ? elsewhere : std::string_view(config_.stream_id)), {.profile = "ts-v1", .publisher = {}}),
  voice_{config_.key ? std::move(*config_.key) : crypto::signing_key::generate(), static_cast<uint64_t>(base::unix_ms(config_.wall())), {}} {
  first_sequence_ = voice_.sequence;
  const auto stream = actors::namespace_of(config_.stream_id);
  chunks_ = std::make_shared<const moq::full_track_name>(moq::full_track_name{stream, "chunks"});
  manifests_ = std::make_shared<const moq::full_track_name>(moq::full_track_name{stream, "manifests"});
  out_({.what = actors::publish_op::step::add_track, .track = chunks_, .config = {.cache_groups_max = 16}});
  out_({.what = actors::publish_op::step::add_track, .track = manifests_, .config = {.priority = manifest_priority, .single_subgroup = false}});
}

void mischief::on(const ts::cut_event& event) {
  if (const auto* e = std::get_if<ts::chunk_opened>(&event)) opened(*e);
  else if (const auto* e = std::get_if<ts::piece_released>(&event)) piece(*e);
  else if (const auto* e = std::get_if<ts::chunk_whole>(&event)) whole(*e);
  else if (const auto* e = std::get_if<ts::chunk_doubted>(&event)) broken(e->index);
  else if (const auto* e = std::get_if<ts::chunk_damaged>(&event)) broken(e->index);
}

// --- objects

void mischief::opened(const ts::chunk_opened& e) {
  if (!e.certain) return;
  first_pts_ = e.first_pts;
  if (auto head = sealer_.open(e.index, e.first_pts)) publish(std::move(head).value());
}

std::vector<uint8_t> mischief::plaintext(const ts::piece_released& e) {
  std::vector<uint8_t> out(e.data.begin(), e.data.end());
  if (false_bytes(config_.what)) out[out.size() / 2] ^= 0x20;
  if (config_.what == wrong::replayed_old_chunks) {
    if (!old_of_) old_of_ = e.index;
    if (*old_of_ == e.index) old_[e.place] = out;
    else if (const auto it = old_.find(e.place); it != old_.end() && it->second.size() == out.size()) out = it->second;
  }
  return out;
}

void mischief::piece(const ts::piece_released& e) {
  if (config_.what == wrong::tiny_manifests) flood(e.index);
  if (auto made = sealer_.piece(e.index, e.place, plaintext(e))) publish(std::move(made).value());
}

void mischief::whole(const ts::chunk_whole& e) {
  auto done = sealer_.finish(e.index, static_cast<uint64_t>(e.duration_pts));
  if (!done) return;
  publish_tail(std::move(done.value().tail), done.value().chunk);
  manifest_of(done.value().chunk);
}

void mischief::broken(uint64_t index) {
  if (sealer_.abandon(index))
    out_({.what = actors::publish_op::step::reset_group, .track = chunks_, .group = index, .code = moq::reset_code::internal_error});
}

void mischief::publish(object::sealed_object o) {
  std::vector<uint8_t> payload(o.payload.begin(), o.payload.end());
  const bool head = o.object == object::head_object;
  switch (config_.what) {
  case wrong::flipped_bytes:
    if (!head) payload[payload.size() / 2] ^= 1;
    break;
  case wrong::swapped_groups: o.group ^= 1; break;
  case wrong::truncated:
    if (!head) payload.resize(o.object % 2 == 0 ? payload.size() / 2 : 10);
    break;
  case wrong::oversized:
    if (!head) payload.resize(limits::moq_object_bytes_max);
    break;
  case wrong::head_payload_disagree:
    if (head)
      payload = object::encode(object::chunk_head{"ts-v1", (first_pts_ + object::pts_end / 2) % object::pts_end, sealer_.cipher().key_id(), {}});
    break;
  default: break;
  }
  put(o.group, o.object, base::bytes::adopt(std::move(payload)));
}

void mischief::publish_tail(object::sealed_object o, const object::sealed_chunk& chunk) {
  auto tail = object::decode_tail(object::track::chunks, o.payload).value();
  auto group = o.group;
  std::vector<uint8_t> payload(o.payload.begin(), o.payload.end());
  switch (config_.what) {
  case wrong::swapped_groups: group ^= 1; break;
  case wrong::oversized: payload = bytes_of("{\"" + std::string(limits::object_tail_bytes_max, 'a') + "\":1}"); break;
  case wrong::merkle_length:
    tail.proof = object::membership{chunk.index, 0, 1, std::vector<crypto::digest>(16)};
    payload = object::encode(tail);
    break;
  case wrong::merkle_position:
    tail.proof = object::membership{chunk.index, 1, 2, std::vector<crypto::digest>(1)};
    payload = object::encode(tail);
    break;
  default: break;
  }
  put(group, o.object, base::bytes::adopt(std::move(payload)));
  if (config_.what != wrong::endless_objects) return end_group(group);
  overflow(group, o.object + 1);
  for (uint64_t later = 1; later <= future_groups; ++later) overrun(group + 2 + overran_++);
}

/// Objects behind the tail, and behind the last object that any chunk may have.
void mischief::overflow(uint64_t group, uint64_t from) {
  const std::vector<uint8_t> packet(188, 0x47);
  for (auto id = from; id <= object::object_id_max + 64; ++id)
    put(group, id, sealer_.cipher().seal({group, static_cast<uint32_t>(id - 1), {}}, packet, crypto::blake3(packet)));
}

/// A chunk that does not exist yet, by the rules, without an end.
void mischief::overrun(uint64_t group) {
  const std::vector<uint8_t> packets(limits::piece_bytes, 0x47);
  const auto digest = crypto::blake3(packets);
  put(group, object::head_object, base::bytes::adopt(object::encode(object::chunk_head{"ts-v1", 0, sealer_.cipher().key_id(), {}})));
  for (uint32_t place = 0; place < future_pieces; ++place)
    put(group, object::piece_object(place), sealer_.cipher().seal({group, place, {}}, packets, digest));
}

void mischief::put(uint64_t group, uint64_t object, base::bytes payload) {
  actors::publish_op op{.what = actors::publish_op::step::append, .track = chunks_};
  op.object.group = group;
  op.object.id = object;
  op.object.payload = std::move(payload);
  out_(std::move(op));
}

void mischief::end_group(uint64_t group) {
  out_({.what = actors::publish_op::step::end_group, .track = chunks_, .group = group});
}

// --- manifests

manifest::content mischief::content_of(uint64_t index, const crypto::digest& digest) const {
  manifest::content c;
  c.stream_id = config_.stream_id;
  c.epoch_id = c.chunk_start_index = index;
  c.chunk_duration_ms = 2000;
  c.encoder_profile_id = "ts-v1";
  c.chunks = {{digest, manifest::chunk_state::whole}};
  return c;
}

manifest::attestation mischief::say(const manifest::content& c, milliseconds ago) {
  const auto id = manifest::manifest_id(c);
  manifest::attestation a{.signer = voice_.key.public_key(), .sequence = ++voice_.sequence,
    .signed_unix_ms = static_cast<uint64_t>(base::unix_ms(config_.wall() - ago)), .previous = voice_.previous};
  manifest::sign(a, id, voice_.key);
  voice_.previous = a.digest(id);
  return a;
}

void mischief::put_manifest(uint64_t group, std::vector<uint8_t> payload) {
  const auto id = manifest_objects_[group]++;
  actors::publish_op op{.what = actors::publish_op::step::append, .track = manifests_};
  op.object.group = group;
  op.object.subgroup = op.object.id = id;
  op.object.priority = manifest_priority;
  op.object.payload = base::bytes::adopt(std::move(payload));
  out_(std::move(op));
  out_({.what = actors::publish_op::step::end_subgroup, .track = manifests_, .group = group, .subgroup = id});
}

void mischief::manifest_of(const object::sealed_chunk& chunk) {
  auto truth = content_of(chunk.index, chunk.digest);
  const auto lie = content_of(chunk.index, crypto::blake3(base::as_span("a chunk that was never broadcast")));
  switch (config_.what) {
  case wrong::forged_manifest: {
    auto a = say(truth);
    if (config_.claimed) a.signer = *config_.claimed;
    put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{truth, {a}}));
    break;
  }
  case wrong::untrusted_key:
  case wrong::revoked_key: put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{truth, {say(truth)}})); break;
  case wrong::rolled_back_manifest:
    if (signed_++ == 0) {
      // Its chain goes on for longer than anybody remembers, all of it about chunks that are over.
      for (uint64_t i = 0; i < chain_forgotten; ++i) {
        const auto past = content_of(chunk.index - 2 * chain_forgotten + i, chunk.digest);
        put_manifest(past.epoch_id, manifest::encode(manifest::signed_manifest{past, {say(past)}}));
      }
    } else {
      auto old = say(lie);
      old.sequence = first_sequence_;
      manifest::sign(old, manifest::manifest_id(lie), voice_.key);
      put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{lie, {old}}));
    }
    break;
  case wrong::stale_manifest: put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{lie, {say(lie, std::chrono::hours(7))}})); break;
  case wrong::far_future:
    // The longest epochs there are: as many chunks as fit into anybody's memory, twice; and more with each chunk of the broadcast.
    for (uint64_t n = signed_ == 0 ? 2 * limits::verifier_entries_max / limits::manifest_chunks_max : future_epochs; n > 0; --n) {
      auto future = content_of(chunk.index, chunk.digest);
      future.epoch_id = chunk.index / limits::manifest_chunks_max + 1000 + signed_++;
      future.chunk_start_index = future.epoch_id * limits::manifest_chunks_max;
      future.chunks.assign(limits::manifest_chunks_max, future.chunks.front());
      put_manifest(future.epoch_id, manifest::encode(manifest::signed_manifest{future, {say(future)}}));
    }
    break;
  case wrong::mix_and_match: put_manifest(chunk.index + 1, manifest::encode(manifest::signed_manifest{truth, {say(truth)}})); break;
  case wrong::freeze:
    if (signed_++ < freeze_after) put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{truth, {say(truth)}}));
    break;
  case wrong::equivocation:
    put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{truth, {say(truth)}}));
    put_manifest(chunk.index, manifest::encode(manifest::signed_manifest{lie, {say(lie)}}));
    break;
  case wrong::json_depth: put_manifest(chunk.index, std::vector<uint8_t>(200'000, '[')); break;
  case wrong::json_length: {
    auto long_text = bytes_of("{\"attestations\":[\"");
    long_text.resize(900'000, 'a');
    put_manifest(chunk.index, std::move(long_text));
    break;
  }
  case wrong::json_numbers:
    put_manifest(chunk.index, bytes_of("{\"attestations\":[{\"sequence\":1e999999999}],\"content\":{}}"));
    put_manifest(chunk.index, bytes_of("{\"attestations\":[{\"sequence\":" + std::string(100'000, '9') + "}],\"content\":{}}"));
    put_manifest(chunk.index, bytes_of("{\"attestations\":[{\"sequence\":0." + std::string(100'000, '3') + "}],\"content\":{}}"));
    break;
  default: break;
  }
}

/// One group each, every second one in the name of a key that is trusted and did not sign it.
void mischief::flood(uint64_t index) {
  for (uint64_t i = 0; i < flood_step && flooded_ < config_.count; ++i, ++flooded_) {
    const auto c = content_of(index - config_.count + flooded_, crypto::blake3(base::as_span("tiny")));
    manifest::attestation a{.signer = voice_.key.public_key(), .sequence = ++voice_.sequence,
      .signed_unix_ms = static_cast<uint64_t>(base::unix_ms(config_.wall()))};
    if (config_.claimed && flooded_ % 2 == 0) a.signer = *config_.claimed;
    put_manifest(c.epoch_id, manifest::encode(manifest::signed_manifest{c, {a}}));
    manifest_objects_.erase(c.epoch_id);
  }
}

} // namespace ec::attack
