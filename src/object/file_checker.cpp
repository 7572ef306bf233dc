#include "object/file_checker.hpp"

#include <algorithm>

namespace ec::object {
namespace {

using manifest::refusal_reason;

std::string group_name(record_track on, uint64_t index) {
  return on == record_track::manifests ? "manifest of epoch " + std::to_string(index)
         : on == record_track::chunks  ? "chunk " + std::to_string(index)
                                       : "damaged chunk " + std::to_string(index);
}

track track_of(record_track on) {
  return on == record_track::damaged ? track::damaged : track::chunks;
}

} // namespace

file_checker::file_checker(stream_cipher cipher, manifest::verifier verifier, std::string profile)
    : cipher_(std::move(cipher)), verifier_(std::move(verifier)), profile_(std::move(profile)) {}

std::vector<file_fault> file_checker::push(const file_record& r, uint64_t position, base::wall_time now) {
  found_.clear();
  ++totals_.records;
  const auto about = group_name(r.on, r.group) + ", object " + std::to_string(r.object) + " (byte " + std::to_string(position) + ")";
  if (group_ && (r.on != group_->on || r.group != group_->index || r.object == head_object)) end_group();
  if (r.on == record_track::manifests) {
    take_manifest(r, about, now);
    return std::move(found_);
  }
  if (!group_) {
    group_ = open_group{r.on, r.group, 0, 0, {}, {}, true, false};
    if (r.object != head_object) {
      fault(about, "stands before the head of its chunk: nothing of it can be judged");
      group_->right = false;
      group_->given_up = true;
    }
  }
  auto& g = *group_;
  if (g.given_up) return std::move(found_);
  if (r.object != g.next) {
    fault(about, "stands where object " + std::to_string(g.next) + " belongs: the rest of the chunk is not judged");
    g.right = false;
    g.given_up = true;
    return std::move(found_);
  }
  ++g.next;
  if (r.object == head_object) {
    take_head(r, about);
  } else if (kind_of(r.payload) == payload_kind::tail) {
    take_tail(r, about);
    end_group();
  } else {
    take_piece(r, about);
  }
  return std::move(found_);
}

std::vector<file_fault> file_checker::finish() {
  found_.clear();
  if (group_) end_group();
  if (unlisted_)
    for (const auto& key : untrusted_)
      fault("signer", key.to_string() + " signed manifests here and is not trusted: is it the key that you meant");
  return std::move(found_);
}

void file_checker::take_manifest(const file_record& r, const std::string& about, base::wall_time now) {
  const auto read = manifest::decode(r.payload);
  const auto outcome = verifier_.accept(r.payload, now, r.group);
  for (const auto& no : outcome.refusals) {
    // Somebody else's word beside a trusted one is no fault; that nobody who counts lists a chunk shows at the chunk.
    if (no.why != refusal_reason::untrusted) fault(about, no.text);
    else if (no.signer && untrusted_.size() < base::limits::trusted_keys_max) untrusted_.insert(*no.signer);
  }
  // Of a signer who is not trusted, too, only what he really signed may stand here.
  if (read)
    if (const auto* whole = std::get_if<manifest::signed_manifest>(&read.value())) {
      const auto id = manifest::manifest_id(whole->content);
      for (const auto& a : whole->attestations)
        if (!verifier_.trust().trusts(a.signer) && !crypto::verify(a.signer, signed_bytes(a, id), a.signature))
          fault(about, "the signature of " + a.signer.to_string() + " does not verify");
    }
  if (!outcome.accepted) return;
  ++totals_.manifests;
  signers_.insert(outcome.accepted->signers.begin(), outcome.accepted->signers.end());
}

void file_checker::take_head(const file_record& r, const std::string& about) {
  auto& g = *group_;
  const auto give_up = [&](std::string why) {
    fault(about, std::move(why));
    g.right = false;
    g.given_up = true;
  };
  auto head = decode_head(track_of(r.on), r.payload);
  if (!head) return give_up(head.error().message());
  auto& facts = head.value();
  if (facts.key_id != cipher_.key_id()) return give_up("sealed with another key: give the network secret of this stream");
  if (facts.profile != profile_) return give_up("of profile " + facts.profile + ", the stream is of profile " + profile_);
  g.first_pts = facts.first_pts;
  g.damage = std::move(facts.damage);
}

void file_checker::take_piece(const file_record& r, const std::string& about) {
  auto& g = *group_;
  const auto wrong = [&](std::string why) {
    fault(about, std::move(why));
    g.right = false;
    g.pieces.emplace_back();
  };
  if (r.object > base::limits::chunk_pieces_max) {
    wrong("more pieces than a chunk has: the rest of it is not judged");
    g.given_up = true;
    return;
  }
  const std::string_view publisher = g.damage ? std::string_view(g.damage->publisher) : std::string_view();
  const auto opened = cipher_.open({r.group, static_cast<uint32_t>(r.object - 1), publisher}, r.payload);
  if (!opened) {
    return wrong(opened.error().code == base::errc::bad_signature ? "the piece does not open: it was changed, or belongs to another place"
                                                                  : opened.error().message());
  }
  ++totals_.pieces;
  g.pieces.push_back(piece_facts{opened.value().digest, opened.value().plaintext.size()});
}

void file_checker::take_tail(const file_record& r, const std::string& about) {
  auto& g = *group_;
  const auto wrong = [&](const std::string& at, std::string why) {
    fault(at, std::move(why));
    g.right = false;
  };
  const auto tail = decode_tail(track_of(r.on), r.payload);
  if (!tail) return wrong(about, tail.error().message());
  const auto& t = tail.value();
  if (t.pieces.size() != g.pieces.size())
    return wrong(about, "lists " + std::to_string(t.pieces.size()) + " pieces where " + std::to_string(g.pieces.size()) + " are here");
  for (uint32_t place = 0; place < t.pieces.size(); ++place) {
    const auto& p = g.pieces[place];
    if (p && (p->digest != t.pieces[place] || p->size != piece_size(t.size, place)))
      wrong(group_name(r.on, r.group) + ", object " + std::to_string(piece_object(place)), "is not the piece that the tail lists");
  }
  if (t.first_pts != g.first_pts) wrong(about, "says another first PTS than the head");
  if (t.damage != g.damage) wrong(about, "says other damage than the head");
  const bool listed = judge_listing(r.group, t);
  if (!g.right || !listed) {
    g.right = false;
    return;
  }
  ++(t.damage ? totals_.damaged_right : totals_.chunks_right);
  totals_.bytes_right += t.size;
}

bool file_checker::judge_listing(uint64_t index, const chunk_tail& tail) {
  const auto digest = tail.digest();
  const auto versions = verifier_.versions(index);
  if (std::ranges::any_of(versions, [&](const auto& v) { return v.digest == digest && v.damaged == tail.damage.has_value(); })) return true;
  const auto about = group_name(group_->on, index);
  if (!versions.empty()) {
    fault(about, "its digest " + digest.hex() + " is not one that a trusted manifest lists for it");
    return false;
  }
  unlisted_ = true;
  fault(about, "no trusted manifest in front of it lists it");
  return false;
}

void file_checker::end_group() {
  auto& g = *group_;
  const bool ended = g.next > 0 && g.pieces.size() + 2 == g.next;
  if (!ended && !g.given_up) {
    fault(group_name(g.on, g.index), "ends behind object " + std::to_string(g.next - 1) + ": its tail is not here");
    g.right = false;
  }
  totals_.groups_wrong += g.right ? 0 : 1;
  group_.reset();
}

} // namespace ec::object
