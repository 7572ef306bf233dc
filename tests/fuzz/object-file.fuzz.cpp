// A file of objects: whatever is read of it is written again byte for byte, and how it is cut into parts changes nothing.
#include <algorithm>
#include <cstdlib>
#include <span>

#include "object/object_file.hpp"

using namespace ec::object;

namespace {

struct reading {
  std::vector<file_record> records;
  uint64_t position = 0;
  bool broken = false;
  std::string stream_id;
};

reading read(std::span<const uint8_t> in, size_t part) {
  reading out;
  object_file_reader reader;
  for (size_t at = 0; at < in.size() && !out.broken; at += part) {
    reader.push(in.subspan(at, std::min(part, in.size() - at)));
    while (true) {
      auto r = reader.next();
      out.broken = !r;
      if (!r || !r.value()) break;
      out.records.push_back(std::move(*r.value()));
    }
  }
  out.position = reader.position();
  out.stream_id = reader.stream_id();
  if (const auto cut = reader.cut_short(); cut && (cut->position + cut->bytes != in.size() || out.broken)) std::abort();
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> in(data, size);
  const auto whole = read(in, size + 1);
  const auto parts = read(in, 13);
  if (whole.records != parts.records || whole.position != parts.position || whole.broken != parts.broken) std::abort();
  if (whole.stream_id.empty()) return 0;
  auto again = encode_file_front(whole.stream_id);
  for (const auto& r : whole.records) {
    const auto front = encode(record_front{r.on, r.group, r.object, static_cast<uint32_t>(r.payload.size())});
    again.insert(again.end(), front.begin(), front.end());
    again.insert(again.end(), r.payload.begin(), r.payload.end());
  }
  if (again.size() != whole.position || !std::ranges::equal(again, in.first(again.size()))) std::abort();
  return 0;
}
