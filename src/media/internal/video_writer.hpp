#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "media/test_picture.hpp"

namespace ec::media::internal {

inline constexpr uint64_t gop_pictures = 30; ///< 0.5 s

/// One coded picture, in coding order.
struct coded_picture {
  std::vector<uint8_t> bytes;
  uint64_t pts = 0; ///< 90 kHz since the Unix epoch, not reduced to 33 bits
  uint64_t dts = 0;
  bool random_access = false;
  bool ends_group = false; ///< the last one of its group
};

/// Codes test pictures. It knows only cells of one colour, and so needs no transform: such a cell is one DC value, and a
/// cell that did not change is taken from the picture before. That makes a clock that really runs as cheap as a loop.
class video_writer {
public:
  virtual ~video_writer() = default;
  /// The next picture in coding order; the first belongs to the group of pictures that begins at picture `30 * gop`.
  virtual coded_picture next() = 0;
};

/// MPEG-2 Main Profile at High Level, I, P and B pictures [13818-2]. The snow is filled up to about `bit_rate`.
std::unique_ptr<video_writer> make_mpeg2_writer(uint64_t gop, std::string title, uint64_t bit_rate);
/// H.264 Constrained Baseline, level 3.2, I and P pictures, CAVLC [H.264].
std::unique_ptr<video_writer> make_h264_writer(uint64_t gop, std::string title);

} // namespace ec::media::internal
