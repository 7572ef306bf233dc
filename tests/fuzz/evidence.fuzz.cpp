// Evidence files: what is read is written again to the same text, under the same name.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "manifest/evidence.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::manifest;
  const auto read = decode_evidence(ec::base::as_text({data, size}));
  if (!read) return 0;
  const auto text = encode(read.value());
  const auto again = decode_evidence(text);
  if (!again || encode(again.value()) != text || file_name(again.value()) != file_name(read.value())) std::abort();
  if (fault(again.value()) != fault(read.value())) std::abort();
  return 0;
}
