#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/stream_id.hpp"

/// The name that a broadcast gets from what is known of it: the same from a lineup and from the air. Decided in
/// docs/adr/0008-broadcast-identity.md; rules and golden examples in docs/formats/stream-id.md.
namespace ec::identity {

/// By what rules a channel is sent.
enum class broadcast_standard {
  unknown, ///< a number in two parts, "5.1", is then taken for ATSC
  atsc,
  atsc3, ///< no transport stream on the air: devices make one of their own
  dvb,
  cable, ///< of an operator in North America
};

/// What is known of one channel, as it was found: in a lineup, or in PAT, VCT and SDT. Nothing here has to be set.
struct channel_facts {
  broadcast_standard standard = broadcast_standard::unknown;
  std::optional<uint16_t> network;        ///< original_network_id
  std::optional<uint16_t> tsid;           ///< transport_stream_id
  std::optional<uint16_t> program_number; ///< service_id in DVB
  std::string virtual_channel;            ///< "5.1", "5-1"
  std::string name;                       ///< GuideName, short_name, service_name

  // Hints: they help a person, and are in no name.
  std::string region;
  std::optional<uint64_t> frequency_hz;
};

/// The names of one broadcast. Two nodes that share any of them receive the same.
struct broadcast_identity {
  broadcast_scope key;                  ///< the strongest: what the stream id is made of
  std::vector<broadcast_scope> aliases; ///< the others, strongest first
  std::string reason;                   ///< for a person: "station wptv, by the name of channel 5.1"
};

/// Names `channel`, which is one of `all`: the channels of the same lineup, or of the same multiplex. The order of `all`, hints, case and
/// padding change nothing; who knows more than another gets the same key, or more aliases, never another key.
/// Errors: not_found, with the reason for a person why what is known is not enough.
[[nodiscard]] base::result<broadcast_identity> identify(const channel_facts& channel, std::span<const channel_facts> all);

/// "5-1", " 05.1 " as "5.1"; nothing if it is no virtual channel of ATSC: major 1 to 1023, minor 1 to 999 [A/65 6.3.1].
std::optional<std::string> normal_virtual_channel(std::string_view text);

/// The stream ids of the aliases, in order. Errors: as stream_id::make.
[[nodiscard]] base::result<std::vector<stream_id>> alias_ids(const broadcast_identity& identity, const std::string& profile,
                                                             const std::string& variant = "main");

} // namespace ec::identity
