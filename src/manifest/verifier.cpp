#include "manifest/verifier.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "manifest/signer.hpp"

namespace ec::manifest {
namespace {

namespace limits = base::limits;

std::string in_seconds(int64_t ms) {
  return std::to_string(ms / 1000) + " s";
}

} // namespace

std::string_view name(refusal_reason r) {
  static constexpr std::string_view names[refusal_reason_count] = {"malformed",    "too_large", "wrong_stream", "wrong_group", "untrusted", "key_revoked",
                                                                   "bad_signature", "equivocation", "fork", "rollback",
                                                                   "stale",        "from_future", "key_statement", "unknown_manifest"};
  return names[static_cast<size_t>(r)];
}

verifier_config live_rules() {
  return {.age_max = std::chrono::hours(6), .ahead_max = std::chrono::hours(2)};
}

std::vector<std::pair<std::string, uint64_t>> verifier_counters::list() const {
  std::vector<std::pair<std::string, uint64_t>> out{{"accepted", accepted},
                                                    {"duplicates", duplicates},
                                                    {"attestations", attestations},
                                                    {"sequences_missed", sequences_missed},
                                                    {"chains_restarted", chains_restarted},
                                                    {"gaps", gaps},
                                                    {"keys_rotated", keys_rotated},
                                                    {"keys_revoked", keys_revoked},
                                                    {"disagreements", disagreements},
                                                    {"evicted", evicted},
                                                    {"crowded_out", crowded_out}};
  for (size_t i = 0; i < refused.size(); ++i)
    out.emplace_back("refused_" + std::string(name(static_cast<refusal_reason>(i))), refused[i]);
  return out;
}

verifier::verifier(std::string stream_id, trust_set trust, verifier_config config)
    : stream_id_(std::move(stream_id)), trust_(std::move(trust)), config_(config) {}

refusal& verifier::refuse(outcome& out, refusal_reason why, std::string text, std::optional<crypto::verifying_key> signer) {
  ++counters_.refused[static_cast<size_t>(why)];
  return out.refusals.emplace_back(refusal{why, std::move(text), signer});
}

outcome verifier::accept(std::span<const uint8_t> payload, base::wall_time now, std::optional<uint64_t> group) {
  outcome out;
  const auto elsewhere = [&](const content& c) {
    if (!group || *group == c.epoch_id) return false;
    refuse(out, refusal_reason::wrong_group, "the manifest of epoch " + std::to_string(c.epoch_id) + " in group " + std::to_string(*group));
    return true;
  };
  look_for_gaps(out, now);
  auto read = decode(payload);
  if (!read) {
    const bool large = read.error().code == base::errc::too_large;
    refuse(out, large ? refusal_reason::too_large : refusal_reason::malformed, read.error().message());
    return out;
  }
  if (auto* whole = std::get_if<signed_manifest>(&read.value())) {
    if (whole->content.stream_id != stream_id_) {
      refuse(out, refusal_reason::wrong_stream, "a manifest of " + whole->content.stream_id);
      return out;
    }
    if (elsewhere(whole->content)) return out;
    follow(out, whole->key_statements);
    const auto id = manifest_id(whole->content);
    const auto* here = find_held(id);
    const auto what = here != nullptr ? here->what : std::make_shared<const content>(std::move(whole->content));
    judge(out, id, what, whole->attestations, now);
    return out;
  }
  const auto& late = std::get<late_attestations>(read.value());
  std::shared_ptr<const content> what;
  if (const auto* here = find_held(late.manifest_id)) what = here->what;
  for (const auto& [id, waiting] : waiting_)
    if (id == late.manifest_id) what = waiting;
  if (what == nullptr) refuse(out, refusal_reason::unknown_manifest, "attestations of the unknown manifest " + late.manifest_id.hex());
  else if (!elsewhere(*what)) judge(out, late.manifest_id, what, late.attestations, now);
  return out;
}

/// Before the attestations: the object may be the first that a new key signed. A statement of a key that is not trusted is not for
/// us, and no fault: the leader says the same to all.
void verifier::follow(outcome& out, const std::vector<key_statement>& statements) {
  // One may make the next one's key trusted, in whichever order they stand.
  for (size_t round = 0; round < statements.size(); ++round) {
    bool changed = false;
    for (const auto& s : statements) {
      if (trust_.follows(s) || !trust_.trusts(s.key)) continue;
      const bool said = std::ranges::any_of(out.refusals, [&](const refusal& r) { return r.signer == s.key; });
      if (said) continue;
      if (!genuine(s)) {
        refuse(out, refusal_reason::bad_signature, "a key statement in the name of " + trust_.name(s.key) + " is not signed by the keys it names", s.key);
        continue;
      }
      if (const auto done = trust_.follow(s); !done) {
        refuse(out, refusal_reason::key_statement, done.error().message(), s.key);
        continue;
      }
      ++(s.what == key_statement::kind::rotate ? counters_.keys_rotated : counters_.keys_revoked);
      out.followed.push_back(s);
      changed = true;
    }
    if (!changed) return;
  }
}

void verifier::judge(outcome& out, const crypto::digest& id, std::shared_ptr<const content> what, const std::vector<attestation>& said,
                     base::wall_time now) {
  bool any = false;
  for (const auto& a : said) any = judge_one(out, id, what, a, now) || any;
  if (out.accepted) {
    ++counters_.accepted;
  } else if (out.refusals.empty() && out.followed.empty()) {
    out.duplicate = true;
    ++counters_.duplicates;
  }
  // An attestation by a key that is trusted may come later and name the manifest only.
  if (find_held(id) == nullptr && std::ranges::any_of(out.refusals, [](const refusal& r) { return r.why == refusal_reason::untrusted; }))
    wait_for_attestation(id, std::move(what));
}

bool verifier::judge_one(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a,
                         base::wall_time now) {
  if (trust_.revoked(a.signer)) {
    refuse(out, refusal_reason::key_revoked, "signed by " + a.signer.to_string() + ", which was revoked", a.signer);
    return false;
  }
  const bool first_use = trust_.awaits_first();
  if (!first_use && !trust_.trusts(a.signer)) {
    refuse(out, refusal_reason::untrusted, "signed by " + a.signer.to_string() + ", which is not trusted", a.signer);
    return false;
  }
  if (const auto c = chains_.find(a.signer); c != chains_.end()) {
    const auto link = c->second.links.find(a.sequence);
    const bool copy = link != c->second.links.end() && link->second.digest == a.digest(id);
    if (copy && link->second.recalled == nullptr) return false; // of what was judged
  }
  // The signature before anything that accuses the signer.
  if (!crypto::verify(a.signer, signed_bytes(a, id), a.signature)) {
    refuse(out, refusal_reason::bad_signature, "the signature of " + trust_.name(a.signer) + " does not verify", a.signer);
    return false;
  }
  const auto age = base::unix_ms(now) - static_cast<int64_t>(a.signed_unix_ms);
  if (config_.age_max && age > config_.age_max->count()) {
    refuse(out, refusal_reason::stale, "signed " + in_seconds(age) + " ago, " + in_seconds(config_.age_max->count()) + " are allowed: is it a replay, or a clock that is wrong", a.signer);
    return false;
  }
  if (config_.ahead_max && -age > config_.ahead_max->count()) {
    refuse(out, refusal_reason::from_future, "signed " + in_seconds(-age) + " ahead of this node's clock, " + in_seconds(config_.ahead_max->count()) +
                                              " are allowed: is this clock right", a.signer);
    return false;
  }
  if (!chain_allows(out, id, what, a)) {
    // A fork may carry a second content of chunks that the signer vouched for already: then the first one counts no more either.
    content_allows(out, id, what, a);
    return false;
  }
  auto* here = find_held(id);
  if (here == nullptr && !make_room(out, *what, a.signer)) {
    refuse(out, refusal_reason::rollback, "epoch " + std::to_string(what->epoch_id) + " is older than all that is remembered of " + trust_.name(a.signer), a.signer);
    return false;
  }
  outcome::taken news{verified<content>(what), id, {}};
  if (first_use && trust_.add(a.signer)) news.new_key = true;
  const bool allowed = content_allows(out, id, what, a);
  remember_link(id, a, news, now);
  here = find_held(id);
  if (here == nullptr) {
    if (allowed) count_disagreement(*what);
    here = &hold(id, what);
  }
  const auto voice = std::ranges::find(here->voices, a.signer, [](const held::voice& v) { return v.said.signer; });
  if (voice == here->voices.end()) {
    here->voices.push_back({a, !allowed});
    auto& mine = shares_[a.signer];
    mine.manifests.emplace(what->chunk_start_index, id);
    mine.entries += what->chunks.size();
  } else if (!allowed) {
    voice->contested = true;
  }
  if (!allowed) return false;
  ++counters_.attestations;
  if (!newest_signed_ || *newest_signed_ < a.signed_unix_ms) newest_signed_ = a.signed_unix_ms;
  if (!out.accepted) out.accepted = std::move(news);
  else {
    out.accepted->new_key |= news.new_key;
    out.accepted->chain_restarted |= news.chain_restarted;
    out.accepted->sequences_missed += news.sequences_missed;
  }
  out.accepted->signers.push_back(a.signer);
  return true;
}

bool verifier::chain_allows(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a) {
  const auto known = chains_.find(a.signer);
  if (known == chains_.end() || known->second.links.empty()) return true;
  const auto& links = known->second.links;
  const auto after = links.lower_bound(a.sequence);
  if (after != links.end() && after->first == a.sequence && after->second.digest == a.digest(id)) return true; // heard before a restart
  if (known->second.forgot && after == links.begin() && after->first != a.sequence) {
    if (after != links.end()) out.shown.push_back({evidence_kind::rollback, a.signer, said_before(after->second), {id, a, what}});
    refuse(out, refusal_reason::rollback, "attestation " + std::to_string(a.sequence) + " of " + trust_.name(a.signer) +
                                            " is older than all that is remembered", a.signer);
    return false;
  }
  const auto forked = [&](const chain::link& other, std::string_view how) {
    refuse(out, refusal_reason::fork, "the chain of " + trust_.name(a.signer) + " forks at " + std::to_string(a.sequence) + ": " + std::string(how), a.signer);
    keep_evidence(out, {evidence_kind::fork, a.signer, said_before(other), {id, a, what}});
    return false;
  };
  if (after != links.end()) {
    if (after->first == a.sequence) return forked(after->second, "two attestations have this number");
    if (after->first == a.sequence + 1 && after->second.said.previous != a.digest(id)) return forked(after->second, "the next one does not follow it");
    // A chain that begins anew has lost its clock's memory, too: what is compared is what goes on with it.
    const auto timed = std::find_if(after, links.end(), [](const auto& l) { return l.second.said.previous.has_value(); });
    if (timed != links.end() && timed->second.said.signed_unix_ms < a.signed_unix_ms) return forked(timed->second, "a later one was signed before it");
  }
  if (after != links.begin()) {
    const auto& before = std::prev(after)->second;
    if (before.said.sequence + 1 == a.sequence && a.previous != before.digest) return forked(before, "it does not follow the one before");
    if (a.previous && before.said.signed_unix_ms > a.signed_unix_ms) return forked(before, "an earlier one was signed after it");
  }
  return true;
}

bool verifier::content_allows(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a) {
  bool allowed = true;
  visit_overlapping(what->chunk_start_index, what->end_index(), [&](held& other) {
    if (other.id == id) return;
    for (auto& v : other.voices) {
      if (v.said.signer != a.signer) continue;
      const bool other_first = v.said.sequence < a.sequence;
      if (other_first ? compatible(*other.what, *what) : compatible(*what, *other.what)) continue;
      v.contested = true;
      allowed = false;
      keep_evidence(out, {evidence_kind::equivocation, a.signer, {other.id, v.said, other.what}, {id, a, what}});
    }
  });
  // What it said before a restart binds it too.
  if (const auto known = chains_.find(a.signer); known != chains_.end())
    for (const auto& [sequence, link] : known->second.links) {
      if (sequence >= known->second.recalled_end) break;
      const auto& other = link.recalled;
      if (other == nullptr || link.manifest_id == id || other->chunk_start_index >= what->end_index() || what->chunk_start_index >= other->end_index())
        continue;
      if (sequence < a.sequence ? compatible(*other, *what) : compatible(*what, *other)) continue;
      allowed = false;
      keep_evidence(out, {evidence_kind::equivocation, a.signer, {link.manifest_id, link.said, other}, {id, a, what}});
    }
  if (!allowed)
    refuse(out, refusal_reason::equivocation, trust_.name(a.signer) + " signed two contents of chunk " + std::to_string(what->chunk_start_index) +
                                                " and following: neither counts", a.signer);
  return allowed;
}

void verifier::remember_link(const crypto::digest& id, const attestation& a, outcome::taken& news, base::wall_time now) {
  auto& c = chains_[a.signer];
  if (!c.links.empty() && c.links.rbegin()->first < a.sequence) {
    const auto newest = c.links.rbegin()->first;
    if (a.previous) {
      news.sequences_missed = a.sequence - newest - 1;
      counters_.sequences_missed += news.sequences_missed;
      if (news.sequences_missed > 0) {
        c.holes.push_back({newest, a.sequence, now});
        if (c.holes.size() > limits::verifier_evidence_max) c.holes.pop_front();
      }
    } else {
      news.chain_restarted = true;
      ++counters_.chains_restarted;
    }
  }
  const auto [link, fresh] = c.links.emplace(a.sequence, chain::link{a.digest(id), id, a, nullptr});
  if (!fresh) link->second.recalled = nullptr; // its content is held from now on
  if (c.links.size() > limits::verifier_chain_max) {
    c.links.erase(c.links.begin());
    c.recalled_end = std::max(c.recalled_end, a.sequence + 1);
    c.forgot = true;
  }
}

void verifier::look_for_gaps(outcome& out, base::wall_time now) {
  for (auto& [signer, c] : chains_) {
    while (!c.holes.empty() && now - c.holes.front().seen >= config_.gap_patience) {
      const auto hole = c.holes.front();
      c.holes.pop_front();
      auto before = c.links.find(hole.before);
      if (before == c.links.end()) continue; // too long ago
      // What came since may have closed it, or parts of it.
      auto after = std::next(before);
      while (after != c.links.end() && after->first <= hole.after && after->first == before->first + 1) before = after++;
      if (after == c.links.end() || after->first > hole.after) continue;
      ++counters_.gaps;
      out.shown.push_back({evidence_kind::gap, signer, said_before(before->second), said_before(after->second)});
    }
  }
}

void verifier::keep_evidence(outcome& out, evidence e) {
  out.shown.push_back(e);
  if (evidence_.size() >= limits::verifier_evidence_max) evidence_.pop_front();
  evidence_.push_back(std::move(e));
}

evidence::statement verifier::said_before(const chain::link& link) const {
  const auto* here = find_held(link.manifest_id);
  return {link.manifest_id, link.said, here == nullptr ? link.recalled : here->what};
}

void verifier::recall(const subscriber_state& before) {
  for (const auto& h : before.heard) {
    const auto& a = h.attestations.front();
    const auto id = manifest_id(h.content);
    // A file that somebody wrote accuses nobody.
    if (h.content.stream_id != stream_id_ || !trust_.trusts(a.signer) || !crypto::verify(a.signer, signed_bytes(a, id), a.signature)) continue;
    auto& c = chains_[a.signer];
    c.links.emplace(a.sequence, chain::link{a.digest(id), id, a, std::make_shared<const content>(h.content)});
    c.recalled_end = std::max(c.recalled_end, a.sequence + 1);
    c.forgot = true;
  }
}

subscriber_state verifier::state() const {
  subscriber_state out{stream_id_, trust_.followed(), {}};
  for (const auto& [signer, c] : chains_) {
    if (!trust_.trusts(signer)) continue;
    size_t newest = 0;
    for (auto link = c.links.rbegin(); link != c.links.rend() && newest < limits::heard_max; ++link, ++newest) {
      const auto said = said_before(link->second);
      if (said.content != nullptr) out.heard.push_back({*said.content, {said.attestation}});
    }
  }
  tidy(out);
  return out;
}

void verifier::count_disagreement(const content& c) {
  bool differs = false;
  visit_overlapping(c.chunk_start_index, c.end_index(), [&](const held& other) {
    for (auto i = std::max(c.chunk_start_index, other.what->chunk_start_index); i < std::min(c.end_index(), other.what->end_index()); ++i)
      differs |= c.at(i).state == chunk_state::whole && other.what->at(i).state == chunk_state::whole && c.at(i).digest != other.what->at(i).digest;
  });
  if (differs) ++counters_.disagreements;
}

const verifier::held* verifier::find_held(const crypto::digest& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second->second;
}

verifier::held* verifier::find_held(const crypto::digest& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second->second;
}

verifier::held& verifier::hold(const crypto::digest& id, std::shared_ptr<const content> what) {
  std::erase_if(waiting_, [&](const auto& w) { return w.first == id; });
  entries_ += what->chunks.size();
  longest_ = std::max(longest_, what->chunks.size());
  const auto start = what->chunk_start_index;
  const auto at = known_.emplace(start, held{id, std::move(what), {}, ++arrivals_});
  by_id_.emplace(id, at);
  return at->second;
}

std::map<crypto::verifying_key, verifier::holding> verifier::holdings() const {
  std::map<crypto::verifying_key, holding> out;
  for (const auto& [key, mine] : shares_) {
    if (mine.manifests.empty()) continue;
    auto& all = out[trust_.owner(key)];
    all.manifests += mine.manifests.size();
    all.entries += mine.entries;
    all.oldest = std::min(all.oldest, mine.manifests.begin()->first);
  }
  return out;
}

/// Every held manifest has a voice, so that the fullest of n owners stands for an n-th of what is held: who stands for less loses
/// nothing. Each round takes one voice, which came but once.
bool verifier::make_room(outcome& out, const content& c, const crypto::verifying_key& signer) {
  for (;;) {
    const bool many = known_.size() >= config_.manifests_max;
    if (known_.empty() || (!many && entries_ + c.chunks.size() <= config_.entries_max)) return true;
    const auto own = trust_.owner(signer);
    const auto all = holdings();
    const auto fullest = std::ranges::max_element(all, {}, [&](const auto& h) {
      return std::tuple(many ? h.second.manifests : h.second.entries, h.first == own, ~h.second.oldest);
    });
    // What would have to leave at once is not taken.
    if (fullest->first == own && fullest->second.oldest >= c.chunk_start_index) return false;
    give_up_oldest(out, fullest->first);
  }
}

void verifier::give_up_oldest(outcome& out, const crypto::verifying_key& owner) {
  auto from = shares_.end();
  for (auto it = shares_.begin(); it != shares_.end(); ++it) {
    if (it->second.manifests.empty() || trust_.owner(it->first) != owner) continue;
    if (from == shares_.end() || it->second.manifests.begin()->first < from->second.manifests.begin()->first) from = it;
  }
  const auto& key = from->first; // clang 14 lets no lambda capture a structured binding
  auto& mine = from->second;
  const auto [start, id] = *mine.manifests.begin();
  if (start > known_.begin()->first) {
    ++counters_.crowded_out;
    ++out.crowded_out;
    if (!std::exchange(mine.told, true)) out.crowding.push_back(key);
  }
  const auto at = by_id_.at(id);
  auto& h = at->second;
  mine.manifests.erase(mine.manifests.begin());
  mine.entries -= h.what->chunks.size();
  std::erase_if(h.voices, [&](const held::voice& v) { return v.said.signer == key; });
  if (!h.voices.empty()) return; // others stand for it
  entries_ -= h.what->chunks.size();
  by_id_.erase(id);
  known_.erase(at);
  ++counters_.evicted;
}

void verifier::wait_for_attestation(const crypto::digest& id, std::shared_ptr<const content> what) {
  if (std::ranges::any_of(waiting_, [&](const auto& w) { return w.first == id; })) return;
  if (waiting_.size() >= base::limits::verifier_waiting_max) waiting_.pop_front();
  waiting_.emplace_back(id, std::move(what));
}

template <class Visit>
void verifier::visit_overlapping(uint64_t from, uint64_t to, Visit&& visit) {
  const auto first = from >= longest_ ? from - longest_ + 1 : 0;
  for (auto it = known_.lower_bound(first); it != known_.end() && it->first < to; ++it)
    if (it->second.what->end_index() > from) visit(it->second);
}

std::vector<verifier::candidate> verifier::candidates(uint64_t index) const {
  std::vector<candidate> found;
  const auto first = index >= longest_ ? index - longest_ + 1 : 0;
  for (auto it = known_.lower_bound(first); it != known_.end() && it->first <= index; ++it) {
    const auto& [id, what, voices, arrival] = it->second;
    if (!what->covers(index) || what->at(index).state == chunk_state::missing) continue;
    const auto& entry = what->at(index);
    const bool damaged = entry.state == chunk_state::damaged;
    for (const auto& v : voices) {
      // What a key signed before it was revoked counts no more either: its thief chooses the time that he states.
      if (v.contested || !trust_.trusts(v.said.signer)) continue;
      auto same = std::ranges::find_if(found, [&](const candidate& c) { return c.chunk.digest == entry.digest && c.chunk.damaged == damaged; });
      if (same == found.end())
        same = found.insert(found.end(), {{entry.digest, damaged, v.said.signer, 0, what->epoch_id, id}, {}, arrival});
      const auto owner = trust_.owner(v.said.signer);
      if (std::ranges::find(same->signers, owner) == same->signers.end()) same->signers.push_back(owner);
    }
  }
  return found;
}

size_t verifier::signers_of(uint64_t index) const {
  size_t most = 0;
  for (const auto& c : candidates(index)) most = std::max(most, c.signers.size());
  return most;
}

std::vector<expected_chunk> verifier::versions(uint64_t index) const {
  auto found = candidates(index);
  std::erase_if(found, [&](const candidate& c) { return c.signers.size() < config_.signers_required; });
  std::ranges::sort(found, {}, [](const candidate& c) { return std::tuple(c.chunk.damaged, -static_cast<int64_t>(c.signers.size()), c.arrival); });
  std::vector<expected_chunk> out;
  for (auto& c : found) {
    c.chunk.signers = c.signers.size();
    out.push_back(c.chunk);
  }
  return out;
}

std::optional<expected_chunk> verifier::find(uint64_t index) const {
  auto all = versions(index);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

std::optional<uint64_t> verifier::newest_index() const {
  if (known_.empty()) return std::nullopt;
  return known_.rbegin()->second.what->end_index() - 1;
}

} // namespace ec::manifest
