#include "object/sealer.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "crypto/digest.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

sealed_object object_of(uint64_t group, uint64_t object, std::vector<uint8_t>&& payload) {
  return {group, object, base::bytes::adopt(std::move(payload))};
}

sealed_chunk facts_of(uint64_t index, const chunk_tail& tail) {
  return {index, tail.digest(), tail.size, static_cast<uint32_t>(tail.pieces.size()), tail.first_pts, tail.duration, tail.damage.has_value()};
}

std::string about(uint64_t index) {
  return "chunk " + std::to_string(index);
}

} // namespace

sealer::sealer(stream_cipher cipher, sealer_config config) : cipher_(std::move(cipher)), config_(std::move(config)) {}

base::result<sealed_object> sealer::open(uint64_t index, uint64_t first_pts) {
  if (open_.contains(index)) return fail(errc::exists, "the chunk is open already", about(index));
  if (open_.size() >= limits::sealer_chunks_max) return fail(errc::busy, "too many chunks are open: finish or abandon one", about(index));
  const chunk_head head{config_.profile, first_pts, cipher_.key_id(), std::nullopt};
  if (!valid(head)) return fail(errc::invalid_argument, "the first PTS is over 33 bits, or the profile is no name", about(index));
  open_[index].tail.first_pts = first_pts;
  return object_of(index, head_object, encode(head));
}

base::result<sealed_object> sealer::piece(uint64_t index, uint32_t place, std::span<const uint8_t> plaintext) {
  const auto it = open_.find(index);
  if (it == open_.end()) return fail(errc::not_found, "the chunk is not open", about(index));
  auto& chunk = it->second;
  if (place != chunk.tail.pieces.size() || chunk.ended || plaintext.empty() || plaintext.size() > limits::piece_bytes) {
    const std::string next = std::to_string(chunk.tail.pieces.size());
    open_.erase(it);
    return fail(errc::invalid_argument,
                "a piece of " + std::to_string(plaintext.size()) + " bytes at place " + std::to_string(place) + " where place " + next + " is next",
                about(index));
  }
  if (chunk.tail.size + plaintext.size() > limits::chunk_bytes_max) {
    open_.erase(it);
    return fail(errc::too_large, "the chunk is over its limit", about(index));
  }
  const auto digest = crypto::blake3(plaintext);
  auto payload = cipher_.seal({index, place, {}}, plaintext, digest);
  chunk.tail.pieces.push_back(digest);
  chunk.tail.size += plaintext.size();
  chunk.ended = plaintext.size() < limits::piece_bytes;
  return sealed_object{index, piece_object(place), std::move(payload)};
}

base::result<sealer::finished> sealer::finish(uint64_t index, uint64_t duration) {
  const auto it = open_.find(index);
  if (it == open_.end()) return fail(errc::not_found, "the chunk is not open", about(index));
  auto tail = std::move(it->second.tail);
  open_.erase(it);
  tail.duration = duration;
  if (!valid(tail)) return fail(errc::invalid_argument, "a whole chunk has bytes and a duration of 1 to 2^33 - 1", about(index));
  const auto chunk = facts_of(index, tail);
  return finished{object_of(index, tail_object(chunk.pieces), encode(tail)), chunk};
}

bool sealer::abandon(uint64_t index) {
  return open_.erase(index) > 0;
}

base::result<sealer::damaged_chunk> sealer::seal_damaged(uint64_t index, uint64_t first_pts, uint64_t duration, std::string_view reason,
                                                         std::span<const base::bytes> parts) {
  const damage_mark mark{config_.publisher, std::string(reason)};
  const chunk_head head{config_.profile, first_pts, cipher_.key_id(), mark};
  if (!valid(head)) return fail(errc::invalid_argument, "no publisher's name is configured, or the reason or first PTS is none", about(index));
  uint64_t size = 0;
  for (const auto& part : parts) size += part.size();
  if (size > limits::chunk_bytes_max) return fail(errc::too_large, "the chunk is over its limit", about(index));

  damaged_chunk out;
  chunk_tail tail{first_pts, duration, size, {}, mark, {}};
  out.objects.push_back(object_of(index, head_object, encode(head)));
  const auto seal = [&](std::span<const uint8_t> plaintext) {
    const auto place = static_cast<uint32_t>(tail.pieces.size());
    const auto digest = crypto::blake3(plaintext);
    out.objects.push_back({index, piece_object(place), cipher_.seal({index, place, mark.publisher}, plaintext, digest)});
    tail.pieces.push_back(digest);
  };
  std::vector<uint8_t> gathered; // only where a part does not fill a piece
  for (const auto& part : parts) {
    auto left = part.span();
    while (!left.empty()) {
      if (gathered.empty() && left.size() >= limits::piece_bytes) {
        seal(left.first(limits::piece_bytes));
        left = left.subspan(limits::piece_bytes);
        continue;
      }
      const auto count = std::min(left.size(), limits::piece_bytes - gathered.size());
      gathered.insert(gathered.end(), left.begin(), left.begin() + static_cast<ptrdiff_t>(count));
      left = left.subspan(count);
      if (gathered.size() == limits::piece_bytes) {
        seal(gathered);
        gathered.clear();
      }
    }
  }
  if (!gathered.empty()) seal(gathered);
  if (!valid(tail)) return fail(errc::invalid_argument, "no bytes, or a duration over 33 bits", about(index));
  out.chunk = facts_of(index, tail);
  out.objects.push_back(object_of(index, tail_object(out.chunk.pieces), encode(tail)));
  return out;
}

std::vector<sealed_object> objects_of(const stream_cipher& cipher, std::string_view profile, uint64_t index, const chunk_tail& tail,
                                      std::span<const uint8_t> plaintext) {
  std::vector<sealed_object> out;
  out.reserve(tail.pieces.size() + 2);
  out.push_back(object_of(index, head_object, encode(chunk_head{std::string(profile), tail.first_pts, cipher.key_id(), tail.damage})));
  const std::string_view publisher = tail.damage ? std::string_view(tail.damage->publisher) : std::string_view();
  for (uint32_t place = 0; place < tail.pieces.size(); ++place) {
    const auto bytes = plaintext.subspan(size_t{place} * limits::piece_bytes, piece_size(tail.size, place));
    out.push_back({index, piece_object(place), cipher.seal({index, place, publisher}, bytes, tail.pieces[place])});
  }
  out.push_back(object_of(index, tail_object(static_cast<uint32_t>(tail.pieces.size())), encode(tail)));
  return out;
}

} // namespace ec::object
