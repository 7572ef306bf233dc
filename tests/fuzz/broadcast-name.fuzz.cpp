// Names of broadcasts from whatever a lineup or a table says. One channel a line: a byte for standard, a byte for numbers, then the virtual
// channel, a tab, the name.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/bytes.hpp"
#include "identity/broadcast.hpp"
#include "identity/callsign.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::identity;
  std::vector<channel_facts> all;
  auto text = ec::base::as_text({data, size});
  while (!text.empty() && all.size() < 32) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    channel_facts facts;
    if (!line.empty()) facts.standard = static_cast<broadcast_standard>(static_cast<uint8_t>(line[0]) % 5);
    if (line.size() > 1) {
      const auto bits = static_cast<uint8_t>(line[1]);
      if (bits & 1) facts.tsid = static_cast<uint16_t>(bits >> 4);
      if (bits & 2) facts.network = static_cast<uint16_t>(bits << 8);
      if (bits & 4) facts.program_number = bits;
    }
    const auto rest = line.substr(std::min<size_t>(2, line.size()));
    const auto tab = std::min(rest.find('\t'), rest.size());
    facts.virtual_channel = rest.substr(0, tab);
    facts.name = rest.substr(std::min(tab + 1, rest.size()));
    all.push_back(std::move(facts));
  }
  for (const auto& facts : all) {
    if (const auto sign = read_callsign(facts.name); sign && sign->text.size() > 32) std::abort();
    const auto got = identify(facts, all);
    if (!got) {
      if (got.error().text.empty()) std::abort();
      continue;
    }
    // What is claimed to be a name is the scope of a valid id.
    const auto id = stream_id::make(got.value().key, "ts-v1");
    if (!id) std::abort();
    const auto back = stream_id::parse(id.value().text());
    if (!back || back.value() != id.value() || !alias_ids(got.value(), "ts-v1")) std::abort();
  }
  return 0;
}
