#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "media/test_broadcast.hpp"

namespace ec::media::internal {

/// The sound of the test broadcast, coded once: a beep of 0.1 s at every full second, over a whole number of both seconds and
/// frames, so that it repeats without a seam.
struct sound_loop {
  std::vector<std::vector<uint8_t>> frames; ///< AC-3 syncframes, or ADTS frames
  uint32_t samples = 0;                     ///< in a frame: 1536 or 1024, at 48 kHz
  uint32_t delay = 0;                       ///< samples by which a frame sounds before its place in the input: the coder's delay
};

/// Codes it with libavcodec. Errors: unsupported (no encoder), internal.
[[nodiscard]] base::result<sound_loop> code_sound(test_codec codec, bool surround);

/// code_sound() by whichever way this program has it: linked, or from a module. Errors: those, unsupported (no module).
[[nodiscard]] base::result<sound_loop> make_sound(test_codec codec, bool surround);

} // namespace ec::media::internal
