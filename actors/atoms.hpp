#pragma once

#include "actors/caf.hpp"

namespace ec::actors {

using start_atom = caf::atom_constant<caf::atom("start")>;
using stop_atom = caf::atom_constant<caf::atom("stop")>;
using read_atom = caf::atom_constant<caf::atom("read")>;
using retry_atom = caf::atom_constant<caf::atom("retry")>;
using move_atom = caf::atom_constant<caf::atom("move")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using status_atom = caf::atom_constant<caf::atom("status")>;

} // namespace ec::actors
