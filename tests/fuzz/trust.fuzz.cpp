// Trust files and key statements: what is read keeps its rules, and a statement is spelled in one way.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "manifest/trust_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::manifest;
  const auto text = ec::base::as_text({data, size});
  if (const auto statement = decode_key_statement(text)) {
    if (encode(statement.value()) != text) std::abort();
    // Nobody who was not named becomes trusted.
    trust_set nobody;
    if (nobody.follow(statement.value()) || nobody.size() != 0) std::abort();
  }
  const auto file = parse_trust_file(text, "file");
  if (!file) {
    if (file.error().about.empty()) std::abort();
    return 0;
  }
  for (const auto& rule : file.value().rules) {
    if (rule.keys.empty()) std::abort();
    if (!rule.streams.ends_with('*') && !matches(rule.streams, rule.streams)) std::abort();
    trust_set trust;
    const auto& stream = rule.streams;
    const auto applied = apply(file.value(), stream, trust);
    for (const auto& key : file.value().revoked)
      if (trust.trusts(key)) std::abort();
    if (trust.size() > ec::base::limits::trusted_keys_max || (!applied && trust.size() < ec::base::limits::trusted_keys_max)) std::abort();
  }
  return 0;
}
