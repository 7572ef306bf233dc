#pragma once

// The precompiled header of the actors: CAF, once.
#include <caf/all.hpp>
