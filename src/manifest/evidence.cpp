#include "manifest/evidence.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "manifest/internal/json_fields.hpp"
#include "manifest/signer.hpp"

namespace ec::manifest {
namespace {

namespace json = base::json;
namespace limits = base::limits;

constexpr int64_t version = 1;
constexpr std::array<std::string_view, 4> names = {"equivocation", "fork", "rollback", "gap"};

/// A statement as the object of track `manifests` that would say it.
json::value to_json(const evidence::statement& s) {
  const auto payload = s.content == nullptr ? encode(late_attestations{s.manifest_id, {s.attestation}})
                                            : encode(signed_manifest{*s.content, {s.attestation}});
  return json::parse(base::as_text(payload), {.bytes_max = limits::manifest_bytes_max, .depth_max = 8, .members_max = 32, .i_json = true}).value();
}

base::result<evidence::statement> statement_from(const json::value& v, std::string_view member, const crypto::verifying_key& signer) {
  const auto* found = v.find(member);
  if (found == nullptr || found->as_object() == nullptr) return internal::malformed("\"" + std::string(member) + "\" is no object");
  EC_TRY(auto read, decode(base::as_span(json::canonical(*found))));
  const auto& said = std::visit([](const auto& o) -> const std::vector<attestation>& { return o.attestations; }, read);
  if (said.size() != 1 || said.front().signer != signer)
    return internal::malformed("\"" + std::string(member) + "\" is not one attestation of the signer");
  if (auto* whole = std::get_if<signed_manifest>(&read)) {
    const auto id = manifest_id(whole->content);
    return evidence::statement{id, said.front(), std::make_shared<const content>(std::move(whole->content))};
  }
  return evidence::statement{std::get<late_attestations>(read).manifest_id, said.front(), nullptr};
}

bool signed_right(const evidence& e, const evidence::statement& s) {
  return s.attestation.signer == e.signer && (s.content == nullptr || manifest_id(*s.content) == s.manifest_id) &&
         crypto::verify(e.signer, signed_bytes(s.attestation, s.manifest_id), s.attestation.signature);
}

std::string equivocation_fault(const evidence::statement& earlier, const evidence::statement& later) {
  const auto& a = *earlier.content;
  const auto& b = *later.content;
  if (a.chunk_start_index >= b.end_index() || b.chunk_start_index >= a.end_index()) return "the two contents have no chunk in common";
  if (earlier.manifest_id == later.manifest_id || compatible(a, b)) return "an honest signer may have said both";
  return {};
}

std::string fork_fault(const evidence::statement& earlier, const evidence::statement& later) {
  const auto& a = earlier.attestation;
  const auto& b = later.attestation;
  const auto digest = a.digest(earlier.manifest_id);
  if (a.sequence == b.sequence) return digest == b.digest(later.manifest_id) ? "the two are the same attestation" : "";
  if (a.sequence + 1 == b.sequence && b.previous != digest) return {};
  if (b.previous && a.signed_unix_ms > b.signed_unix_ms) return {};
  return "both may stand in one chain";
}

} // namespace

std::string_view name(evidence_kind k) {
  return names[static_cast<size_t>(k)];
}

std::string encode(const evidence& e) {
  return json::pretty(json::object{{"version", version},
                                   {"evidence", std::string(name(e.kind))},
                                   {"signer", e.signer.to_string()},
                                   {"first", to_json(e.first)},
                                   {"second", to_json(e.second)}}) +
         "\n";
}

std::string file_name(const evidence& e) {
  return std::string(name(e.kind)) + "-" + crypto::blake3(base::as_span(encode(e))).hex().substr(0, 24) + ".json";
}

base::result<evidence> decode_evidence(std::string_view text) {
  const json::parse_options options{.bytes_max = limits::evidence_bytes_max, .depth_max = 10, .members_max = 32, .i_json = true};
  EC_TRY(const auto v, json::parse(text, options));
  EC_TRYV(internal::members(v, "evidence", {"evidence", "first", "second", "signer", "version"}));
  EC_TRY(const auto stated, internal::whole_number(v, "version"));
  if (stated != version) return base::fail(base::errc::unsupported, "evidence of version " + std::to_string(stated));
  EC_TRY(const auto kind, internal::text(v, "evidence"));
  const auto known = std::ranges::find(names, kind);
  if (known == names.end()) return internal::malformed("\"evidence\" is none of equivocation, fork, rollback, gap");
  EC_TRY(const auto key, internal::text(v, "signer"));
  EC_TRY(const auto signer, crypto::verifying_key::parse(key));
  EC_TRY(auto first, statement_from(v, "first", signer));
  EC_TRY(auto second, statement_from(v, "second", signer));
  return evidence{static_cast<evidence_kind>(known - names.begin()), signer, std::move(first), std::move(second)};
}

std::string fault(const evidence& e) {
  for (const auto* s : {&e.first, &e.second})
    if (!signed_right(e, *s)) return std::string("the ") + (s == &e.first ? "first" : "second") + " statement is not signed by this key: it was changed, or forged";
  // A signer has a chain for each stream, and only the content says which stream it is.
  for (const auto* s : {&e.first, &e.second})
    if (s->content == nullptr) return std::string("the content of the ") + (s == &e.first ? "first" : "second") + " statement is not here: it may be of another stream";
  if (e.first.content->stream_id != e.second.content->stream_id) return "the two statements are of different streams";
  const bool in_order = e.first.attestation.sequence <= e.second.attestation.sequence;
  const auto& earlier = in_order ? e.first : e.second;
  const auto& later = in_order ? e.second : e.first;
  switch (e.kind) {
  case evidence_kind::equivocation: return equivocation_fault(earlier, later);
  case evidence_kind::fork: return fork_fault(earlier, later);
  case evidence_kind::rollback: return e.second.attestation.sequence < e.first.attestation.sequence ? "" : "the second is not older than the first";
  case evidence_kind::gap:
    return e.second.attestation.sequence > e.first.attestation.sequence + 1 && e.second.attestation.previous ? "" : "nothing is missing between the two";
  }
  return "of no known kind";
}

} // namespace ec::manifest
