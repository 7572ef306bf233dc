#pragma once

#include <string>

#include "actors/caf.hpp"
#include "base/json.hpp"

namespace ec::actors {

/// Something that a person or a script at the terminal wants to know. Not a log line: reports are the product's output.
struct report {
  std::string event;        ///< stable name: "chunk", "rejected", "signer-trusted", "done"
  base::json::object fields;
};

/// Whoever started a topology and shows what happens: the command line, a test.
using observer_actor = caf::typed_actor<caf::reacts_to<report>>;

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::report)
