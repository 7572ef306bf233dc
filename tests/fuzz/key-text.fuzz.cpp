// Keys as text: public keys have one spelling, and no file makes a key pair that does not fit together.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "crypto/keys.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = ec::base::as_text({data, size});
  const auto key = ec::crypto::verifying_key::parse(text);
  if (key && key.value().to_string() != text) std::abort();
  const auto pair = ec::crypto::parse_signing_key({data, size});
  if (pair && !ec::crypto::verify(pair.value().public_key(), {data, size}, pair.value().sign({data, size}))) std::abort();
  return 0;
}
