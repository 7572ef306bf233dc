#include "identity/broadcast.hpp"

#include <algorithm>
#include <set>

#include "identity/callsign.hpp"

namespace ec::identity {
namespace {

using base::errc;
using base::fail;

/// One channel of ATSC, read.
struct atsc_channel {
  std::string number;
  std::string major;
  std::optional<identity::callsign> sign;
  std::optional<uint16_t> tsid; ///< only if it was assigned to a station
};

/// Multiplexers that nobody configured send 0 or 1, and 65535 is an erased memory.
std::optional<uint16_t> assigned(std::optional<uint16_t> tsid) {
  return tsid && *tsid > 1 && *tsid != 0xffff ? tsid : std::nullopt;
}

/// Networks from 0xff00 on are private or temporary [TS 101 162 5.2].
bool registered(uint16_t network) {
  return network != 0 && network < 0xff00;
}

std::optional<atsc_channel> read_atsc(const channel_facts& facts) {
  auto number = normal_virtual_channel(facts.virtual_channel);
  if (!number) return std::nullopt;
  auto major = number->substr(0, number->find('.'));
  return atsc_channel{std::move(*number), std::move(major), read_callsign(facts.name), assigned(facts.tsid)};
}

/// Whether two stations share the major number: then a channel's neighbours by number say nothing of it.
bool contested(const std::vector<atsc_channel>& channels) {
  for (size_t i = 0; i < channels.size(); ++i)
    for (size_t k = i + 1; k < channels.size(); ++k) {
      const auto &a = channels[i], &b = channels[k];
      if (a.number == b.number && !(a.sign && b.sign && a.sign->text == b.sign->text)) return true;
    }
  return false;
}

struct station {
  std::string callsign;
  std::string reason;
};

/// The station that sends `own`; `neighbours` are the channels of its major number, itself among them.
std::optional<station> station_of(const atsc_channel& own, std::vector<atsc_channel> neighbours) {
  if (own.sign && own.sign->certain) return station{own.sign->text, "by its name"};
  if (contested(neighbours)) {
    // Only what comes in the same multiplex is the same station's for sure.
    if (!own.tsid) return std::nullopt;
    std::erase_if(neighbours, [&](const atsc_channel& c) { return c.tsid != own.tsid; });
    if (contested(neighbours)) return std::nullopt;
  }
  const auto first = own.major + ".1";
  for (const auto& c : neighbours)
    if (c.number == first && c.sign) return station{c.sign->text, own.number == first ? "by its name" : "by the name of channel " + first};
  std::set<std::string> certain;
  std::string from;
  for (const auto& c : neighbours)
    if (c.sign && c.sign->certain) {
      certain.insert(c.sign->text);
      if (from.empty() || c.number < from) from = c.number;
    }
  if (certain.size() != 1) return std::nullopt;
  return station{*certain.begin(), "by the name of channel " + from};
}

broadcast_scope scope_of(std::string standard) {
  broadcast_scope out;
  out.standard = std::move(standard);
  return out;
}

std::string quoted(const std::string& name) {
  return name.empty() ? "it has no name" : "its name '" + name.substr(0, 40) + "' is no callsign";
}

base::result<broadcast_identity> identify_atsc(const channel_facts& channel, std::span<const channel_facts> all) {
  const auto own = read_atsc(channel);
  if (!own) return fail(errc::not_found, "'" + channel.virtual_channel.substr(0, 40) + "' is no virtual channel of ATSC");
  std::vector<atsc_channel> neighbours;
  for (const auto& facts : all) {
    const bool same_standard = facts.standard == broadcast_standard::unknown || facts.standard == broadcast_standard::atsc;
    if (auto c = same_standard ? read_atsc(facts) : std::nullopt; c && c->major == own->major) neighbours.push_back(std::move(*c));
  }
  std::vector<broadcast_scope> names;
  std::string reason;
  if (const auto from = station_of(*own, std::move(neighbours))) {
    auto name = scope_of("atsc");
    name.virtual_channel = own->number;
    name.callsign = from->callsign;
    names.push_back(std::move(name));
    reason = "station " + from->callsign + ", " + from->reason;
  }
  if (own->tsid) {
    auto name = scope_of("atsc");
    name.tsid = own->tsid;
    name.virtual_channel = own->number;
    names.push_back(std::move(name));
    if (reason.empty()) reason = "transport stream " + std::to_string(*own->tsid) + ", as no callsign is known";
  }
  if (names.empty()) {
    const std::string stream = !channel.tsid ? "its transport stream id is not known" : "transport stream id " + std::to_string(*channel.tsid) + " is assigned to nobody";
    return fail(errc::not_found, "channel " + own->number + " alone is not enough, every city may have one: " + quoted(channel.name) +
                                   ", no other channel of " + own->major + " tells the station, and " + stream);
  }
  broadcast_identity out;
  out.key = std::move(names.front());
  out.aliases.assign(std::make_move_iterator(names.begin() + 1), std::make_move_iterator(names.end()));
  out.reason = std::move(reason);
  return out;
}

base::result<broadcast_identity> identify_dvb(const channel_facts& channel) {
  std::string lacking;
  const auto need = [&](bool have, std::string_view what) {
    if (have) return;
    if (!lacking.empty()) lacking += ", ";
    lacking += what;
  };
  need(channel.network.has_value(), "original_network_id");
  need(channel.tsid.has_value(), "transport_stream_id");
  need(channel.program_number && *channel.program_number != 0, "service_id");
  if (!lacking.empty()) return fail(errc::not_found, "a channel of DVB is known by its numbers on the air, and here is no " + lacking);
  if (!registered(*channel.network))
    return fail(errc::not_found, "original_network_id " + std::to_string(*channel.network) + " is registered to nobody: others use it too");
  broadcast_identity out;
  out.key = scope_of("dvb");
  out.key.network = channel.network;
  out.key.tsid = channel.tsid;
  out.key.program_number = channel.program_number;
  out.reason = "its numbers on the air";
  return out;
}

} // namespace

std::optional<std::string> normal_virtual_channel(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  const auto split = text.find_first_of(".-");
  if (split == text.npos) return std::nullopt;
  const auto number = [](std::string_view digits, unsigned max) -> std::optional<unsigned> {
    if (digits.empty() || digits.size() > 4) return std::nullopt;
    unsigned out = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      out = out * 10 + static_cast<unsigned>(c - '0');
    }
    return out >= 1 && out <= max ? std::optional(out) : std::nullopt;
  };
  const auto major = number(text.substr(0, split), 1023);
  const auto minor = number(text.substr(split + 1), 999);
  if (!major || !minor) return std::nullopt;
  return std::to_string(*major) + "." + std::to_string(*minor);
}

base::result<broadcast_identity> identify(const channel_facts& channel, std::span<const channel_facts> all) {
  switch (channel.standard) {
  case broadcast_standard::atsc: return identify_atsc(channel, all);
  case broadcast_standard::dvb: return identify_dvb(channel);
  case broadcast_standard::atsc3:
    return fail(errc::not_found, "ATSC 3.0 is not sent as a transport stream: each device makes one of its own, and no two are the same");
  case broadcast_standard::cable:
    return fail(errc::not_found, "a cable operator makes multiplexes and numbers of its own: what it passes on is not the broadcast");
  case broadcast_standard::unknown: break;
  }
  if (normal_virtual_channel(channel.virtual_channel)) return identify_atsc(channel, all);
  return fail(errc::not_found, "nothing says by which standard '" + channel.virtual_channel.substr(0, 40) + "' is sent");
}

base::result<std::vector<stream_id>> alias_ids(const broadcast_identity& identity, const std::string& profile, const std::string& variant) {
  std::vector<stream_id> out;
  for (const auto& alias : identity.aliases) {
    EC_TRY(auto id, stream_id::make(alias, profile, variant));
    out.push_back(std::move(id));
  }
  return out;
}

} // namespace ec::identity
