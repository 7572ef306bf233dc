#include "manifest/signer_state.hpp"

#include <algorithm>
#include <string_view>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

using namespace std::string_view_literals;
namespace json = base::json;
namespace limits = base::limits;

constexpr auto check_domain = "every.channel/signer-state/v1\0"sv; // the zero byte belongs to it

json::value to_json(const signer_state::epoch& e) {
  json::array chunks;
  for (const auto& c : e.chunks)
    chunks.emplace_back((c.state == chunk_state::whole ? "w" : c.state == chunk_state::damaged ? "d" : "m") + c.digest.hex());
  return json::object{{"chunk_start_index", e.chunk_start_index}, {"chunks", std::move(chunks)}, {"manifest_id", e.manifest_id.hex()}};
}

json::object to_json(const signer_state& s) {
  json::array epochs;
  for (const auto& e : s.epochs) epochs.push_back(to_json(e));
  json::object out{{"closed_below", s.closed_below},
                   {"epochs", std::move(epochs)},
                   {"key", s.key.to_string()},
                   {"next_sequence", s.next_sequence},
                   {"signed_unix_ms", s.signed_unix_ms},
                   {"stream_id", s.stream_id},
                   {"version", 1}};
  if (s.previous) out.emplace_back("previous", s.previous->hex());
  return out;
}

crypto::digest check_of(const json::object& o) {
  return crypto::hasher().update(check_domain).update(json::canonical(json::value(o))).finish();
}

base::result<signer_state::epoch> epoch_from(const json::value& v) {
  EC_TRYV(internal::members(v, "an epoch", {"chunk_start_index", "chunks", "manifest_id"}));
  signer_state::epoch e;
  EC_TRY(e.chunk_start_index, internal::whole_number(v, "chunk_start_index"));
  EC_TRY(e.manifest_id, internal::digest(v, "manifest_id"));
  const auto* found = v.find("chunks");
  const auto* list = found == nullptr ? nullptr : found->as_array();
  if (list == nullptr || list->empty() || list->size() > limits::manifest_chunks_max) return internal::malformed("\"chunks\" is no array of chunks");
  for (const auto& one : *list) {
    const auto* text = one.as_string();
    const auto digest = text == nullptr || text->empty() ? std::nullopt : crypto::digest::from_hex(std::string_view(*text).substr(1));
    const auto state = digest ? "wdm"sv.find(text->front()) : ""sv.npos;
    if (state == ""sv.npos) return internal::malformed("an entry of \"chunks\" is no chunk");
    e.chunks.push_back({*digest, static_cast<chunk_state>(state)});
  }
  return e;
}

base::result<signer_state> state_from(std::string_view text) {
  const json::parse_options options{.bytes_max = limits::signer_state_bytes_max, .depth_max = 8, .members_max = 32, .i_json = true};
  EC_TRY(const auto v, json::parse(text, options));
  EC_TRY(const auto* all, internal::members(v, "a signer state", {"check", "closed_below", "epochs", "key", "next_sequence", "previous",
                                                                  "signed_unix_ms", "stream_id", "version"}));
  EC_TRY(const auto check, internal::digest(v, "check"));
  json::object rest = *all;
  std::erase_if(rest, [](const json::member& m) { return m.first == "check"; });
  if (check != check_of(rest)) return base::fail(base::errc::mismatch, "the digest does not match");
  EC_TRY(const auto version, internal::whole_number(v, "version"));
  if (version != 1) return base::fail(base::errc::unsupported, "a signer state of version " + std::to_string(version));
  EC_TRY(const auto key_text, internal::text(v, "key"));
  EC_TRY(const auto key, crypto::verifying_key::parse(key_text));
  signer_state s{.key = key};
  EC_TRY(s.stream_id, internal::text(v, "stream_id"));
  EC_TRY(s.next_sequence, internal::whole_number(v, "next_sequence", 1));
  EC_TRY(s.signed_unix_ms, internal::whole_number(v, "signed_unix_ms"));
  EC_TRY(s.closed_below, internal::whole_number(v, "closed_below"));
  if (v.find("previous") != nullptr) {
    EC_TRY(s.previous, internal::digest(v, "previous"));
  }
  const auto* epochs = v.find("epochs") == nullptr ? nullptr : v.find("epochs")->as_array();
  if (epochs == nullptr || epochs->size() > limits::signer_epochs_max) return internal::malformed("\"epochs\" is no array of epochs");
  for (const auto& one : *epochs) {
    EC_TRY(auto e, epoch_from(one));
    s.epochs.push_back(std::move(e));
  }
  if (!std::ranges::is_sorted(s.epochs, {}, &signer_state::epoch::chunk_start_index)) return internal::malformed("\"epochs\" are not in order");
  return s;
}

} // namespace

signer_state signer_state::fresh(const crypto::verifying_key& key, std::string stream_id, base::wall_time now) {
  const auto ms = std::clamp<int64_t>(base::unix_ms(now), 1, internal::number_max / 2);
  return {.key = key, .stream_id = std::move(stream_id), .next_sequence = static_cast<uint64_t>(ms)};
}

std::string encode(const signer_state& s) {
  auto all = to_json(s);
  all.emplace_back("check", check_of(all).hex());
  return json::canonical(json::value(std::move(all)));
}

base::result<signer_state> decode_signer_state(std::string_view text, const std::string& about) {
  auto read = state_from(text);
  if (read) return read;
  auto why = std::move(read).error();
  why.text = "this signer state cannot be used (" + why.text +
             "). Signing on could contradict what was signed: restore the file, or remove it to begin a new chain, which subscribers will report";
  why.about = about;
  return base::fail(std::move(why));
}

base::result<signer_state> load_signer_state(const std::string& path, const crypto::verifying_key& key, const std::string& stream_id, base::disk& on) {
  EC_TRY(const auto text, base::read_file(path, limits::signer_state_bytes_max, on));
  EC_TRY(auto s, decode_signer_state(text.text(), path));
  if (s.key != key) return base::fail(base::errc::invalid_argument, "this signer state is of another key, " + s.key.to_string(), path);
  if (s.stream_id != stream_id) return base::fail(base::errc::invalid_argument, "this signer state is of another stream, " + s.stream_id, path);
  return s;
}

base::result<void> save_signer_state(const std::string& path, const signer_state& s, base::disk& on) {
  return base::write_file_atomic(path, base::as_span(encode(s)), 0600, base::durability::power_cut, on);
}

} // namespace ec::manifest
