// Announcements: what is read is spelled in one way, without fault, and no bytes that nobody signed count.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "discovery/announcement_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::discovery;
  const auto text = ec::base::as_text({data, size});
  const auto read = decode(text);
  if (!read) return 0;
  const auto& a = read.value();
  if (encode(a) != text || !fault(a).empty()) std::abort();
  for (const auto& n : names(a))
    if (!ec::identity::stream_id::parse(n)) std::abort();
  for (const auto& t : a.transports)
    if (full_address(t).find('@') != std::string::npos && std::holds_alternative<direct_transport>(t)) std::abort();
  announcement_table table;
  const ec::base::wall_time then{std::chrono::milliseconds(a.updated_unix_ms)};
  const auto judged = table.push({data, size}, {carrier_kind::gossip, "192.0.2.1:1"}, then, {});
  if (accepted(judged.what) != genuine(a)) std::abort();
  if (table.find(a.stream_id).empty() != (!genuine(a) || a.transports.empty())) std::abort();
  return 0;
}
