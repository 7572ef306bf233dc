// Requests to a directory, and listings of one: no request crashes it or makes it list what nobody signed, and its listings are read back.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "discovery/directory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  const auto text = base::as_text({data, size});
  if (const auto listing = discovery::read_listing(text)) {
    const auto again = discovery::listing_url(net::parse_url("http://directory.example").value(), listing.value().place);
    if (!net::parse_url(again.text())) std::abort();
  }
  discovery::directory directory({.token = {}, .instance = "1"});
  const base::wall_time noon{std::chrono::milliseconds(1'795'262'400'000)};
  // The first line is a query, what follows a body.
  const auto line = std::min(text.find('\n'), text.size());
  const auto posted = directory.answer({"POST", "/api/stream-upsert", {}, {}, "192.0.2.1:1", base::bytes::copy(text.substr(std::min(line + 1, text.size())))}, noon, {});
  if (posted.status < 200) std::abort();
  const auto listed = directory.answer({"GET", "/api/public-streams", std::string(text.substr(0, line)), {}, "192.0.2.1:1", {}}, noon, {});
  if (listed.status != 200 && listed.status != 400) std::abort();
  if (listed.status == 200) {
    const auto read = discovery::read_listing(listed.body.text());
    if (!read || read.value().encoded.size() > directory.table().size()) std::abort();
  }
  return 0;
}
