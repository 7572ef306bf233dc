// Access tokens and their keys: what is read is written and read again to the same, and nothing that no key of ours signed is believed.
#include <cstdint>
#include <cstdlib>

#include "access/token.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"

using namespace ec;

namespace {

access::token_keys own_keys() {
  // Of the examples of RFC 7515 A.3 and RFC 8037 A.1; nobody who makes the input signs with the third.
  static constexpr const char* texts[] = {
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
    R"({"kty":"oct","k":"bm9ib2R5IHdobyBtYWtlcyB0aGUgaW5wdXQgc2lnbnMgd2l0aCB0aGlz"})",
  };
  access::token_keys out;
  for (const auto* text : texts) out.push_back(std::make_shared<const crypto::token_key>(crypto::token_key::parse(text).value()));
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto keys = own_keys();
  const auto text = base::as_text({data, size});
  if (const auto read = access::read_token(text); read) {
    const auto& c = read.value().claims;
    const auto again = access::read_claims(base::json::parse(base::json::dump(access::write_claims(c))).value());
    if (!again || !(again.value() == c)) std::abort();
  }
  if (access::prove_token(text, keys) && !access::read_token(text)) std::abort();
  if (const auto key = crypto::token_key::parse(text); key) {
    const auto again = crypto::token_key::parse(base::json::dump(key.value().jwk()));
    if (!again || again.value().thumbprint() != key.value().thumbprint()) std::abort();
    if (key.value().can_sign() && !key.value().verify({data, size}, key.value().sign({data, size}).value())) std::abort();
  }
  return 0;
}
