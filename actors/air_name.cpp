#include "actors/air_name.hpp"

#include <optional>

namespace ec::actors {
namespace {

using base::errc, base::fail;

identity::broadcast_standard standard_of(ts::channel_list by) {
  switch (by) {
  case ts::channel_list::terrestrial_vct: return identity::broadcast_standard::atsc;
  case ts::channel_list::cable_vct: return identity::broadcast_standard::cable;
  case ts::channel_list::sdt: case ts::channel_list::nit: return identity::broadcast_standard::dvb;
  case ts::channel_list::none: break;
  }
  return identity::broadcast_standard::unknown;
}

} // namespace

std::vector<identity::channel_facts> facts_of(const ts::program_facts& air) {
  std::vector<identity::channel_facts> out;
  for (const auto& c : air.channels) {
    identity::channel_facts facts;
    facts.standard = standard_of(air.channels_by);
    facts.network = air.original_network_id;
    facts.tsid = air.channels_transport_stream_id;
    facts.program_number = c.program_number;
    if (c.channel) facts.virtual_channel = std::to_string(c.channel->major) + "." + std::to_string(c.channel->minor);
    facts.name = c.name;
    out.push_back(std::move(facts));
  }
  return out;
}

base::result<identity::broadcast_identity> identify_on_air(const ts::program_facts& air, uint16_t program_number) {
  if (air.channels_by == ts::channel_list::none) return fail(errc::not_found, "no VCT and no SDT was read");
  // Who rewrites one table and not the other is no broadcaster.
  if (air.transport_stream_id && air.channels_transport_stream_id && air.transport_stream_id != air.channels_transport_stream_id)
    return fail(errc::not_found, "the PAT is of transport stream " + std::to_string(*air.transport_stream_id) + ", the list of channels of " +
                                   std::to_string(*air.channels_transport_stream_id));
  const auto all = facts_of(air);
  std::optional<identity::broadcast_identity> found;
  for (const auto& facts : all) {
    if (facts.program_number != program_number) continue;
    EC_TRY(auto got, identity::identify(facts, all));
    if (found && found->key != got.key) return fail(errc::not_found, "program " + std::to_string(program_number) + " is two channels, and which one is meant is not known");
    found = std::move(got);
  }
  if (!found) return fail(errc::not_found, "the list of channels does not name program " + std::to_string(program_number));
  if (air.channels_by == ts::channel_list::nit) found->reason += "; no SDT, by the NIT of network '" + air.network_name + "'";
  return std::move(*found);
}

} // namespace ec::actors
