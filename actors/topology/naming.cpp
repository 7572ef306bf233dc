#include "actors/topology/naming.hpp"

#include <algorithm>

#include "actors/topology/common.hpp"

namespace ec::actors {
namespace {

using base::errc, base::fail;
using identity::broadcast_standard;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

/// What the device as a whole receives.
broadcast_standard standard_of(const tuner::device_documents& device) {
  if (device.status && device.status->source == "Cable") return broadcast_standard::cable;
  if (!device.discover) return broadcast_standard::unknown;
  const auto& d = *device.discover;
  if (d.conditional_access.value_or(false) || has(d.firmware_name, "cablecard")) return broadcast_standard::cable;
  if (has(d.firmware_name, "dvb")) return broadcast_standard::dvb;
  return has(d.firmware_name, "atsc") ? broadcast_standard::atsc : broadcast_standard::unknown;
}

broadcast_standard standard_of(const tuner::lineup_entry& entry, broadcast_standard of_device) {
  if (of_device == broadcast_standard::cable) return of_device;
  const auto modulation = entry.modulation.value_or("");
  if (entry.atsc3.value_or(false) || entry.audio_codec == "AC4" || modulation.starts_with("atsc3")) return broadcast_standard::atsc3;
  if (has(modulation, "vsb")) return broadcast_standard::atsc;
  if (modulation.starts_with("qam")) return broadcast_standard::cable;
  return of_device;
}

} // namespace

std::string_view name(naming_rule rule) {
  switch (rule) {
  case naming_rule::explicit_id: return "explicit";
  case naming_rule::broadcast: return "broadcast";
  case naming_rule::source: return "source";
  }
  return "?";
}

std::vector<identity::channel_facts> facts_of(const tuner::device_documents& device) {
  const auto of_device = standard_of(device);
  std::vector<identity::channel_facts> out;
  out.reserve(device.lineup.size());
  for (const auto& entry : device.lineup) {
    identity::channel_facts facts;
    facts.standard = standard_of(entry, of_device);
    facts.network = entry.original_network_id;
    facts.tsid = entry.transport_stream_id;
    facts.program_number = entry.program_number;
    facts.virtual_channel = entry.guide_number;
    facts.name = entry.guide_name;
    facts.frequency_hz = entry.frequency_hz;
    out.push_back(std::move(facts));
  }
  return out;
}

base::result<stream_name> name_by_lineup(const tuner::source_facts& source, const tuner::device_documents& device, const std::string& profile,
  std::optional<uint16_t> program) {
  if (source.transcoded) return fail(errc::not_found, "the device transcodes it, so that its bytes are not the station's");
  const auto all = facts_of(device);
  std::optional<identity::broadcast_identity> found;
  bool listed = false;
  for (size_t i = 0; i < all.size(); ++i) {
    if (tuner::normal_channel(all[i].virtual_channel) != source.channel) continue;
    listed = true;
    if (program && all[i].program_number != program) continue;
    EC_TRY(auto got, identity::identify(all[i], all));
    if (found && found->key != got.key)
      return fail(errc::not_found, "channel " + source.channel + " stands in the lineup more than once, and which one the tuner takes is not known");
    found = std::move(got);
  }
  if (!listed) return fail(errc::not_found, "the lineup has no channel " + source.channel);
  if (!found) return fail(errc::not_found, "the lineup does not say that program " + std::to_string(*program) + " is channel " + source.channel);
  EC_TRY(auto id, identity::stream_id::make(found->key, profile));
  EC_TRY(auto aliases, identity::alias_ids(*found, profile));
  return stream_name{std::move(id), std::move(aliases), naming_rule::broadcast, std::move(found->reason)};
}

base::result<stream_name> name_by_source(const tuner::source_facts& source, const std::string& profile, std::string reason) {
  EC_TRY(auto id, identity::source_stream_id(std::string(tuner::name(source.kind)), source.device.empty() ? "local" : source.device,
    source.channel.empty() ? "1" : source.channel, profile));
  return stream_name{std::move(id), {}, naming_rule::source, std::move(reason)};
}

base::result<stream_name> name_stream(const naming_wishes& wishes, const tuner::source_facts& source,
  const std::function<base::result<tuner::device_documents>(const net::url&)>& ask) {
  if (wishes.stream_id) {
    auto id = identity::stream_id::parse(*wishes.stream_id);
    if (!id) return fail(about_setting(id.error(), "--stream-id"));
    if (id.value().profile() != wishes.profile)
      return fail(errc::config, "names profile '" + id.value().profile() + "', but --profile is '" + wishes.profile + "'", "--stream-id");
    return stream_name{std::move(id).value(), {}, naming_rule::explicit_id, "as --stream-id says"};
  }
  const auto by_source = [&](std::string reason) { return name_by_source(source, wishes.profile, std::move(reason)); };
  if (source.kind != tuner::source_kind::hdhomerun || !source.url) return by_source("the input is no channel of a tuner");
  if (wishes.channel && tuner::normal_channel(*wishes.channel) != source.channel) return by_source("--channel takes another channel than the lineup could name");
  const auto device = ask(*source.url);
  if (!device) return by_source("the tuner's lineup cannot be read: " + device.error().message());
  auto named = name_by_lineup(source, device.value(), wishes.profile, wishes.program);
  if (!named && named.error().code == errc::not_found) return by_source(named.error().text);
  if (named) named.value().reason += "; lineup of " + device.value().from;
  return named;
}

} // namespace ec::actors
