#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ec::base {

/// Largest value of a QUIC variable-length integer, 2^62 - 1 [RFC 9000 16].
inline constexpr uint64_t quic_varint_max = (uint64_t{1} << 62) - 1;

/// Reads big-endian fields off the front of borrowed bytes. Every read that runs out of bytes answers nothing and leaves
/// the position where it was: that is "need more", and the caller decides whether more can come.
class byte_reader {
public:
  explicit byte_reader(std::span<const uint8_t> in) : in_(in) {}

  size_t left() const { return in_.size() - at_; }
  size_t position() const { return at_; }
  bool done() const { return left() == 0; }
  std::span<const uint8_t> rest() const { return in_.subspan(at_); }
  void rewind(size_t position) { at_ = position; }

  std::optional<uint8_t> u8() { return fixed<uint8_t>(1); }
  std::optional<uint16_t> u16() { return fixed<uint16_t>(2); }
  std::optional<uint32_t> u24() { return fixed<uint32_t>(3); }
  std::optional<uint32_t> u32() { return fixed<uint32_t>(4); }
  std::optional<uint64_t> u64() { return fixed<uint64_t>(8); }
  /// QUIC's variable-length integer, two bits of length in front [RFC 9000 16].
  std::optional<uint64_t> quic_varint();
  /// MoQ Transport's variable-length integer of drafts 17 and later: leading one bits count the extra bytes [MOQT 1.4.1].
  std::optional<uint64_t> moqt_vi64();
  /// The next `count` bytes, borrowed from the input.
  std::optional<std::span<const uint8_t>> take(uint64_t count);
  bool skip(uint64_t count) { return take(count).has_value(); }

private:
  template <class T>
  std::optional<T> fixed(size_t count) {
    if (left() < count) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | in_[at_ + i];
    at_ += count;
    return static_cast<T>(value);
  }

  std::span<const uint8_t> in_;
  size_t at_ = 0;
};

/// Appends big-endian fields to a growing buffer.
class byte_writer {
public:
  byte_writer() = default;
  explicit byte_writer(size_t reserve) { out_.reserve(reserve); }

  void u8(uint8_t value) { out_.push_back(value); }
  void u16(uint16_t value) { fixed(value, 2); }
  void u24(uint32_t value) { fixed(value, 3); }
  void u32(uint32_t value) { fixed(value, 4); }
  void u64(uint64_t value) { fixed(value, 8); }
  /// QUIC's variable-length integer in its shortest form; `value` <= quic_varint_max.
  void quic_varint(uint64_t value);
  /// MoQ Transport's variable-length integer (drafts 17 and later) in its shortest form.
  void moqt_vi64(uint64_t value);
  void raw(std::span<const uint8_t> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void raw(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }

  size_t size() const { return out_.size(); }
  std::span<const uint8_t> span() const { return out_; }
  /// Overwrites two bytes written before, for a length that is known only at the end.
  void patch_u16(size_t at, uint16_t value);
  std::vector<uint8_t> take() { return std::move(out_); }

private:
  void fixed(uint64_t value, size_t count) {
    for (size_t i = count; i > 0; --i) out_.push_back(static_cast<uint8_t>(value >> (8 * (i - 1))));
  }

  std::vector<uint8_t> out_;
};

/// Bytes that `value` takes as a QUIC variable-length integer.
size_t quic_varint_size(uint64_t value);
/// Bytes that `value` takes as a MoQ Transport variable-length integer (drafts 17 and later).
size_t moqt_vi64_size(uint64_t value);

} // namespace ec::base
