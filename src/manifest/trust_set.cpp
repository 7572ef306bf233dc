#include "manifest/trust_set.hpp"

#include "base/limits.hpp"

namespace ec::manifest {

trust_set trust_set::first_use() {
  trust_set out;
  out.first_use_ = true;
  return out;
}

base::result<void> trust_set::add(const crypto::verifying_key& key, std::string name) {
  if (!keys_.contains(key) && keys_.size() >= base::limits::trusted_keys_max)
    return base::fail(base::errc::too_large, "more than " + std::to_string(base::limits::trusted_keys_max) + " trusted keys", key.to_string());
  keys_[key] = std::move(name);
  return base::ok();
}

base::result<void> trust_set::add(std::string_view text) {
  const auto equals = text.find('=');
  const auto name = equals == text.npos ? std::string_view{} : text.substr(0, equals);
  EC_TRY(const auto key, crypto::verifying_key::parse(equals == text.npos ? text : text.substr(equals + 1)));
  return add(key, std::string(name));
}

std::string trust_set::name(const crypto::verifying_key& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() || found->second.empty() ? key.to_string() : found->second;
}

} // namespace ec::manifest
