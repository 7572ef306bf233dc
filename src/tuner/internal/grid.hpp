#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace ec::tuner::internal {

/// The packets of a capture by number, wherever they lie: 188, 192 or 204 bytes apart, with garbage between.
class grid {
public:
  /// Errors: malformed (no packets found).
  [[nodiscard]] static base::result<grid> find(base::bytes capture);

  uint64_t count() const { return count_; }
  uint64_t resyncs() const { return runs_.size() - 1; }
  /// The 188 bytes of packet `index` < count(); cheap when called for rising numbers.
  std::span<const uint8_t> packet(uint64_t index) const;

private:
  struct run {
    uint64_t first;
    size_t offset;
  };
  base::bytes capture_;
  size_t stride_ = 188;
  std::vector<run> runs_;
  uint64_t count_ = 0;
  mutable size_t last_run_ = 0;
};

} // namespace ec::tuner::internal
