#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/broadcast.hpp"
#include "ts/program.hpp"

/// What the broadcast says of itself, as facts that name it.
namespace ec::actors {

/// The channels of the multiplex, as VCT or SDT lists them; empty before one was read.
std::vector<identity::channel_facts> facts_of(const ts::program_facts& air);

/// The broadcast that a program of the multiplex is. Nothing is guessed: errors: not_found, with the reason for a person (no VCT or SDT
/// lists the program, two channels are the same program, PAT and VCT or SDT disagree, or what is known is not enough).
base::result<identity::broadcast_identity> identify_on_air(const ts::program_facts& air, uint16_t program_number);

} // namespace ec::actors
