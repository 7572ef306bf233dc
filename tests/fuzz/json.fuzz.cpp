// JSON text: what parses must come back equal from its canonical form.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace json = ec::base::json;
  const auto first = json::parse(ec::base::as_text({data, size}), {.i_json = true});
  if (!first) return 0;
  const auto text = json::canonical(first.value());
  const auto second = json::parse(text, {.i_json = true});
  if (!second || json::canonical(second.value()) != text) std::abort();
  return 0;
}
