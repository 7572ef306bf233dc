// URLs and paths: what parses is printed in a form that parses to the same.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "net/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto text = base::as_text({data, size});
  if (const auto u = net::parse_url(text)) {
    const auto again = net::parse_url(u.value().text());
    if (!again) {
      // The default port is spelled out, which may push a URL over the limit of its length, and nothing else may.
      if (again.error().code != base::errc::too_large) std::abort();
    } else if (!(again.value() == u.value())) {
      std::abort();
    }
    (void)net::query_value(u.value().query, "duration");
  }
  (void)net::parse_host_port(text);
  if (const auto segments = net::path_segments(text)) {
    std::string path;
    for (const auto& s : segments.value()) path += "/" + net::percent_encoded(s);
    if (path.empty()) path = "/";
    const auto again = net::path_segments(path);
    if (!again || again.value() != segments.value()) std::abort();
  }
  return 0;
}
