#pragma once

#include "media/internal/sound_loop.hpp"

namespace ec::media::internal {

/// File of the module that holds the sound coder, beside the program or on its library path.
inline constexpr const char* sound_module_file = "libec-sound.so";
/// The one function that it exports; `out` is filled if no error comes back.
inline constexpr const char* sound_module_symbol = "ec_make_sound";
using sound_module_function = base::result<void> (*)(test_codec codec, bool surround, sound_loop& out);

} // namespace ec::media::internal
