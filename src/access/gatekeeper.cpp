#include "access/gatekeeper.hpp"

#include <algorithm>

namespace ec::access {

std::string grant::who() const {
  if (claims.subject.empty() && claims.id.empty()) return "a token";
  if (claims.id.empty()) return claims.subject;
  return claims.subject.empty() ? "(" + claims.id + ")" : claims.subject + " (" + claims.id + ")";
}

std::string grant::account() const {
  return key + (claims.id.empty() ? " claims " + base::json::dump(write_claims(claims)) : " id " + claims.id);
}

gatekeeper::gatekeeper(access_rules rules, std::function<base::wall_time()> wall) : rules_(std::move(rules)), wall_(std::move(wall)), book_(rules_.limits) {
  use_keys(std::move(rules_.keys));
}

void gatekeeper::use_keys(token_keys keys) {
  rules_.keys = std::move(keys);
  key_names_.clear();
  for (const auto& k : rules_.keys) key_names_.push_back(k->thumbprint());
}

std::variant<std::shared_ptr<const grant>, denial> gatekeeper::judge(std::string_view token) {
  using namespace moq;
  auto proven = prove_token(token, rules_.keys);
  if (!proven) {
    const auto& why = proven.error();
    if (why.code == base::errc::untrusted || why.code == base::errc::bad_signature) {
      ++counters_.tokens_unknown;
      return denial{session_code::unauthorized, request_code::unauthorized, why.text};
    }
    ++counters_.tokens_malformed;
    return denial{session_code::malformed_auth_token, request_code::malformed_auth_token, why.text};
  }
  auto g = std::make_shared<grant>(grant{std::move(proven.value().claims), proven.value().key->thumbprint()});
  switch (time_of(g->claims, now())) {
  case token_time::valid: return std::shared_ptr<const grant>(std::move(g));
  case token_time::expired:
    ++counters_.tokens_expired;
    return denial{session_code::expired_auth_token, request_code::expired_auth_token, g->who() + ": the token has expired"};
  case token_time::not_yet: break;
  }
  ++counters_.tokens_expired;
  return denial{session_code::unauthorized, request_code::unauthorized, g->who() + ": the token does not count yet"};
}

bool gatekeeper::knows_key_of(const grant& g) const {
  return g.key.empty() || std::ranges::find(key_names_, g.key) != key_names_.end();
}

} // namespace ec::access
