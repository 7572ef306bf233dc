#include "object/stream_guard.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/limits_guard.hpp"

namespace ec::object {
namespace {

using manifest::refusal_reason;
namespace limits = base::limits;

guard_answer wrong(std::string why) {
  return {guarded::wrong, std::move(why)};
}

/// True if who gave it is to answer for it: nobody who is trusted could have said it, or not so.
bool is_junk(refusal_reason why) {
  switch (why) {
  case refusal_reason::malformed:
  case refusal_reason::too_large:
  case refusal_reason::wrong_stream:
  case refusal_reason::wrong_group:
  case refusal_reason::untrusted:
  case refusal_reason::key_revoked:
  case refusal_reason::bad_signature: return true;
  default: return false;
  }
}

std::string_view publisher_of(const std::optional<chunk_head>& head) {
  return head && head->damage ? std::string_view(head->damage->publisher) : std::string_view();
}

} // namespace

stream_guard::stream_guard(stream_cipher cipher, manifest::verifier verifier, std::string profile) :
  cipher_(std::move(cipher)), verifier_(std::move(verifier)), profile_(std::move(profile)) {}

guard_answer stream_guard::manifest(uint64_t group, const base::bytes& payload, base::wall_time wall) {
  const auto outcome = verifier_.accept(payload, wall, group);
  if (!outcome.accepted && !outcome.duplicate && outcome.followed.empty()) {
    const auto junk = std::ranges::find_if(outcome.refusals, [](const auto& r) { return is_junk(r.why); });
    if (junk != outcome.refusals.end()) return wrong(junk->text);
    return {guarded::useless, outcome.refusals.empty() ? "it says nothing new" : outcome.refusals.front().text};
  }
  if (outcome.accepted) {
    for (auto& [at, g] : groups_) {
      const auto& [source, on, index] = at;
      if (g.is != guarded::waits || !g.tail || !listed(on, index, g.tail->digest())) continue;
      g.is = guarded::right;
      prove(on, index, *g.tail);
      decisions_.push_back({source, on, index, guarded::right, {}});
    }
  }
  return {guarded::right, {}};
}

guard_answer stream_guard::push(uint64_t source, track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload, base::mono_time now) {
  const place at{source, on, group};
  auto it = groups_.find(at);
  if (it == groups_.end()) {
    make_room(source);
    it = groups_.emplace(at, group_state{}).first;
    it->second.since = now;
  }
  auto& g = it->second;
  if (g.is == guarded::wrong || g.is == guarded::useless) return {g.is, g.why};
  // What follows a proven tail, or is given twice, is held against it.
  if (g.is == guarded::right) return match(on, group, object, payload);
  const auto said = object == head_object                       ? take_head(g, on, payload)
                    : kind_of(payload) == payload_kind::tail ? take_tail(g, on, object, payload)
                                                                : take_piece(g, on, group, object, payload);
  if (said.is == guarded::wrong) {
    g = {.since = g.since, .head = {}, .pieces = {}, .tail = {}, .is = guarded::wrong, .why = said.why};
    return said;
  }
  if (!g.tail || !listed(on, group, g.tail->digest())) return {guarded::waits, {}};
  g.is = guarded::right;
  prove(on, group, *g.tail);
  return {guarded::right, {}};
}

guard_answer stream_guard::take_head(group_state& g, track on, std::span<const uint8_t> payload) const {
  auto head = decode_head(on, payload);
  if (!head) return wrong("its head: " + head.error().message());
  if (head.value().key_id != cipher_.key_id()) return wrong("it is sealed with another key than this stream's");
  if (head.value().profile != profile_) return wrong("it is of profile " + head.value().profile + ", the stream of " + profile_);
  g.head = std::move(head).value();
  return {};
}

guard_answer stream_guard::take_piece(group_state& g, track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload) const {
  if (g.tail) return wrong("a piece behind the tail");
  if (object > limits::chunk_pieces_max) return wrong("more pieces than a chunk has");
  if (on == track::damaged && !g.head) return wrong("a piece without the head that says whose it is");
  const auto where = static_cast<uint32_t>(object - 1);
  const auto opened = cipher_.open({group, where, publisher_of(g.head)}, payload);
  if (!opened) return wrong("piece " + std::to_string(where) + ": " + opened.error().message());
  g.pieces[where] = {opened.value().digest, opened.value().plaintext.size()};
  return {};
}

guard_answer stream_guard::take_tail(group_state& g, track on, uint64_t object, std::span<const uint8_t> payload) const {
  auto read = decode_tail(on, payload);
  if (!read) return wrong("its tail: " + read.error().message());
  auto& t = read.value();
  if (object != tail_object(static_cast<uint32_t>(t.pieces.size()))) return wrong("its tail stands where no tail of so many pieces does");
  for (const auto& [where, p] : g.pieces) {
    if (where >= t.pieces.size() || p.digest != t.pieces[where] || p.size != piece_size(t.size, where)) return wrong("piece " + std::to_string(where) + " is not the one that its tail lists");
  }
  if (g.head && (g.head->first_pts != t.first_pts || g.head->damage != t.damage)) return wrong("its head and tail differ");
  g.tail = std::move(t);
  return {};
}

guard_answer stream_guard::match(track on, uint64_t group, uint64_t object, std::span<const uint8_t> payload) const {
  const auto it = proven_.find({on, group});
  if (it == proven_.end()) return {guarded::useless, "no trusted manifest is known to list its chunk"};
  const auto& t = it->second.tail;
  if (object == head_object) {
    const auto head = decode_head(on, payload);
    const bool same = head && head.value().first_pts == t.first_pts && head.value().damage == t.damage && head.value().key_id == cipher_.key_id() && head.value().profile == profile_;
    return same ? guard_answer{guarded::right, {}} : wrong("not the head of the chunk that is listed");
  }
  if (object == tail_object(static_cast<uint32_t>(t.pieces.size()))) {
    const auto tail = decode_tail(on, payload);
    return tail && tail.value().digest() == it->second.digest ? guard_answer{guarded::right, {}} : wrong("not the tail of the chunk that is listed");
  }
  if (object > t.pieces.size()) return wrong("behind the end of the chunk that is listed");
  const auto where = static_cast<uint32_t>(object - 1);
  const auto opened = cipher_.open({group, where, t.damage ? std::string_view(t.damage->publisher) : std::string_view()}, payload);
  return opened && opened.value().digest == t.pieces[where] ? guard_answer{guarded::right, {}} : wrong("not a piece of the chunk that is listed");
}

bool stream_guard::listed(track on, uint64_t group, const crypto::digest& digest) const {
  return std::ranges::any_of(verifier_.versions(group), [&](const auto& v) { return v.digest == digest && v.damaged == (on == track::damaged); });
}

void stream_guard::prove(track on, uint64_t group, const chunk_tail& tail) {
  proven_[{on, group}] = {tail, tail.digest()};
  if (proven_.size() <= limits::guard_proven_max) return;
  // The lowest chunk of either track: what is live stays.
  proven_.erase(std::ranges::min_element(proven_, {}, [](const auto& p) { return p.first.second; }));
}

/// A source that begins group after group loses its own oldest.
void stream_guard::make_room(uint64_t source) {
  const auto first = groups_.lower_bound({source, track::chunks, 0});
  const auto end = groups_.lower_bound({source + 1, track::chunks, 0});
  if (static_cast<size_t>(std::distance(first, end)) < limits::guard_groups_max) return;
  auto oldest = first;
  for (auto it = first; it != end; ++it)
    if (it->second.since < oldest->second.since) oldest = it;
  if (oldest->second.is == guarded::waits)
    decisions_.push_back({source, std::get<1>(oldest->first), std::get<2>(oldest->first), guarded::useless, "too many groups of it wait"});
  groups_.erase(oldest);
}

void stream_guard::expire(base::mono_time since) {
  for (auto& [at, g] : groups_) {
    if (g.is != guarded::waits || g.since >= since) continue;
    const auto& [source, on, index] = at;
    const bool other = g.tail && std::ranges::any_of(verifier_.versions(index), [on = on](const auto& v) { return v.damaged == (on == track::damaged); });
    g = {.since = g.since, .head = {}, .pieces = {}, .tail = {}, .is = other ? guarded::wrong : guarded::useless,
      .why = other ? "a trusted manifest lists another chunk there" : "no trusted manifest lists it"};
    decisions_.push_back({source, on, index, g.is, g.why});
  }
}

void stream_guard::forget(uint64_t source) {
  groups_.erase(groups_.lower_bound({source, track::chunks, 0}), groups_.lower_bound({source + 1, track::chunks, 0}));
}

size_t stream_guard::waiting() const {
  return static_cast<size_t>(std::ranges::count_if(groups_, [](const auto& g) { return g.second.is == guarded::waits; }));
}

} // namespace ec::object
