// The program's side. libavcodec brings some 120 libraries: 20 MB resident and a start of its own, in every process, for a sound
// that one command codes once. So it stands in a module that is loaded when a test broadcast is made, and not before.
#include <dlfcn.h>

#include "media/internal/sound_module.hpp"

namespace ec::media::internal {

base::result<sound_loop> make_sound(test_codec codec, bool surround) {
  // Never closed again: libraries below it start threads and keep state for the whole life of a process.
  void* module = dlopen(sound_module_file, RTLD_NOW | RTLD_LOCAL);
  void* found = module != nullptr ? dlsym(module, sound_module_symbol) : nullptr;
  if (found == nullptr) {
    const char* why = dlerror();
    return base::fail(base::errc::unsupported,
      std::string("the sound coder of the test broadcast does not load (") + (why != nullptr ? why : "no reason given") +
        "): build or install it beside ec-node, or give a file to play with --file");
  }
  sound_loop out;
  EC_TRYV(reinterpret_cast<sound_module_function>(found)(codec, surround, out));
  return out;
}

} // namespace ec::media::internal
