#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "ts/pes.hpp"
#include "ts/program.hpp"

/// Looks into elementary streams for signs of loss that the continuity counter does not show, and for random access
/// points. A check arms itself only after the stream has kept its rule for a while, so that an unusual encoder is
/// never called damaged for its habits.
namespace ec::ts::internal {

struct check_outcome {
  bool failed = false;  ///< the stream is not what it should be: something was lost since the last sync
  bool sync = false;    ///< everything before this packet is as it should be
  bool decided = false; ///< whether the PES packet under way begins with a random access point is known now:
  bool random_access = false;

  void add(const check_outcome& o) {
    failed |= o.failed;
    sync |= o.sync;
    if (o.decided && !decided) decided = true, random_access = o.random_access;
  }
};

/// Steps of a decoding time, per access unit: learns the smallest and the largest, then tolerates half a frame more.
class step_check {
public:
  /// False if `step`, the way over `units` access units, says that some are missing or that time jumped.
  bool accept(int64_t step, unsigned units);
  void forget() { samples_ = 0; }

private:
  static constexpr unsigned samples_min = 4;
  unsigned samples_ = 0;
  int64_t min_ = 0, max_ = 0; ///< per access unit
};

/// MPEG-1/2, H.264 and HEVC video.
class video_check {
public:
  explicit video_check(codec kind) : kind_(kind) {}

  /// A PES packet starts; `random_access` is the indicator of its first transport packet.
  check_outcome pes_start(const pes_header& head, bool random_access);
  /// Its payload, in pieces as the packets come.
  check_outcome payload(std::span<const uint8_t> in);
  /// Packets were lost: what is under way is worthless; habits stay learned.
  void lost();

private:
  void start_code(const uint8_t* at, const uint8_t* end);
  void interpret();
  void mpeg_unit();
  void picture_end();
  void h264_unit();
  void hevc_unit();
  void decide(bool random_access);

  codec kind_;
  check_outcome now_;
  // Start codes
  unsigned zeros_ = 0;      ///< zero bytes at the end of what was seen, 2 at most
  bool capturing_ = false;
  size_t want_ = 0, got_ = 0;
  std::array<uint8_t, 256> unit_{}; ///< the unit under way, from the byte behind its start code
  // The PES packet under way
  bool first_unit_open_ = false;    ///< no picture has begun in it yet
  bool random_access_ = false, sequence_ = false, recovery_ = false;
  bool stamped_ = false;
  uint64_t dts_ = 0;
  // Steps
  step_check steps_;
  std::optional<uint64_t> last_dts_;
  unsigned units_ = 0; ///< access units since last_dts_
  // MPEG-2 slices
  unsigned rows_ = 0, row_ = 0;
  unsigned height_ = 0;
  bool progressive_ = true, extension_ = false;
  bool in_picture_ = false, picture_known_ = false;
  unsigned good_pictures_ = 0;
  // H.264, HEVC slices
  int64_t last_mb_ = -1;
  unsigned slices_ = 0, slices_usual_ = 0, slices_same_ = 0;
  unsigned good_starts_ = 0;
};

/// Audio in frames that carry their length: MPEG audio, ADTS, LATM, AC-3 and E-AC-3.
class audio_check {
public:
  explicit audio_check(codec kind) : kind_(kind) {}

  check_outcome pes_start(const pes_header& head);
  check_outcome payload(std::span<const uint8_t> in);
  void lost();

private:
  struct frame {
    size_t bytes = 0;
    int64_t samples = 0; ///< 0 if the frame adds no time, or how much is not known
    int64_t rate = 0;
    uint32_t family = 0; ///< what must not change from frame to frame
  };
  size_t header_bytes() const;
  bool parse(frame& out) const;
  void frame_begin();
  void frame_end();

  codec kind_;
  check_outcome now_;
  std::array<uint8_t, 8> head_{};
  size_t head_got_ = 0;
  size_t left_ = 0;        ///< bytes of the frame under way that are still to come
  unsigned good_ = 0;      ///< frames in a row that stood where they belong
  frame current_;
  uint16_t crc_ = 0;
  size_t crc_skip_ = 0;
  unsigned crc_good_ = 0;
  std::optional<uint64_t> pes_pts_;  ///< of the PES under way, until a frame begins in it
  std::optional<uint64_t> frame_pts_; ///< of the frame that `elapsed_` counts from
  int64_t elapsed_ = 0;    ///< samples since frame_pts_
  unsigned pts_good_ = 0;
};

} // namespace ec::ts::internal
