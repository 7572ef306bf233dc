// What a tuner answers instead of a stream: the first two bytes are the status, the rest is its X-HDHomeRun-Error. Every answer
// has a meaning and a text for a person that names the source, whatever the device wrote.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "tuner/source.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  if (size < 2) return 0;
  const int status = data[0] << 8 | data[1];
  const auto fault = tuner::fault_of_answer(status, base::as_text({data + 2, size - 2}), "http://tuner/auto/v5.1");
  if (fault.http_status != status || fault.text.find("http://tuner/auto/v5.1") != 0) std::abort();
  if (tuner::name(fault.kind).empty() || tuner::name(fault.retry).empty()) std::abort();
  for (const char c : fault.text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort(); // it goes to terminals and logs
  if (fault.device_code != 0 && (fault.device_code < 100 || fault.device_code > 999)) std::abort();
  return 0;
}
