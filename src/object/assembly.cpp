#include "object/assembly.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/limits.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;

/// What a kept piece or tail costs beside its bytes.
constexpr size_t bookkeeping_bytes = 256;

size_t cost_of(const piece& p) {
  return p.plaintext.size() + bookkeeping_bytes;
}
size_t cost_of(const chunk_tail& t) {
  return t.pieces.size() * crypto::digest::size + bookkeeping_bytes;
}

bool contains(const std::vector<source_id>& list, source_id one) {
  return std::ranges::find(list, one) != list.end();
}
void add_once(std::vector<source_id>& list, source_id one) {
  if (!contains(list, one)) list.push_back(one);
}

assembled outcome_of(const base::error& why) {
  switch (why.code) {
  case base::errc::too_large: return assembled::too_large;
  case base::errc::bad_signature: return assembled::unauthentic;
  case base::errc::mismatch: return assembled::wrong_nonce;
  default: return assembled::malformed;
  }
}

} // namespace

bool blames(assembled a) {
  return a != assembled::added && a != assembled::duplicate && a != assembled::conflict && a != assembled::too_many;
}

size_t assembly::bytes_from(source_id source) const {
  const auto it = shares_.find(source);
  return it == shares_.end() ? 0 : it->second;
}

void assembly::charge(source_id from, size_t bytes) {
  shares_[from] += bytes;
  bytes_held_ += bytes;
}

void assembly::release(source_id from, size_t bytes) {
  bytes_held_ -= bytes;
  const auto it = shares_.find(from);
  if ((it->second -= bytes) == 0) shares_.erase(it);
}

const assembly::version* assembly::fitting(uint32_t place, const crypto::digest& digest) const {
  const auto it = places_.find(place);
  if (it == places_.end()) return nullptr;
  const auto found = std::ranges::find_if(it->second, [&](const version& v) { return v.content.digest == digest; });
  return found == it->second.end() ? nullptr : &*found;
}

const assembly::tail_version* assembly::proven_tail() const {
  if (!proven_) return nullptr;
  const auto it = std::ranges::find(tails_, *proven_, &tail_version::digest);
  return it == tails_.end() ? nullptr : &*it;
}

bool assembly::is_complete(const tail_version& t) const {
  if (places_.size() < t.tail.pieces.size()) return false;
  for (uint32_t place = 0; place < t.tail.pieces.size(); ++place) {
    const auto* v = fitting(place, t.tail.pieces[place]);
    if (v == nullptr || v->content.plaintext.size() != piece_size(t.tail.size, place)) return false;
  }
  return true;
}

void assembly::update_complete() {
  complete_.reset();
  for (size_t at = 0; at < tails_.size(); ++at) {
    if (proven_ && tails_[at].digest != *proven_) continue;
    if (!is_complete(tails_[at])) continue;
    complete_ = at;
    return;
  }
}

assembled assembly::add_piece(source_id from, uint32_t place, std::span<const uint8_t> payload, const stream_cipher& cipher) {
  const auto mark = mark_of(payload);
  if (!mark) return payload.size() > sealed_piece_bytes_max ? assembled::too_large : assembled::malformed;
  const auto* tail = proven_tail();
  if (tail != nullptr) {
    if (place >= tail->tail.pieces.size()) return assembled::out_of_place;
    if (fitting(place, tail->tail.pieces[place]) != nullptr) return assembled::duplicate;
  }
  const auto it = places_.find(place);
  if (it != places_.end()) {
    for (auto& v : it->second) {
      if (v.mark == *mark && v.content.plaintext.size() + sealed_piece_overhead == payload.size()) {
        add_once(v.from, from);
        return assembled::duplicate;
      }
    }
    for (const auto& v : it->second)
      if (contains(v.from, from)) return assembled::republished;
    if (it->second.size() >= limits::assembly_versions_max) return assembled::too_many;
  }
  auto opened = cipher.open({group_, place, publisher_}, payload);
  if (!opened) return outcome_of(opened.assume_error());
  if (tail != nullptr && opened.assume_value().digest != tail->tail.pieces[place]) return assembled::other_bytes;
  auto& versions = places_[place];
  charge(from, cost_of(opened.assume_value()));
  versions.push_back({std::move(opened).assume_value(), *mark, {from}});
  // Until a tail is here, or while one is complete already, there is nothing to find out.
  if (!tails_.empty() && !complete_) update_complete();
  return versions.size() > 1 ? assembled::conflict : assembled::added;
}

assembled assembly::add_tail(source_id from, uint64_t object, chunk_tail&& tail, found_wrong& wrong) {
  if (object != tail_object(static_cast<uint32_t>(tail.pieces.size()))) return assembled::out_of_place;
  const auto digest = tail.digest();
  for (auto& t : tails_) {
    if (t.digest != digest) continue;
    add_once(t.from, from);
    return assembled::duplicate;
  }
  for (const auto& t : tails_)
    if (contains(t.from, from)) return assembled::republished;
  if (proven_ && digest != *proven_) return assembled::other_bytes;
  if (tails_.size() >= limits::assembly_versions_max) return assembled::too_many;
  charge(from, cost_of(tail));
  tails_.push_back({std::move(tail), digest, {from}});
  if (proven_) sift(tails_.back().tail, wrong.pieces);
  update_complete();
  return tails_.size() > 1 ? assembled::conflict : assembled::added;
}

void assembly::sift(const chunk_tail& tail, std::vector<source_id>& wrong) {
  for (auto it = places_.begin(); it != places_.end();) {
    auto& versions = it->second;
    const auto place = it->first;
    for (auto v = versions.begin(); v != versions.end();) {
      if (place < tail.pieces.size() && v->content.digest == tail.pieces[place]) {
        ++v;
        continue;
      }
      for (const auto source : v->from) add_once(wrong, source);
      release(v->from.front(), cost_of(v->content));
      v = versions.erase(v);
    }
    it = versions.empty() ? places_.erase(it) : std::next(it);
  }
}

assembly::found_wrong assembly::prove(const crypto::digest& digest) {
  found_wrong out;
  proven_ = digest;
  for (auto it = tails_.begin(); it != tails_.end();) {
    if (it->digest == digest) {
      ++it;
      continue;
    }
    for (const auto source : it->from) add_once(out.tails, source);
    release(it->from.front(), cost_of(it->tail));
    it = tails_.erase(it);
  }
  if (const auto* tail = proven_tail()) sift(tail->tail, out.pieces);
  update_complete();
  return out;
}

void assembly::unprove() {
  proven_.reset();
  update_complete();
}

const chunk_tail* assembly::complete() const {
  return complete_ ? &tails_[*complete_].tail : nullptr;
}

base::bytes assembly::chunk() const {
  const auto* tail = complete();
  if (tail == nullptr) return {};
  if (tail->pieces.size() == 1) return fitting(0, tail->pieces[0])->content.plaintext;
  const std::shared_ptr<uint8_t[]> memory = std::make_shared_for_overwrite<uint8_t[]>(tail->size);
  size_t at = 0;
  for (uint32_t place = 0; place < tail->pieces.size(); ++place) {
    const auto& part = fitting(place, tail->pieces[place])->content.plaintext;
    std::memcpy(memory.get() + at, part.data(), part.size());
    at += part.size();
  }
  return base::bytes::share(memory, {memory.get(), at});
}

void assembly::drop(source_id source) {
  // What another source gave too stays, on its account.
  const auto leave = [&](std::vector<source_id>& from, size_t cost) {
    if (from.front() == source) {
      release(source, cost);
      if (from.size() > 1) charge(from[1], cost);
    }
    std::erase(from, source);
  };
  const auto unowned = [](const auto& v) { return v.from.empty(); };
  for (auto it = places_.begin(); it != places_.end();) {
    for (auto& v : it->second) leave(v.from, cost_of(v.content));
    std::erase_if(it->second, unowned);
    it = it->second.empty() ? places_.erase(it) : std::next(it);
  }
  for (auto& t : tails_) leave(t.from, cost_of(t.tail));
  std::erase_if(tails_, unowned);
  update_complete();
}

std::vector<hole> assembly::holes(size_t count_max) const {
  std::vector<hole> out;
  if (complete_) return out;
  const auto* sure = proven_tail();
  const auto* tail = sure != nullptr ? sure : !proven_ && tails_.size() == 1 ? &tails_.front() : nullptr;
  const auto missing = [&](uint32_t place) {
    return tail == nullptr ? !places_.contains(place) : fitting(place, tail->tail.pieces[place]) == nullptr;
  };
  // Without a tail the end is not known: what lies behind the last piece is one open hole.
  const uint32_t end = tail != nullptr      ? static_cast<uint32_t>(tail->tail.pieces.size())
                       : places_.empty() ? 0
                                         : places_.rbegin()->first + 1;
  for (uint32_t place = 0; place < end; ++place) {
    if (!missing(place)) continue;
    const uint64_t object = piece_object(place);
    if (!out.empty() && out.back().last_object == object - 1) out.back().last_object = object;
    else out.push_back({object, object});
  }
  if (tail == nullptr) out.push_back({end == 0 ? head_object : piece_object(end), std::nullopt});
  if (out.size() > count_max && count_max > 0) {
    out[count_max - 1].last_object = out.back().last_object;
    out.resize(count_max);
  }
  return out;
}

} // namespace ec::object
