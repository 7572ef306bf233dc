// For programs that link the coder, such as the tests.
#include "media/internal/sound_loop.hpp"

namespace ec::media::internal {

base::result<sound_loop> make_sound(test_codec codec, bool surround) {
  return code_sound(codec, surround);
}

} // namespace ec::media::internal
