#pragma once

#include <optional>
#include <string>

#include "actors/atoms.hpp"
#include "quic/address.hpp"

namespace ec::actors {

/// A peer's address was looked up.
struct found_place {
  std::optional<quic::socket_address> where;
  std::string fault; ///< if not
};

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::found_place)
