#include "object/receiver.hpp"

#include <algorithm>

#include "base/byte_io.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;

size_t slot(track on) {
  return static_cast<size_t>(on);
}

/// Pieces of one source and group that do not open before the rest is not even tried.
constexpr uint32_t unauthentic_max = 8;

std::optional<refusal> refusal_of(assembled a) {
  switch (a) {
  case assembled::added:
  case assembled::duplicate:
  case assembled::conflict: return std::nullopt;
  case assembled::out_of_place: return refusal::bad_object_id;
  case assembled::malformed:
  case assembled::too_large: return refusal::malformed_piece;
  case assembled::unauthentic: return refusal::unauthentic_piece;
  case assembled::wrong_nonce: return refusal::wrong_nonce;
  case assembled::other_bytes: return refusal::piece_mismatch;
  case assembled::republished: return refusal::republished;
  case assembled::too_many: return refusal::versions_full;
  }
  return std::nullopt;
}

std::string_view sentence(refusal r) {
  switch (r) {
  case refusal::bad_object_id: return "no object of this group has this id";
  case refusal::malformed_piece: return "is no sealed piece";
  case refusal::unauthentic_piece: return "the piece does not open: it was changed on the way or sealed with another key";
  case refusal::wrong_nonce: return "the piece was not sealed by the rule of the format";
  case refusal::piece_mismatch: return "the piece is not one of the chunk that the manifest lists";
  case refusal::chunk_mismatch: return "the chunk is not the one that the manifest lists";
  case refusal::head_mismatch: return "the head is not that of this chunk";
  case refusal::republished: return "the source gave other bytes for the same object before";
  default: return {};
  }
}

} // namespace

receiver::receiver(stream_cipher cipher, std::unique_ptr<manifest_judge> judge, receiver_config config)
    : cipher_(std::move(cipher)), judge_(std::move(judge)), config_(std::move(config)) {
  using std::chrono::milliseconds;
  if (config_.chunk_duration <= milliseconds(0)) config_.chunk_duration = milliseconds(2000);
  if (config_.patience <= milliseconds(0)) config_.patience = 3 * config_.chunk_duration;
  if (config_.fetch_after <= milliseconds(0)) config_.fetch_after = std::max(config_.chunk_duration / 4, milliseconds(1));
  if (config_.fetch_timeout <= milliseconds(0)) config_.fetch_timeout = config_.chunk_duration;
  if (config_.require_manifest) config_.use_manifests = true;
  config_.wait_groups_max = std::max<size_t>(config_.wait_groups_max, 1);
}

bool receiver::on_source_added(source_id source, std::string node) {
  if (sources_.contains(source)) return true;
  if (sources_.size() >= limits::subscriber_sources_max) return false;
  account_.add(source, std::move(node));
  sources_.emplace(source, source_state{});
  return true;
}

actions receiver::on_source_lost(source_id source, base::mono_time now) {
  if (!sources_.contains(source) || stopped_) return {};
  lose(source);
  return settle(now, {});
}

actions receiver::on_object(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, base::mono_time now) {
  actions out;
  if (stopped_) return out;
  ++counters_.objects;
  const auto refuse_now = [&](refusal why, std::string text) {
    refuse(source, name(on), group, object, why, std::move(text), out);
    return settle(now, std::move(out));
  };
  if (!sources_.contains(source)) return refuse_now(refusal::unknown_source, "from a source that is not one of ours");
  sources_.at(source).gave[0] = true;
  if (passed(group)) {
    note_late(source, on, group, object, payload);
    return refuse_now(refusal::late, {});
  }
  if (evicted_.contains({group, source})) return refuse_now(refusal::waiting_full, {});
  if (group > base::quic_varint_max || object > object_id_max) {
    blame(source, group, true);
    return refuse_now(refusal::bad_object_id, "no object of a group has this id");
  }
  const auto known = groups_.find(group);
  if (known != groups_.end()) {
    const auto part = known->second.parts.find(source);
    if (part != known->second.parts.end() && part->second.refused) return refuse_now(refusal::refused_group, {});
  }

  auto& state = state_of(group, now, out);
  if (!state.opened_by) state.opened_by = source;
  state.parts.try_emplace(source);
  account_.expect(source, group);
  if (object == head_object) {
    take_head(source, on, group, payload, state, now, out);
  } else {
    switch (kind_of(payload)) {
    case payload_kind::piece: take_piece(source, on, group, object, payload, state, now, out); break;
    case payload_kind::tail: take_tail(source, on, group, object, payload, state, now, out); break;
    case payload_kind::other:
      refuse(source, name(on), group, object, refusal::malformed_piece, "is neither a sealed piece nor a tail", out);
      blame(source, group, false);
      break;
    }
  }
  return settle(now, std::move(out));
}

void receiver::take_head(source_id source, track on, uint64_t group, const base::bytes& payload, group_state& state, base::mono_time now,
                         actions& out) {
  auto head = decode_head(on, payload);
  if (!head) {
    refuse(source, name(on), group, head_object, refusal::malformed_head, head.error().message(), out);
    return blame(source, group, true);
  }
  auto& facts = head.value();
  if (facts.key_id != cipher_.key_id()) {
    refuse(source, name(on), group, head_object, refusal::wrong_key, "sealed with another key: is it the same stream id and network secret", out);
    return blame(source, group, true);
  }
  if (!config_.profile.empty() && facts.profile != config_.profile) {
    refuse(source, name(on), group, head_object, refusal::wrong_profile, "of profile " + facts.profile + ", not " + config_.profile, out);
    return blame(source, group, true);
  }
  if (on == track::chunks) {
    state.head_seen = true;
    state.parts[source].head_pts = facts.first_pts;
  } else {
    auto& publisher = state.parts[source].publisher;
    if (publisher && *publisher != facts.damage->publisher) {
      refuse(source, name(on), group, head_object, refusal::republished, "names another publisher than before", out);
      return blame(source, group, true);
    }
    if (!state.damaged.contains(facts.damage->publisher) && state.damaged.size() >= limits::assembly_versions_max)
      return refuse(source, name(on), group, head_object, refusal::versions_full, {}, out);
    publisher = facts.damage->publisher;
    state.damaged.try_emplace(*publisher, group, *publisher);
    if (state.listed_damaged) blame_found(state.damaged.at(*publisher).prove(state.listed_damaged->digest), on, group, out);
  }
  state.progress = now;
}

assembly* receiver::assembly_of(source_id source, track on, uint64_t group, uint64_t object, group_state& state, actions& out) {
  if (on == track::chunks) return &state.whole;
  const auto& publisher = state.parts[source].publisher;
  const auto it = publisher ? state.damaged.find(*publisher) : state.damaged.end();
  if (it != state.damaged.end()) return &it->second;
  refuse(source, name(on), group, object, refusal::head_missing, "of a damaged version whose head has not come", out);
  return nullptr;
}

void receiver::take_piece(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, group_state& state,
                          base::mono_time now, actions& out) {
  auto* to = assembly_of(source, on, group, object, state, out);
  if (to == nullptr) return;
  if (object > limits::chunk_pieces_max) {
    refuse(source, name(on), group, object, refusal::bad_object_id, "more pieces than a chunk has", out);
    return blame(source, group, true);
  }
  const auto before = to->bytes_held();
  const auto done = to->add_piece(source, static_cast<uint32_t>(object - 1), payload, cipher_);
  bytes_waiting_ += to->bytes_held() - before;
  note_assembled(done, source, on, group, object, now, out);
}

void receiver::take_tail(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, group_state& state,
                         base::mono_time now, actions& out) {
  auto* to = assembly_of(source, on, group, object, state, out);
  if (to == nullptr) return;
  auto tail = decode_tail(on, payload);
  if (!tail) {
    refuse(source, name(on), group, object, refusal::malformed_tail, tail.error().message(), out);
    return blame(source, group, true);
  }
  if (on == track::damaged && tail.value().damage->publisher != to->publisher()) {
    refuse(source, name(on), group, object, refusal::malformed_tail, "names another publisher than its head", out);
    return blame(source, group, true);
  }
  if (tail.value().proof && !fits(*tail.value().proof, group)) {
    refuse(source, name(on), group, object, refusal::malformed_tail, "its proof is not one for this chunk", out);
    return blame(source, group, true);
  }
  // The manifest vouches here. What is handed on is what any other publisher's tail would have given.
  tail.value().proof.reset();
  const auto& said = state.parts[source].head_pts;
  if (on == track::chunks && said && *said != tail.value().first_pts) {
    refuse(source, name(on), group, object, refusal::head_mismatch, std::string(sentence(refusal::head_mismatch)), out);
    return blame(source, group, true);
  }
  if (on == track::chunks) state.parts[source].whole = tail.value().digest();
  const auto before = to->bytes_held();
  assembly::found_wrong wrong;
  auto done = to->add_tail(source, object, std::move(tail).value(), wrong);
  bytes_waiting_ = bytes_waiting_ + to->bytes_held() - before;
  if (done == assembled::other_bytes && on == track::chunks) {
    refuse(source, name(on), group, object, refusal::chunk_mismatch, std::string(sentence(refusal::chunk_mismatch)), out);
    blame(source, group, true);
  } else if (done == assembled::other_bytes) {
    // Another publisher's damaged version is no lie: only this one is attested.
    count(refusal::chunk_mismatch);
    state.parts[source].ended[slot(on)] = true;
  } else {
    note_assembled(done, source, on, group, object, now, out);
  }
  blame_found(wrong, on, group, out);
}

void receiver::note_assembled(assembled a, source_id source, track on, uint64_t group, uint64_t object, base::mono_time now, actions& out) {
  if (a == assembled::duplicate) ++counters_.objects_duplicate;
  if (!blames(a)) account_.count_object(source, a == assembled::duplicate);
  if (a == assembled::conflict) ++counters_.objects_conflicting;
  if (a == assembled::added || a == assembled::conflict) groups_.at(group).progress = now;
  if (const auto why = refusal_of(a)) refuse(source, name(on), group, object, *why, std::string(sentence(*why)), out);
  if (!blames(a)) return;
  const bool too_often = ++groups_.at(group).parts[source].faults >= unauthentic_max;
  blame(source, group, too_often || a == assembled::republished || a == assembled::out_of_place || a == assembled::other_bytes);
}

actions receiver::on_group_end(source_id source, track on, uint64_t group, group_ending how, base::mono_time now) {
  if (stopped_ || !sources_.contains(source)) return {};
  const auto it = groups_.find(group);
  if (it != groups_.end()) {
    auto& part = it->second.parts[source];
    part.ended[slot(on)] = true;
    part.reset[slot(on)] = how == group_ending::reset;
  }
  return settle(now, {});
}

void receiver::end_fetch(source_id source, track on, uint64_t group, bool failed, base::mono_time now) {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  auto& state = it->second;
  const auto open = std::ranges::find_if(state.fetches, [&](const open_fetch& f) { return f.source == source && f.on == on; });
  if (open == state.fetches.end()) return;
  state.fetches.erase(open);
  --fetches_open_;
  if (!failed) return;
  ++counters_.fetches_failed;
  const auto steps = std::min<uint32_t>(state.failures++, 4);
  state.fetch_next = now + std::min(config_.fetch_after / 4 * (1 << steps), config_.chunk_duration);
}

actions receiver::on_fetch_done(source_id source, track on, uint64_t group, base::mono_time now) {
  if (stopped_) return {};
  end_fetch(source, on, group, false, now);
  return settle(now, {});
}

actions receiver::on_fetch_failed(source_id source, track on, uint64_t group, base::mono_time now) {
  if (stopped_) return {};
  end_fetch(source, on, group, true, now);
  return settle(now, {});
}

actions receiver::tick(base::mono_time now) {
  if (stopped_) return {};
  for (auto& [index, state] : groups_) {
    std::vector<open_fetch> overdue;
    std::ranges::copy_if(state.fetches, std::back_inserter(overdue), [&](const open_fetch& f) { return f.until <= now; });
    for (const auto& f : overdue) end_fetch(f.source, f.on, index, true, now);
  }
  return settle(now, {});
}

receiver::group_state& receiver::state_of(uint64_t group, base::mono_time now, actions& out) {
  const auto [it, fresh] = groups_.try_emplace(group, group);
  if (!fresh) return it->second;
  it->second.seen = it->second.progress = it->second.fetch_next = now;
  list(group, it->second, now, out);
  return it->second;
}

void receiver::refuse(source_id source, std::string_view track, uint64_t group, uint64_t object, refusal why, std::string text, actions& out) {
  count(why);
  if (text.empty()) return;
  // One line for each kind of fault of one source in one group: an attacker does not fill the log.
  uint64_t* told = nullptr;
  // What a revoked key signs comes with every group.
  const bool each_group = why != refusal::manifest_key_revoked;
  if (const auto it = groups_.find(group); each_group && it != groups_.end() && it->second.parts.contains(source)) told = &it->second.parts[source].told;
  else if (const auto known = sources_.find(source); known != sources_.end()) told = &known->second.told;
  const uint64_t bit = uint64_t{1} << static_cast<size_t>(why);
  if (told == nullptr || (*told & bit) != 0) return;
  *told |= bit;
  out.push_back(reject{source, track, group, object, why, std::move(text)});
}

void receiver::blame(source_id source, uint64_t group, bool whole_group) {
  const auto it = groups_.find(group);
  const bool again = it == groups_.end() || it->second.parts[source].invalid;
  fault_of(source, again ? source_score::fault::bad_object : source_score::fault::bad_chunk);
  if (it == groups_.end()) return;
  auto& part = it->second.parts[source];
  part.refused = part.refused || whole_group;
  if (again) return;
  part.invalid = true;
  ++counters_.chunks_invalid;
  if (config_.chunks_invalid_max && counters_.chunks_invalid > *config_.chunks_invalid_max)
    stop_now(stop_reason::invalid_chunks, std::to_string(counters_.chunks_invalid) + " invalid chunks, " +
                                              std::to_string(*config_.chunks_invalid_max) + " are allowed");
}

void receiver::blame_found(const assembly::found_wrong& wrong, track on, uint64_t group, actions& out) {
  for (const auto source : wrong.tails) {
    refuse(source, name(on), group, 0, refusal::chunk_mismatch, std::string(sentence(refusal::chunk_mismatch)), out);
    blame(source, group, true);
  }
  for (const auto source : wrong.pieces) {
    refuse(source, name(on), group, 0, refusal::piece_mismatch, std::string(sentence(refusal::piece_mismatch)), out);
    blame(source, group, true);
  }
}

} // namespace ec::object
