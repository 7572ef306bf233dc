#include "manifest/attestation.hpp"

#include <algorithm>
#include <string_view>

#include "base/byte_io.hpp"
#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

using namespace std::string_view_literals;
namespace json = base::json;
namespace limits = base::limits;

constexpr auto attestation_domain = "every.channel/manifest/v1/attestation\0"sv; // the zero byte belongs to it
constexpr auto link_domain = "every.channel/manifest/v1/chain\0"sv;
constexpr auto extra_domain = "every.channel/manifest/v1/extra\0"sv;

json::value to_json(const attestation& a) {
  json::object out{{"sequence", a.sequence},
                   {"signature", a.signature.hex()},
                   {"signed_unix_ms", a.signed_unix_ms},
                   {"signer", a.signer.to_string()}};
  if (a.broadcast_unix_ms) out.emplace_back("broadcast_unix_ms", *a.broadcast_unix_ms);
  if (a.previous) out.emplace_back("previous", a.previous->hex());
  out.insert(out.end(), a.extra.begin(), a.extra.end());
  return out;
}

json::value to_json(const std::vector<attestation>& list) {
  json::array out;
  for (const auto& a : list) out.push_back(to_json(a));
  return out;
}

std::vector<uint8_t> payload_of(json::object members) {
  const auto text = json::canonical(json::value(std::move(members)));
  return {text.begin(), text.end()};
}

base::result<attestation> attestation_from(const json::value& v) {
  EC_TRY(const auto* all, internal::members(v, "an attestation",
                                            {"broadcast_unix_ms", "previous", "sequence", "signature", "signed_unix_ms", "signer"}, true));
  EC_TRY(const auto signer_text, internal::text(v, "signer"));
  EC_TRY(const auto signer, crypto::verifying_key::parse(signer_text));
  attestation a{.signer = signer};
  EC_TRY(a.sequence, internal::whole_number(v, "sequence", 1));
  EC_TRY(a.signed_unix_ms, internal::whole_number(v, "signed_unix_ms"));
  if (v.find("broadcast_unix_ms") != nullptr) {
    EC_TRY(a.broadcast_unix_ms, internal::whole_number(v, "broadcast_unix_ms"));
  }
  if (v.find("previous") != nullptr) {
    EC_TRY(a.previous, internal::digest(v, "previous"));
  }
  for (const auto& m : *all)
    if (m.first.starts_with("x-")) a.extra.push_back(m);
  if (a.extra.size() > limits::manifest_extra_members_max || json::canonical(json::value(a.extra)).size() > limits::manifest_extra_bytes_max)
    return base::fail(base::errc::too_large, "too many or too large \"x-\" members in an attestation");
  EC_TRY(const auto hex, internal::text(v, "signature"));
  const auto signature = crypto::signature::from_hex(hex);
  if (!signature) return internal::malformed("\"signature\" is not 128 lower-case hexadecimal digits");
  a.signature = *signature;
  return a;
}

base::result<std::vector<key_statement>> key_statements_from(const json::value& v) {
  std::vector<key_statement> out;
  const auto* found = v.find("key_statements");
  if (found == nullptr) return out;
  const auto* list = found->as_array();
  if (list == nullptr || list->empty()) return internal::malformed("\"key_statements\" is no array, or an empty one");
  if (list->size() > limits::key_statements_max)
    return base::fail(base::errc::too_large, std::to_string(list->size()) + " key statements in one object");
  for (const auto& one : *list) {
    EC_TRY(auto s, key_statement_from_json(one));
    out.push_back(std::move(s));
  }
  return out;
}

base::result<std::vector<attestation>> attestations_from(const json::value& v) {
  const auto* found = v.find("attestations");
  const auto* list = found == nullptr ? nullptr : found->as_array();
  if (list == nullptr || list->empty()) return internal::malformed("\"attestations\" is no array, or an empty one");
  if (list->size() > limits::manifest_attestations_max)
    return base::fail(base::errc::too_large, std::to_string(list->size()) + " attestations in one object");
  std::vector<attestation> out;
  for (const auto& one : *list) {
    EC_TRY(auto a, attestation_from(one));
    if (std::ranges::any_of(out, [&](const attestation& other) { return other.signer == a.signer; }))
      return internal::malformed("two attestations by one signer in one object");
    out.push_back(std::move(a));
  }
  return out;
}

} // namespace

std::vector<uint8_t> signed_bytes(const attestation& a, const crypto::digest& manifest_id) {
  base::byte_writer out(256);
  out.raw(attestation_domain);
  out.raw(manifest_id.span());
  out.raw(a.signer.bytes());
  out.u64(a.sequence);
  out.u64(a.signed_unix_ms);
  out.u8(static_cast<uint8_t>((a.broadcast_unix_ms ? 1 : 0) | (a.previous ? 2 : 0) | (a.extra.empty() ? 0 : 4)));
  out.u64(a.broadcast_unix_ms.value_or(0));
  out.raw(a.previous.value_or(crypto::digest{}).span());
  crypto::digest extra;
  if (!a.extra.empty()) extra = crypto::hasher().update(extra_domain).update(json::canonical(json::value(a.extra))).finish();
  out.raw(extra.span());
  return out.take();
}

crypto::digest attestation::digest(const crypto::digest& manifest_id) const {
  return crypto::hasher().update(link_domain).update(signed_bytes(*this, manifest_id)).update(signature.bytes).finish();
}

void sign(attestation& a, const crypto::digest& manifest_id, const crypto::signing_key& by) {
  a.signature = by.sign(signed_bytes(a, manifest_id));
}

std::vector<uint8_t> encode(const signed_manifest& m) {
  json::object out{{"attestations", to_json(m.attestations)}, {"content", to_json(m.content)}};
  json::array statements;
  for (const auto& s : m.key_statements) statements.push_back(to_json(s));
  if (!statements.empty()) out.emplace_back("key_statements", std::move(statements));
  return payload_of(std::move(out));
}

std::vector<uint8_t> encode(const late_attestations& late) {
  return payload_of({{"attestations", to_json(late.attestations)}, {"manifest_id", late.manifest_id.hex()}});
}

base::result<manifest_object> decode(std::span<const uint8_t> payload) {
  if (payload.size() > limits::manifest_bytes_max)
    return base::fail(base::errc::too_large, "a manifest object of " + std::to_string(payload.size()) + " bytes, the limit is " +
                                               std::to_string(limits::manifest_bytes_max));
  const json::parse_options options{.bytes_max = limits::manifest_bytes_max, .depth_max = 8, .members_max = 32, .i_json = true};
  EC_TRY(const auto v, json::parse(base::as_text(payload), options));
  const auto one_spelling = [&](const auto& read) { return std::ranges::equal(encode(read), payload); };
  if (v.find("content") != nullptr) {
    EC_TRYV(internal::members(v, "a manifest", {"attestations", "content", "key_statements"}));
    EC_TRY(auto c, content_from_json(*v.find("content")));
    EC_TRY(auto said, attestations_from(v));
    EC_TRY(auto statements, key_statements_from(v));
    signed_manifest out{std::move(c), std::move(said), std::move(statements)};
    if (!one_spelling(out)) return internal::malformed("a manifest that is not in canonical form");
    return out;
  }
  EC_TRYV(internal::members(v, "a manifest object", {"attestations", "manifest_id"}));
  EC_TRY(const auto id, internal::digest(v, "manifest_id"));
  EC_TRY(auto said, attestations_from(v));
  late_attestations out{id, std::move(said)};
  if (!one_spelling(out)) return internal::malformed("attestations that are not in canonical form");
  return out;
}

} // namespace ec::manifest
