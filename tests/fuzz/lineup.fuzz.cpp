// A device's JSON documents: whatever is read must be read again the same from what we print.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "tuner/lineup.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto text = base::as_text({data, size});
  if (const auto d = tuner::parse_discover(text)) {
    const auto again = tuner::parse_discover(tuner::print_discover(d.value()));
    if (!again || again.value().device_id != d.value().device_id || again.value().tuner_count != d.value().tuner_count) std::abort();
  }
  if (const auto l = tuner::parse_lineup(text)) {
    const auto again = tuner::parse_lineup(tuner::print_lineup(l.value()));
    if (!again || again.value().size() != l.value().size()) std::abort();
    for (const auto& e : l.value()) (void)tuner::normal_channel(e.guide_number);
  }
  (void)tuner::parse_lineup_status(text);
  (void)tuner::device_id_valid(text);
  return 0;
}
