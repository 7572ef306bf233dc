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
    if (!again || tuner::print_discover(again.value()) != tuner::print_discover(d.value())) std::abort();
  }
  if (const auto l = tuner::parse_lineup(text)) {
    const auto again = tuner::parse_lineup(tuner::print_lineup(l.value()));
    if (!again || tuner::print_lineup(again.value()) != tuner::print_lineup(l.value())) std::abort();
    for (const auto& e : l.value()) (void)tuner::normal_channel(e.guide_number);
  }
  if (const auto s = tuner::parse_lineup_status(text)) {
    const auto again = tuner::parse_lineup_status(tuner::print_lineup_status(s.value()));
    if (!again || again.value().scanning != s.value().scanning || again.value().source != s.value().source) std::abort();
  }
  if (const auto s = tuner::parse_status(text)) {
    const auto again = tuner::parse_status(tuner::print_status(s.value()));
    if (!again || tuner::print_status(again.value()) != tuner::print_status(s.value())) std::abort();
  }
  (void)tuner::device_id_valid(text);
  return 0;
}
