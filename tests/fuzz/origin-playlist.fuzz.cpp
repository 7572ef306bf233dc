// A media playlist that is read as an input: what is taken is within its bounds, in rising order, and without a line end in a name. Its names
// are resolved against a URL, which gives a URL that is read as it is written, or none.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/limits_tuner.hpp"
#include "net/url.hpp"
#include "tuner/internal/origin_playlist.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto got = tuner::internal::parse_origin_playlist(base::as_text({data, size}));
  const auto base = net::parse_url("http://192.0.2.1:8080/a/b/list.m3u8?x=1").value();
  const auto resolve = [&](std::string_view name) {
    const auto at = net::resolve_url(base, name);
    if (!at) return;
    const auto again = net::parse_url(at.value().text());
    if (!again || !(again.value() == at.value())) std::abort();
  };
  resolve(base::as_text({data, size}));
  if (!got) return 0;
  const auto& list = got.value();
  if (list.target_duration.count() <= 0 || list.segments.size() > base::limits::origin_segments_max) std::abort();
  for (size_t i = 0; i < list.segments.size(); ++i) {
    const auto& s = list.segments[i];
    if (s.sequence != list.segments[0].sequence + i || s.uri.empty() || s.uri.find('\n') != std::string::npos) std::abort();
    resolve(s.uri);
  }
  return 0;
}
