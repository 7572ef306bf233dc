#include "object/proofs.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "manifest/attestation.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;

const std::vector<manifest::attestation>& attestations_in(const manifest::manifest_object& o) {
  return std::visit([](const auto& one) -> const auto& { return one.attestations; }, o);
}

} // namespace

void proofs::hold(held&& h) {
  const auto first = h.what.chunk_start_index;
  contents_.emplace(first, std::move(h));
  while (contents_.size() > limits::proofs_max) contents_.erase(contents_.begin());
}

void proofs::keep_late(held& to, proof late, const std::vector<manifest::attestation>& said) {
  if (to.late.size() >= limits::manifest_attestations_max) return;
  late.first_index = to.what.chunk_start_index;
  to.late.push_back(std::move(late));
  note_repairs(to, said);
}

void proofs::note_repairs(held& to, const std::vector<manifest::attestation>& said) {
  for (const auto& a : said)
    // A reader may ignore it, and does where it cannot be read.
    if (const auto chunks = manifest::repaired_in(a, to.what); chunks && !chunks.value().empty()) to.repairs.push_back(a);
}

void proofs::keep(uint64_t group, uint64_t object, const base::bytes& payload, bool counts) {
  auto read = manifest::decode(payload);
  if (!read) return;
  proof p{group, object, payload, false, 0, {}};
  if (auto* late = std::get_if<manifest::late_attestations>(&read.value())) {
    if (!counts) return;
    for (auto& [first, h] : contents_) {
      if (h.id != late->manifest_id) continue;
      keep_late(h, std::move(p), late->attestations);
      return;
    }
    const auto it = std::ranges::find(waiting_, late->manifest_id, &held::id);
    if (it == waiting_.end()) return;
    keep_late(*it, std::move(p), late->attestations);
    hold(std::move(*it));
    waiting_.erase(it);
    return;
  }
  auto& whole = std::get<manifest::signed_manifest>(read.value());
  p.alone = counts;
  p.first_index = whole.content.chunk_start_index;
  p.broadcast_unix_ms = whole.attestations.front().broadcast_unix_ms;
  const auto id = manifest::manifest_id(whole.content);
  const auto [from, to] = contents_.equal_range(p.first_index);
  for (auto it = from; it != to; ++it) {
    if (it->second.id != id) continue;
    // The same content once more, with other attestations.
    if (counts) keep_late(it->second, std::move(p), whole.attestations);
    return;
  }
  const auto known = std::ranges::find(waiting_, id, &held::id);
  held h{id, std::move(whole.content), std::move(p), {}, {}};
  note_repairs(h, whole.attestations);
  if (counts) {
    if (known != waiting_.end()) waiting_.erase(known);
    hold(std::move(h));
  } else if (known == waiting_.end()) {
    if (waiting_.size() >= limits::verifier_waiting_max) waiting_.pop_front();
    waiting_.push_back(std::move(h));
  }
}

std::vector<proof> proofs::of(uint64_t index, const crypto::digest& digest) const {
  std::vector<proof> out;
  for (const bool alone : {true, false})
    for (const auto& [first, h] : contents_) {
      if (first > index) break;
      if (h.object.alone != alone || !h.what.covers(index) || h.what.at(index).digest != digest) continue;
      out.push_back(h.object);
      out.insert(out.end(), h.late.begin(), h.late.end());
    }
  return out;
}

std::optional<proof> proofs::merged(uint64_t index, const crypto::digest& digest,
  const std::function<bool(const crypto::verifying_key&)>& counts) const {
  std::optional<proof> best;
  size_t most = 0;
  for (const auto& [first, h] : contents_) {
    if (first > index) break;
    if (!h.what.covers(index) || h.what.at(index).digest != digest) continue;
    manifest::signed_manifest all{h.what, {}};
    const auto& id = h.id; // clang before 16 captures no name of a structured binding
    const auto take = [&](const base::bytes& payload) {
      const auto read = manifest::decode(payload);
      if (!read) return;
      if (const auto* whole = std::get_if<manifest::signed_manifest>(&read.value()))
        for (const auto& s : whole->key_statements)
          if (all.key_statements.size() < limits::key_statements_max && std::ranges::find(all.key_statements, s) == all.key_statements.end() && manifest::genuine(s))
            all.key_statements.push_back(s);
      for (const auto& a : attestations_in(read.value())) {
        const auto same = [&](const manifest::attestation& other) { return other.signer == a.signer; };
        if (all.attestations.size() >= limits::manifest_attestations_max || !counts(a.signer) || std::ranges::any_of(all.attestations, same)) continue;
        // Any relay may put a trusted name over a signature that is none.
        if (crypto::verify(a.signer, manifest::signed_bytes(a, id), a.signature)) all.attestations.push_back(a);
      }
    };
    take(h.object.payload);
    for (const auto& late : h.late) take(late.payload);
    if (all.attestations.size() <= most) continue;
    most = all.attestations.size();
    best = h.object;
    best->payload = base::bytes::adopt(manifest::encode(all));
    best->alone = true;
    best->broadcast_unix_ms = all.attestations.front().broadcast_unix_ms;
  }
  return best;
}

std::optional<manifest::repaired_chunk> proofs::repaired(uint64_t index, const crypto::digest& digest, const crypto::verifying_key& signer) const {
  for (const auto& [first, h] : contents_) {
    if (first > index) break;
    if (!h.what.covers(index) || h.what.at(index).digest != digest) continue;
    for (const auto& a : h.repairs) {
      if (a.signer != signer) continue;
      const auto said = manifest::repaired_in(a, h.what).value();
      const auto one = std::ranges::find(said, index, &manifest::repaired_chunk::index);
      if (one != said.end() && crypto::verify(a.signer, manifest::signed_bytes(a, h.id), a.signature)) return *one;
    }
  }
  return std::nullopt;
}

} // namespace ec::object
