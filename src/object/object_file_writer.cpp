#include "object/object_file_writer.hpp"

#include <vector>

namespace ec::object {
namespace {

using base::errc;
using base::fail;

/// Where the last whole record ends. Reads the fronts alone: a file of days is opened at once.
base::result<uint64_t> whole_bytes(const base::append_file& file, uint64_t from, const std::string& path) {
  uint64_t at = from;
  while (at + record_front_bytes <= file.size()) {
    EC_TRY(const auto in, file.read_at(at, record_front_bytes));
    const auto front = decode_record_front(in);
    if (!front) {
      auto why = front.error();
      why.text += " at byte " + std::to_string(at) + ": move the file away";
      why.about = path;
      return fail(std::move(why));
    }
    const auto end = at + record_front_bytes + front.value().size;
    if (end > file.size()) break;
    at = end;
  }
  return at;
}

} // namespace

base::result<object_file_writer> object_file_writer::open(const std::string& path, std::string_view stream_id) {
  EC_TRY(auto file, base::append_file::open(path, 0644));
  object_file_writer out(std::move(file));
  EC_TRY(const auto begin, out.file_.read_at(0, object_file_front_bytes_min + base::limits::stream_id_bytes_max));
  auto front = decode_file_front(begin);
  if (!front) {
    auto why = std::move(front).assume_error();
    why.about = path;
    return fail(std::move(why));
  }
  if (!front.value()) { // new, or not even its front was written whole
    out.bytes_dropped_ = out.file_.size();
    EC_TRYV(out.file_.cut(0));
    const auto bytes = encode_file_front(stream_id);
    const std::span<const uint8_t> parts[] = {bytes};
    EC_TRYV(out.file_.append(parts));
    return out;
  }
  if (front.value()->stream_id != stream_id) return fail(errc::mismatch, "holds objects of " + front.value()->stream_id, path);
  EC_TRY(const auto whole, whole_bytes(out.file_, front.value()->bytes, path));
  out.bytes_dropped_ = out.file_.size() - whole;
  EC_TRYV(out.file_.cut(whole));
  return out;
}

base::result<void> object_file_writer::append(std::span<const file_record> records) {
  std::vector<std::vector<uint8_t>> fronts;
  fronts.reserve(records.size());
  std::vector<std::span<const uint8_t>> parts;
  for (const auto& r : records) {
    fronts.push_back(encode(record_front{r.on, r.group, r.object, static_cast<uint32_t>(r.payload.size())}));
    parts.emplace_back(fronts.back());
    parts.emplace_back(r.payload);
  }
  return file_.append(parts);
}

} // namespace ec::object
