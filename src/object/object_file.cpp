#include "object/object_file.hpp"

#include "base/byte_io.hpp"

namespace ec::object {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

constexpr uint16_t file_version = 1;

size_t payload_bytes_max(record_track on, uint64_t object) {
  if (on == record_track::manifests) return limits::manifest_bytes_max;
  return object == head_object ? limits::object_head_bytes_max : limits::object_tail_bytes_max;
}

} // namespace

std::string_view name(record_track t) {
  return t == record_track::chunks ? "chunks" : t == record_track::damaged ? "damaged" : "manifests";
}

std::vector<uint8_t> encode_file_front(std::string_view stream_id) {
  base::byte_writer out(object_file_front_bytes_min + stream_id.size());
  out.raw(object_file_magic);
  out.u16(file_version);
  out.u16(static_cast<uint16_t>(stream_id.size()));
  out.raw(stream_id);
  return out.take();
}

base::result<std::optional<file_front>> decode_file_front(std::span<const uint8_t> in) {
  static constexpr const char* about = "front";
  const auto here = base::as_text(in).substr(0, object_file_magic.size());
  if (here != object_file_magic.substr(0, here.size())) return fail(errc::malformed, "is no object file", about);
  base::byte_reader r(in);
  const bool magic = r.skip(object_file_magic.size());
  const auto version = magic ? r.u16() : std::nullopt;
  if (version && *version != file_version)
    return fail(errc::unsupported, "version " + std::to_string(*version) + " of the object file, this build reads version 1", about);
  const auto size = version ? r.u16() : std::nullopt;
  if (size && *size == 0) return fail(errc::malformed, "an empty stream id", about);
  if (size && *size > limits::stream_id_bytes_max)
    return fail(errc::too_large, "a stream id of " + std::to_string(*size) + " bytes", about);
  const auto id = size ? r.take(*size) : std::nullopt;
  if (!id) return std::optional<file_front>{};
  return std::optional(file_front{std::string(base::as_text(*id)), r.position()});
}

std::vector<uint8_t> encode(const record_front& front) {
  base::byte_writer out(record_front_bytes);
  out.u8(static_cast<uint8_t>(front.on));
  out.u64(front.group);
  out.u64(front.object);
  out.u32(front.size);
  return out.take();
}

base::result<record_front> decode_record_front(std::span<const uint8_t> in) {
  base::byte_reader r(in);
  const auto on = r.u8();
  const auto group = r.u64();
  const auto object = r.u64();
  const auto size = r.u32();
  if (!size) return fail(errc::need_more, "the front of a record is not all here", "record");
  if (*on < 1 || *on > 3) return fail(errc::malformed, "no track has number " + std::to_string(*on), "record");
  if (*group > base::quic_varint_max || *object > base::quic_varint_max) return fail(errc::malformed, "no object has this place", "record");
  const record_front out{static_cast<record_track>(*on), *group, *object, *size};
  if (out.size == 0) return fail(errc::malformed, "an empty object", "record");
  if (out.size > payload_bytes_max(out.on, out.object))
    return fail(errc::too_large, "an object of " + std::to_string(out.size) + " bytes on track " + std::string(name(out.on)), "record");
  return out;
}

void object_file_reader::push(std::span<const uint8_t> part) {
  if (broken_) return;
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(used_));
  used_ = 0;
  held_.insert(held_.end(), part.begin(), part.end());
}

void object_file_reader::use(size_t bytes) {
  used_ += bytes;
  position_ += bytes;
}

base::result<std::optional<file_record>> object_file_reader::next() {
  const auto broken = [&](base::error why) {
    why.about = "byte " + std::to_string(position_);
    broken_ = why;
    return fail(std::move(why));
  };
  if (broken_) return fail(*broken_);
  if (stream_id_.empty()) {
    auto front = decode_file_front(rest());
    if (!front) return broken(std::move(front).assume_error());
    if (!front.assume_value()) return std::optional<file_record>{};
    stream_id_ = std::move(front.assume_value()->stream_id);
    use(front.assume_value()->bytes);
  }
  if (rest().size() < record_front_bytes) return std::optional<file_record>{};
  auto read = decode_record_front(rest());
  if (!read) return broken(std::move(read).assume_error());
  const auto& front = read.assume_value();
  if (rest().size() < record_front_bytes + front.size) return std::optional<file_record>{};
  file_record out{front.on, front.group, front.object, base::bytes::copy(rest().subspan(record_front_bytes, front.size))};
  use(record_front_bytes + front.size);
  return std::optional(std::move(out));
}

std::optional<object_file_reader::cut> object_file_reader::cut_short() const {
  const auto left = rest();
  if (broken_ || (left.empty() && !stream_id_.empty())) return std::nullopt;
  cut out{position_, left.size(), std::nullopt};
  if (!stream_id_.empty() && left.size() >= record_front_bytes)
    if (const auto front = decode_record_front(left)) out.wanted = record_front_bytes + front.assume_value().size;
  return out;
}

} // namespace ec::object
