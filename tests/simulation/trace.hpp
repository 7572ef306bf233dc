#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace ec::simulation {

/// A running digest of everything that happens: two runs of one seed must end with the same. It need not withstand an attacker.
class trace {
public:
  void add(uint64_t value) {
    state_ = (state_ ^ value) * 0xff51afd7ed558ccd;
    state_ ^= state_ >> 29;
    ++count_;
  }
  void add(std::span<const uint8_t> bytes) {
    size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      add(word);
    }
    uint64_t rest = bytes.size();
    for (; at < bytes.size(); ++at) rest = rest << 8 | bytes[at];
    add(rest);
  }
  void add(std::string_view text) { add(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size())); }

  uint64_t digest() const { return state_; }
  uint64_t count() const { return count_; }

private:
  uint64_t state_ = 0x2545f4914f6cdd1d;
  uint64_t count_ = 0;
};

} // namespace ec::simulation
