#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ec::media::internal {

/// Appends bits, the highest first, to a growing buffer.
class bit_writer {
public:
  /// The low `count` bits of `value`, count <= 32.
  void put(uint32_t value, unsigned count) {
    pending_ = pending_ << count | (value & (count == 32 ? 0xffffffffu : (1u << count) - 1));
    waiting_ += count;
    if (waiting_ < 32) return;
    waiting_ -= 32;
    if (used_ + 4 > out_.size()) out_.resize(std::max<size_t>(2 * out_.size(), 256));
    const auto word = static_cast<uint32_t>(pending_ >> waiting_);
    auto* at = out_.data() + used_;
    at[0] = static_cast<uint8_t>(word >> 24);
    at[1] = static_cast<uint8_t>(word >> 16);
    at[2] = static_cast<uint8_t>(word >> 8);
    at[3] = static_cast<uint8_t>(word);
    used_ += 4;
  }
  /// Unsigned and signed Exp-Golomb codes [H.264 9.1].
  void ue(uint32_t value) {
    const uint32_t code = value + 1;
    unsigned bits = 0;
    while (code >> (bits + 1) != 0) ++bits;
    put(0, bits);
    put(code, bits + 1);
  }
  void se(int32_t value) { ue(value > 0 ? static_cast<uint32_t>(2 * value - 1) : static_cast<uint32_t>(-2 * value)); }
  /// Zero bits up to the next byte.
  void align() {
    if (waiting_ % 8 != 0) put(0, 8 - waiting_ % 8);
  }
  bool aligned() const { return waiting_ % 8 == 0; }
  /// What was written, filled up with zero bits to a whole byte; the writer begins anew.
  std::vector<uint8_t> take() {
    align();
    out_.resize(std::exchange(used_, 0));
    while (waiting_ > 0) {
      waiting_ -= 8;
      out_.push_back(static_cast<uint8_t>(pending_ >> waiting_));
    }
    return std::exchange(out_, {});
  }

private:
  std::vector<uint8_t> out_; ///< longer than what is used
  size_t used_ = 0;
  uint64_t pending_ = 0;
  unsigned waiting_ = 0; ///< bits in pending_ not yet written, below 32 between calls
};

} // namespace ec::media::internal
