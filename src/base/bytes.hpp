#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace ec::base {

/// An immutable view of bytes that shares ownership of its memory (atomically counted).
/// Copying and slicing never copy the bytes: copy once at the edge of the process, then slice.
class bytes {
public:
  static constexpr size_t npos = static_cast<size_t>(-1);

  bytes() = default;

  /// Copies `from` into memory of its own.
  static bytes copy(std::span<const uint8_t> from);
  /// The bytes of `text`, copied; no terminator.
  static bytes copy(std::string_view text);
  /// Takes over `from` without copying.
  static bytes adopt(std::vector<uint8_t>&& from);
  /// `view` stays valid for as long as `owner` lives.
  static bytes share(std::shared_ptr<const void> owner, std::span<const uint8_t> view);

  const uint8_t* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const uint8_t* begin() const { return view_.data(); }
  const uint8_t* end() const { return view_.data() + view_.size(); }
  uint8_t operator[](size_t at) const { return view_[at]; }

  /// Borrowed for one call; never kept.
  std::span<const uint8_t> span() const { return view_; }
  operator std::span<const uint8_t>() const { return view_; } // NOLINT(google-explicit-constructor)
  /// The same bytes seen as text; borrowed for one call.
  std::string_view text() const { return {reinterpret_cast<const char*>(view_.data()), view_.size()}; }

  /// A part that shares the memory. Out of range is clamped.
  bytes slice(size_t from, size_t count = npos) const;

  friend bool operator==(const bytes& a, const bytes& b);

private:
  bytes(std::shared_ptr<const void> owner, std::span<const uint8_t> view) : owner_(std::move(owner)), view_(view) {}

  std::shared_ptr<const void> owner_;
  std::span<const uint8_t> view_;
};

/// The bytes of `text`, borrowed.
inline std::span<const uint8_t> as_span(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// `part` seen as text, borrowed.
inline std::string_view as_text(std::span<const uint8_t> part) {
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

} // namespace ec::base
