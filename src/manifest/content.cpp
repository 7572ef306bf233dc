#include "manifest/content.hpp"

#include <algorithm>
#include <string_view>

#include "base/limits.hpp"
#include "identity/stream_id.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

using namespace std::string_view_literals;
namespace json = base::json;
namespace limits = base::limits;

constexpr auto id_domain = "every.channel/manifest/v1/id\0"sv; // the zero byte belongs to it
constexpr int64_t version = 1;
constexpr uint64_t duration_ms_max = 600'000;

bool is_profile(std::string_view p) {
  return !p.empty() && p.size() <= 64 &&
         std::ranges::all_of(p, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; });
}

base::result<std::vector<chunk_entry>> entries_from(const json::value& v) {
  const auto* found = v.find("chunks");
  const auto* list = found == nullptr ? nullptr : found->as_array();
  if (list == nullptr) return internal::malformed("\"chunks\" is no array");
  if (list->size() > limits::manifest_chunks_max) return base::fail(base::errc::too_large, "a manifest of " + std::to_string(list->size()) + " chunks");
  std::vector<chunk_entry> out;
  out.reserve(list->size());
  for (const auto& one : *list) {
    if (one.is_null()) {
      out.push_back({{}, chunk_state::missing});
      continue;
    }
    const auto* hex = one.as_string();
    const auto digest = hex == nullptr ? std::nullopt : crypto::digest::from_hex(*hex);
    if (!digest) return internal::malformed("an entry of \"chunks\" is neither a digest nor null");
    out.push_back({*digest, chunk_state::whole});
  }
  const auto* damaged = v.find("damaged");
  if (damaged == nullptr) return out;
  const auto* places = damaged->as_array();
  if (places == nullptr || places->empty()) return internal::malformed("\"damaged\" is no array of places, or an empty one");
  int64_t least = 0;
  for (const auto& one : *places) {
    const auto* place = one.as_int();
    if (place == nullptr || *place < least || *place >= static_cast<int64_t>(out.size()) ||
        out[static_cast<size_t>(*place)].state == chunk_state::missing)
      return internal::malformed("\"damaged\" names no place of a chunk, or not in rising order");
    out[static_cast<size_t>(*place)].state = chunk_state::damaged;
    least = *place + 1;
  }
  return out;
}

} // namespace

bool content::all_whole() const {
  return std::ranges::all_of(chunks, [](const chunk_entry& c) { return c.state == chunk_state::whole; });
}

std::string fault(const content& c) {
  if (!identity::stream_id::parse(c.stream_id)) return "\"stream_id\" is no stream id";
  if (!is_profile(c.encoder_profile_id)) return "\"encoder_profile_id\" is not 1 to 64 of a-z, 0-9, '.' and '-'";
  if (c.chunk_duration_ms == 0 || c.chunk_duration_ms > duration_ms_max) return "\"chunk_duration_ms\" is not 1 to 600000";
  if (c.chunks.empty() || c.chunks.size() > limits::manifest_chunks_max) return "the number of chunks is not 1 to 1024";
  if (c.chunk_start_index > static_cast<uint64_t>(internal::number_max) - c.chunks.size()) return "\"chunk_start_index\" is over 2^53";
  if (c.chunk_start_index % c.chunks.size() != 0 || c.epoch_id != c.chunk_start_index / c.chunks.size())
    return "the epoch is not aligned: \"chunk_start_index\" must be \"epoch_id\" times \"total_chunks\"";
  if (std::ranges::all_of(c.chunks, [](const chunk_entry& e) { return e.state == chunk_state::missing; })) return "no chunk is there";
  for (const auto& e : c.chunks) {
    if (static_cast<uint8_t>(e.state) > static_cast<uint8_t>(chunk_state::missing)) return "a chunk has no known state";
    if (e.state == chunk_state::missing && e.digest != crypto::digest{}) return "a missing chunk has a digest";
  }
  return {};
}

json::value to_json(const content& c) {
  json::array chunks;
  json::array damaged;
  for (const auto& e : c.chunks) {
    if (e.state == chunk_state::damaged) damaged.emplace_back(static_cast<uint64_t>(chunks.size()));
    if (e.state == chunk_state::missing) chunks.emplace_back(nullptr);
    else chunks.emplace_back(e.digest.hex());
  }
  json::object out{{"chunk_duration_ms", c.chunk_duration_ms},
                   {"chunk_start_index", c.chunk_start_index},
                   {"chunks", std::move(chunks)},
                   {"encoder_profile_id", c.encoder_profile_id},
                   {"epoch_id", c.epoch_id},
                   {"merkle_root", merkle_root(c).hex()},
                   {"stream_id", c.stream_id},
                   {"total_chunks", static_cast<uint64_t>(c.chunks.size())},
                   {"version", version}};
  if (!damaged.empty()) out.emplace_back("damaged", std::move(damaged));
  return out;
}

std::string canonical(const content& c) {
  return json::canonical(to_json(c));
}

crypto::digest manifest_id(const content& c) {
  return crypto::hasher().update(id_domain).update(canonical(c)).finish();
}

base::result<content> content_from_json(const json::value& v) {
  EC_TRYV(internal::members(v, "the content", {"chunk_duration_ms", "chunk_start_index", "chunks", "damaged", "encoder_profile_id", "epoch_id",
                                               "merkle_root", "stream_id", "total_chunks", "version"}));
  EC_TRY(const auto stated_version, internal::whole_number(v, "version"));
  if (stated_version != version) return base::fail(base::errc::unsupported, "a manifest of version " + std::to_string(stated_version));
  content c;
  EC_TRY(c.stream_id, internal::text(v, "stream_id"));
  EC_TRY(c.encoder_profile_id, internal::text(v, "encoder_profile_id"));
  EC_TRY(c.epoch_id, internal::whole_number(v, "epoch_id"));
  EC_TRY(c.chunk_duration_ms, internal::whole_number(v, "chunk_duration_ms"));
  EC_TRY(c.chunk_start_index, internal::whole_number(v, "chunk_start_index"));
  EC_TRY(const auto total, internal::whole_number(v, "total_chunks", 1));
  EC_TRY(c.chunks, entries_from(v));
  if (total != c.chunks.size()) return internal::malformed("\"total_chunks\" is not the number of chunks");
  if (auto wrong = fault(c); !wrong.empty()) return internal::malformed(std::move(wrong));
  EC_TRY(const auto root, internal::digest(v, "merkle_root"));
  if (root != merkle_root(c)) return base::fail(base::errc::mismatch, "\"merkle_root\" is not the root of the chunks");
  return c;
}

} // namespace ec::manifest
