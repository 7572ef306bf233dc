#include "manifest/trust_set.hpp"

#include <algorithm>
#include <deque>

#include "base/limits.hpp"

namespace ec::manifest {
namespace {

using base::errc, base::fail;
namespace limits = base::limits;

std::string more_than(size_t count, std::string_view what) {
  return "more than " + std::to_string(count) + " " + std::string(what);
}

} // namespace

trust_set trust_set::first_use() {
  trust_set out;
  out.first_use_ = true;
  return out;
}

base::result<void> trust_set::add(const crypto::verifying_key& key, std::string name) {
  if (!trusts(key) && !revoked(key) && trusted_.size() >= limits::trusted_keys_max)
    return fail(errc::too_large, more_than(limits::trusted_keys_max, "trusted keys"), key.to_string());
  named_[key] = std::move(name);
  rebuild();
  return base::ok();
}

base::result<void> trust_set::add(std::string_view text) {
  const auto equals = text.find('=');
  const auto name = equals == text.npos ? std::string_view{} : text.substr(0, equals);
  EC_TRY(const auto key, crypto::verifying_key::parse(equals == text.npos ? text : text.substr(equals + 1)));
  return add(key, std::string(name));
}

base::result<void> trust_set::revoke(const crypto::verifying_key& key) {
  if (!revoked(key) && revoked_.size() >= limits::revoked_keys_max)
    return fail(errc::too_large, more_than(limits::revoked_keys_max, "revoked keys"), key.to_string());
  revoked_.insert(key);
  rebuild();
  return base::ok();
}

bool trust_set::follows(const key_statement& s) const {
  if (s.what == key_statement::kind::revoke) return revoked(s.key);
  const auto known = next_.find(s.key);
  return known != next_.end() && known->second == s.next;
}

base::result<void> trust_set::follow(const key_statement& s) {
  if (follows(s)) return base::ok();
  if (followed_.size() >= limits::statements_kept_max)
    return fail(errc::too_large, more_than(limits::statements_kept_max, "key statements were followed"), s.key.to_string());
  EC_TRYV(take(s));
  followed_.push_back(s);
  return base::ok();
}

void trust_set::recall(const std::vector<key_statement>& statements) {
  for (const auto& s : statements) {
    if (s.what == key_statement::kind::rotate || trusts(s.key)) {
      (void)follow(s);
    } else if (followed_.size() < limits::statements_kept_max && std::ranges::find(followed_, s) == followed_.end() && revoke(s.key)) {
      followed_.push_back(s); // also if a trust file says so too: the file may change
    }
  }
}

base::result<void> trust_set::take(const key_statement& s) {
  const auto known = trusted_.find(s.key);
  if (known == trusted_.end()) return fail(errc::untrusted, "a statement of a key that is not trusted", s.key.to_string());
  if (s.what == key_statement::kind::revoke) return revoke(s.key);
  if (next_.contains(s.key)) return fail(errc::refused, name(s.key) + " named another successor before, " + next_.at(s.key).to_string(), s.next->to_string());
  if (known->second.rotations >= limits::key_rotations_max)
    return fail(errc::too_large, more_than(limits::key_rotations_max, "rotations from a key that was named: name the new key"), s.next->to_string());
  if (!trusts(*s.next) && trusted_.size() >= limits::trusted_keys_max)
    return fail(errc::too_large, more_than(limits::trusted_keys_max, "trusted keys"), s.next->to_string());
  next_.emplace(s.key, *s.next);
  rebuild();
  return base::ok();
}

void trust_set::rebuild() {
  trusted_.clear();
  std::deque<crypto::verifying_key> todo; // in rising order of rotations
  for (const auto& [key, name] : named_) {
    if (revoked(key)) continue;
    trusted_.emplace(key, standing{name, 0});
    todo.push_back(key);
  }
  for (; !todo.empty(); todo.pop_front()) {
    const auto next = next_.find(todo.front());
    if (next == next_.end() || revoked(next->second)) continue;
    const auto from = trusted_.at(todo.front());
    if (from.rotations >= limits::key_rotations_max) continue;
    if (trusted_.emplace(next->second, standing{from.name, from.rotations + 1}).second) todo.push_back(next->second);
  }
  // An owner stays one owner when he revokes one of his keys.
  owners_.clear();
  for (const auto& [older, newer] : next_) {
    const auto from = owner(older);
    const auto to = owner(newer);
    owners_.emplace(older, older);
    owners_.emplace(newer, newer);
    for (auto& [key, of] : owners_)
      if (of == from || of == to) of = std::min(from, to);
  }
}

crypto::verifying_key trust_set::owner(const crypto::verifying_key& key) const {
  const auto known = owners_.find(key);
  return known == owners_.end() ? key : known->second;
}

size_t trust_set::owners() const {
  std::set<crypto::verifying_key> all;
  for (const auto& [key, unused] : trusted_) all.insert(owner(key));
  return all.size();
}

std::string trust_set::name(const crypto::verifying_key& key) const {
  const auto found = trusted_.find(key);
  return found == trusted_.end() || found->second.name.empty() ? key.to_string() : found->second.name;
}

} // namespace ec::manifest
