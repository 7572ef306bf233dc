// A fault of --fault: what is read must be read the same from what we print, and a plan of it must answer for every moment.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "tuner/fault_plan.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto got = tuner::parse_fault(base::as_text({data, size}));
  if (!got) return 0;
  const auto again = tuner::parse_fault(tuner::print_fault(got.value()));
  if (!again || again.value() != got.value()) std::abort();
  const tuner::fault_plan plan({got.value()});
  for (const auto at : {got.value().at - std::chrono::milliseconds(1), got.value().at, got.value().at + got.value().amount}) {
    const auto share = plan.under_way(got.value().kind, at);
    if (share && !(*share >= 0 && *share < 1)) std::abort();
    if (plan.resets(at) > plan.ends(at) || (at < got.value().at && plan.ends(at) > 0)) std::abort();
  }
  return 0;
}
