#include "moq/internal/token_cache.hpp"

#include <algorithm>

namespace ec::moq {

decoded<std::vector<auth_token>> token_cache::take(const std::vector<auth_token>& said, bool setup) {
  using kind = auth_token::alias_type;
  const auto stop = [](uint64_t code, const char* why) { return boost::outcome_v2::failure(wire_stop{false, code, why}); };
  std::vector<auth_token> meant;
  for (const auto& t : said) {
    auth_token plain{.kind = kind::use_value, .alias = 0, .type = t.type, .value = t.value};
    const auto known = entries_.find(t.alias);
    switch (t.kind) {
    case kind::use_value: break;
    case kind::register_alias:
      if (known != entries_.end()) return stop(session_code::duplicate_auth_token_alias, "a token alias is registered already");
      if (bytes_ + token_charge(t) > bytes_max_) {
        if (setup) break; // the peer could not know the limit yet
        return stop(session_code::auth_token_cache_overflow, "no room for another token");
      }
      bytes_ += token_charge(t);
      entries_[t.alias] = {t.type, t.value};
      break;
    case kind::remove:
    case kind::use_alias:
      if (setup) return stop(session_code::protocol_violation, "SETUP refers to a token alias");
      if (known == entries_.end()) return stop(session_code::unknown_auth_token_alias, "no token is registered under the alias");
      plain.type = known->second.type;
      plain.value = known->second.value;
      if (t.kind == kind::use_alias) break;
      bytes_ -= token_charge(plain);
      entries_.erase(known);
      continue;
    }
    if (std::ranges::find(meant, plain) != meant.end()) return stop(session_code::protocol_violation, "a token comes twice");
    meant.push_back(std::move(plain));
  }
  return meant;
}

} // namespace ec::moq
