#include "access/token.hpp"

#include <algorithm>

#include "base/base64url.hpp"
#include "base/bytes.hpp"
#include "base/limits_access.hpp"

namespace ec::access {
namespace {

using base::errc, base::fail;
namespace json = base::json;
namespace limits = base::limits;

base::result<json::value> read_part(std::string_view part, const char* what) {
  const auto raw = base::from_base64url(part);
  if (!raw) return fail(errc::malformed, std::string("the ") + what + " of the token is not in base64url");
  auto v = json::parse({reinterpret_cast<const char*>(raw->data()), raw->size()}, {.bytes_max = limits::token_bytes_max, .depth_max = 8, .members_max = 64});
  if (!v) return fail(v.error().code, std::string("the ") + what + " of the token is no JSON: " + v.error().text);
  if (v.value().as_object() == nullptr) return fail(errc::malformed, std::string("the ") + what + " of the token is no object");
  return v;
}

} // namespace

base::result<unproven_token> read_token(std::string_view text) {
  if (text.size() > limits::token_bytes_max) return fail(errc::too_large, "a token of over " + std::to_string(limits::token_bytes_max) + " bytes");
  const auto first = text.find('.'), last = text.rfind('.');
  if (first == text.npos || first == last || text.substr(first + 1, last - first - 1).find('.') != text.npos)
    return fail(errc::malformed, "a token has three parts with dots between them");
  EC_TRY(const auto header, read_part(text.substr(0, first), "header"));
  unproven_token out;
  const auto* alg = header.find("alg");
  if (alg == nullptr || alg->as_string() == nullptr) return fail(errc::malformed, "the token's header does not say by which algorithm it is signed (\"alg\")");
  out.algorithm = *alg->as_string();
  if (const auto* kid = header.find("kid"); kid != nullptr) {
    if (kid->as_string() == nullptr) return fail(errc::malformed, "\"kid\" of the token's header is no string");
    out.key_id = *kid->as_string();
  }
  // It names extensions that must be understood, of which we know none [RFC 7515 4.1.11].
  if (header.find("crit") != nullptr) return fail(errc::malformed, "the token asks for extensions of its format (\"crit\")");
  EC_TRY(const auto claims, read_part(text.substr(first + 1, last - first - 1), "middle part"));
  EC_TRY(out.claims, read_claims(claims));
  auto signature = base::from_base64url(text.substr(last + 1));
  if (!signature) return fail(errc::malformed, "the signature of the token is not in base64url");
  out.signature = std::move(*signature);
  out.signed_text = text.substr(0, last);
  return out;
}

base::result<proven_token> prove_token(std::string_view text, const token_keys& keys) {
  EC_TRY(auto read, read_token(text));
  const bool named = !read.key_id.empty() && std::ranges::any_of(keys, [&](const auto& k) { return k->id() == read.key_id; });
  bool tried = false;
  for (const auto& key : keys) {
    if (name(key->algorithm()) != read.algorithm || (named && key->id() != read.key_id)) continue;
    tried = true;
    if (key->verify(base::as_span(read.signed_text), read.signature)) return proven_token{std::move(read.claims), key};
  }
  if (tried) return fail(errc::bad_signature, "no key of ours signed the token");
  if (!crypto::token_algorithm_of(read.algorithm)) return fail(errc::untrusted, "the token is not signed with HS256, EdDSA or ES256");
  return fail(errc::untrusted, "there is no key for the token's \"alg\", " + read.algorithm + (named ? ", among those of its \"kid\"" : ""));
}

base::result<std::string> make_token(const token_claims& c, const crypto::token_key& key) {
  json::object header{{"alg", name(key.algorithm())}, {"typ", "JWT"}};
  if (!key.id().empty()) header.emplace_back("kid", key.id());
  auto text = base::to_base64url(base::as_span(json::dump(header))) + "." + base::to_base64url(base::as_span(json::dump(write_claims(c))));
  EC_TRY(const auto signature, key.sign(base::as_span(text)));
  text += "." + base::to_base64url(signature);
  if (text.size() > limits::token_bytes_max) return fail(errc::too_large, "the token would have over " + std::to_string(limits::token_bytes_max) + " bytes: name fewer prefixes");
  return text;
}

} // namespace ec::access
