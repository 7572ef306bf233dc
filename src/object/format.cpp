#include "object/format.hpp"

#include <algorithm>

#include "base/byte_io.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "manifest/merkle.hpp"

namespace ec::object {
namespace {

namespace json = base::json;
namespace limits = base::limits;
using base::errc;
using base::fail;

constexpr int64_t format_version = 1;
constexpr size_t profile_chars_max = 64;
constexpr size_t reason_chars_max = 64;
constexpr size_t publisher_chars_max = 128;
constexpr size_t key_id_digits = 32;
constexpr size_t proof_path_max = 16;
constexpr uint64_t json_integer_max = uint64_t{1} << 53;

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool lower(char c) {
  return c >= 'a' && c <= 'z';
}

template <class Allowed>
bool made_of(std::string_view text, size_t chars_max, Allowed allowed) {
  return !text.empty() && text.size() <= chars_max && std::ranges::all_of(text, allowed);
}

bool valid_profile(std::string_view text) {
  return made_of(text, profile_chars_max, [](char c) { return digit(c) || lower(c) || c == '.' || c == '-'; });
}

bool valid_key_id(std::string_view text) {
  return text.size() == key_id_digits && std::ranges::all_of(text, [](char c) { return digit(c) || (c >= 'a' && c <= 'f'); });
}

bool valid_mark(const damage_mark& mark) {
  return made_of(mark.reason, reason_chars_max, [](char c) { return digit(c) || lower(c) || c == '-'; }) &&
         made_of(mark.publisher, publisher_chars_max, [](char c) {
           return digit(c) || lower(c) || (c >= 'A' && c <= 'Z') || c == ':' || c == '.' || c == '_' || c == '~' || c == '-';
         });
}

bool valid_proof(const membership& proof) {
  return proof.epoch_id <= json_integer_max && proof.leaves > 0 && proof.leaves <= limits::manifest_chunks_max &&
         proof.leaf < proof.leaves && proof.path.size() <= proof_path_max;
}

json::array hex_list(const std::vector<crypto::digest>& digests) {
  json::array out;
  out.reserve(digests.size());
  for (const auto& d : digests) out.emplace_back(d.hex());
  return out;
}

void add_mark(json::object& out, const std::optional<damage_mark>& mark) {
  if (!mark) return;
  out.emplace_back("publisher", mark->publisher);
  out.emplace_back("reason", mark->reason);
}

std::vector<uint8_t> bytes_of(json::object&& members) {
  const std::string text = json::canonical(json::value(std::move(members)));
  return {text.begin(), text.end()};
}

/// Members of one object, read one by one; the first that is missing or of another type is named.
class fields {
public:
  fields(const json::value& from, std::string_view about) : from_(from), about_(about) {}

  uint64_t number(std::string_view key, uint64_t max) {
    const auto* v = from_.find(key);
    const auto* n = v == nullptr ? nullptr : v->as_int();
    if (n == nullptr || *n < 0 || static_cast<uint64_t>(*n) > max) return refuse(key, "a whole number of at most " + std::to_string(max)), 0;
    return static_cast<uint64_t>(*n);
  }
  std::string text(std::string_view key) {
    const auto* v = from_.find(key);
    const auto* s = v == nullptr ? nullptr : v->as_string();
    if (s == nullptr) return refuse(key, "a string"), std::string();
    return *s;
  }
  crypto::digest digest(std::string_view key) {
    const auto d = crypto::digest::from_hex(text(key));
    if (!d) return refuse(key, "64 digits of lower-case hexadecimal"), crypto::digest{};
    return *d;
  }
  std::vector<crypto::digest> digests(std::string_view key, size_t count_max) {
    const auto* v = from_.find(key);
    const auto* list = v == nullptr ? nullptr : v->as_array();
    if (list == nullptr || list->size() > count_max)
      return refuse(key, "an array of at most " + std::to_string(count_max) + " digests"), std::vector<crypto::digest>{};
    std::vector<crypto::digest> out;
    out.reserve(list->size());
    for (const auto& one : *list) {
      const auto* s = one.as_string();
      const auto d = s == nullptr ? std::nullopt : crypto::digest::from_hex(*s);
      if (!d) return refuse(key, "digests of 64 digits of lower-case hexadecimal"), out;
      out.push_back(*d);
    }
    return out;
  }
  std::optional<damage_mark> mark(track on) {
    if (on == track::chunks) return std::nullopt;
    damage_mark out{text("publisher"), text("reason")};
    if (!why_ && !valid_mark(out)) refuse("publisher", "a damage mark of the allowed characters");
    return out;
  }
  void refuse(std::string_view key, std::string expected) {
    if (!why_) why_ = base::error{errc::malformed, "\"" + std::string(key) + "\" is not " + std::move(expected), std::string(about_)};
  }
  const std::optional<base::error>& why() const { return why_; }

private:
  const json::value& from_;
  std::string_view about_;
  std::optional<base::error> why_;
};

base::result<json::value> parse(std::span<const uint8_t> payload, size_t bytes_max, std::string_view about) {
  json::parse_options options;
  options.bytes_max = bytes_max;
  options.depth_max = 4;
  options.members_max = 16;
  options.i_json = true;
  auto parsed = json::parse(base::as_text(payload), options);
  if (!parsed) {
    auto why = std::move(parsed).assume_error();
    why.about = about;
    return fail(std::move(why));
  }
  if (parsed.assume_value().as_object() == nullptr) return fail(errc::malformed, "is no JSON object", std::string(about));
  const auto* version = parsed.assume_value().find("version");
  if (version == nullptr || version->as_int() == nullptr) return fail(errc::malformed, "has no \"version\"", std::string(about));
  if (*version->as_int() != format_version)
    return fail(errc::unsupported, "version " + std::to_string(*version->as_int()) + " of the object format, this build reads version 1",
                std::string(about));
  return parsed;
}

/// Also what refuses members that are not known and every second spelling.
template <class T>
base::result<T> only_spelling(T&& value, std::span<const uint8_t> payload, std::string_view about) {
  if (!std::ranges::equal(encode(value), payload)) return fail(errc::malformed, "is not spelled in its canonical form", std::string(about));
  return std::forward<T>(value);
}

void put_text(base::byte_writer& out, std::string_view text) {
  out.u16(static_cast<uint16_t>(text.size()));
  out.raw(text);
}

} // namespace

std::string_view name(track t) {
  return t == track::chunks ? "chunks" : "damaged";
}

uint32_t piece_count(uint64_t size) {
  return static_cast<uint32_t>(size / limits::piece_bytes + (size % limits::piece_bytes == 0 ? 0 : 1));
}

size_t piece_size(uint64_t size, uint32_t place) {
  const uint64_t from = uint64_t{place} * limits::piece_bytes;
  return from >= size ? 0 : static_cast<size_t>(std::min<uint64_t>(size - from, limits::piece_bytes));
}

crypto::digest chunk_tail::digest() const {
  base::byte_writer front(128);
  front.raw("every.channel chunk digest v1");
  front.u8(damage ? 1 : 0);
  front.u64(first_pts);
  front.u64(duration);
  front.u64(size);
  front.u32(static_cast<uint32_t>(pieces.size()));
  if (damage) {
    put_text(front, damage->publisher);
    put_text(front, damage->reason);
  }
  crypto::hasher all;
  all.update(front.span());
  for (const auto& p : pieces) all.update(p.span());
  return all.finish();
}

bool valid(const chunk_head& head) {
  return valid_profile(head.profile) && head.first_pts < pts_end && valid_key_id(head.key_id) && (!head.damage || valid_mark(*head.damage));
}

bool valid(const chunk_tail& tail) {
  return tail.first_pts < pts_end && tail.duration < pts_end && (tail.duration > 0 || tail.damage) && tail.size > 0 &&
         tail.size <= limits::chunk_bytes_max && tail.pieces.size() == piece_count(tail.size) && (!tail.damage || valid_mark(*tail.damage)) &&
         (!tail.proof || valid_proof(*tail.proof));
}

std::vector<uint8_t> encode(const chunk_head& head) {
  json::object out;
  out.emplace_back("cipher", cipher_name);
  out.emplace_back("first_pts", head.first_pts);
  out.emplace_back("key_id", head.key_id);
  out.emplace_back("profile", head.profile);
  out.emplace_back("version", format_version);
  add_mark(out, head.damage);
  return bytes_of(std::move(out));
}

std::vector<uint8_t> encode(const chunk_tail& tail) {
  json::object out;
  out.emplace_back("digest", tail.digest().hex());
  out.emplace_back("duration", tail.duration);
  out.emplace_back("first_pts", tail.first_pts);
  out.emplace_back("pieces", hex_list(tail.pieces));
  out.emplace_back("size", tail.size);
  out.emplace_back("version", format_version);
  add_mark(out, tail.damage);
  if (tail.proof) {
    json::object proof;
    proof.emplace_back("epoch_id", tail.proof->epoch_id);
    proof.emplace_back("leaf", uint64_t{tail.proof->leaf});
    proof.emplace_back("leaves", uint64_t{tail.proof->leaves});
    proof.emplace_back("path", hex_list(tail.proof->path));
    out.emplace_back("proof", std::move(proof));
  }
  return bytes_of(std::move(out));
}

base::result<chunk_head> decode_head(track on, std::span<const uint8_t> payload) {
  EC_TRY(const auto parsed, parse(payload, limits::object_head_bytes_max, "head"));
  fields in(parsed, "head");
  chunk_head out;
  const auto cipher = in.text("cipher");
  out.first_pts = in.number("first_pts", pts_end - 1);
  out.key_id = in.text("key_id");
  out.profile = in.text("profile");
  out.damage = in.mark(on);
  if (in.why()) return fail(*in.why());
  if (cipher != cipher_name) return fail(errc::unsupported, "a cipher that this build does not know", "head");
  if (!valid(out)) return fail(errc::malformed, "a profile or key id that is none", "head");
  return only_spelling(std::move(out), payload, "head");
}

base::result<chunk_tail> decode_tail(track on, std::span<const uint8_t> payload) {
  EC_TRY(const auto parsed, parse(payload, limits::object_tail_bytes_max, "tail"));
  fields in(parsed, "tail");
  chunk_tail out;
  const auto digest = in.digest("digest");
  out.duration = in.number("duration", pts_end - 1);
  out.first_pts = in.number("first_pts", pts_end - 1);
  out.size = in.number("size", limits::chunk_bytes_max);
  out.pieces = in.digests("pieces", limits::chunk_pieces_max);
  out.damage = in.mark(on);
  if (const auto* given = parsed.find("proof")) {
    fields at(*given, "proof");
    membership proof;
    proof.epoch_id = at.number("epoch_id", json_integer_max);
    proof.leaf = static_cast<uint32_t>(at.number("leaf", limits::manifest_chunks_max));
    proof.leaves = static_cast<uint32_t>(at.number("leaves", limits::manifest_chunks_max));
    proof.path = at.digests("path", proof_path_max);
    if (at.why()) return fail(*at.why());
    out.proof = std::move(proof);
  }
  if (in.why()) return fail(*in.why());
  if (!valid(out)) return fail(errc::malformed, "size, duration, number of pieces or proof do not fit together", "tail");
  if (out.digest() != digest) return fail(errc::mismatch, "the digest is not that of the facts beside it", "tail");
  return only_spelling(std::move(out), payload, "tail");
}

bool fits(const membership& proof, uint64_t index) {
  return valid_proof(proof) && index / proof.leaves == proof.epoch_id && index % proof.leaves == proof.leaf &&
         proof.path.size() == manifest::merkle::path_size(proof.leaf, proof.leaves);
}

payload_kind kind_of(std::span<const uint8_t> payload) {
  if (payload.empty()) return payload_kind::other;
  return payload[0] == 1 ? payload_kind::piece : payload[0] == '{' ? payload_kind::tail : payload_kind::other;
}

crypto::digest digest_of_chunk(uint64_t first_pts, uint64_t duration, std::span<const uint8_t> plaintext) {
  chunk_tail tail{first_pts, duration, plaintext.size(), {}, {}, {}};
  for (size_t at = 0; at < plaintext.size(); at += limits::piece_bytes)
    tail.pieces.push_back(crypto::blake3(plaintext.subspan(at, std::min(limits::piece_bytes, plaintext.size() - at))));
  return tail.digest();
}

} // namespace ec::object
