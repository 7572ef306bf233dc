// Stream ids: one text for one id.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "identity/stream_id.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ec::identity::stream_id;
  const auto text = ec::base::as_text({data, size});
  const auto parsed = stream_id::parse(text);
  if (!parsed) return 0;
  const auto& id = parsed.value();
  if (id.text() != text) std::abort();
  const auto made = stream_id::make(id.scope(), id.profile(), id.variant());
  if (!made || made.value().text() != text) std::abort();
  const auto back = ec::identity::from_namespace_fields(ec::identity::namespace_fields(id));
  if (!back || back.value() != id) std::abort();
  return 0;
}
