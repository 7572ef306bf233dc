// CAF takes seconds to read: read it once.
#include <caf/all.hpp>
