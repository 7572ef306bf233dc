// The module's side: the sound coder behind one exported function. Program and module come from one build.
#include "media/internal/sound_module.hpp"

extern "C" __attribute__((visibility("default"))) ec::base::result<void> ec_make_sound(ec::media::test_codec codec, bool surround,
  ec::media::internal::sound_loop& out) {
  EC_TRY(out, ec::media::internal::code_sound(codec, surround));
  return ec::base::ok();
}
