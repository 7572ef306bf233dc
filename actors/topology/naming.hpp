#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/broadcast.hpp"
#include "identity/stream_id.hpp"
#include "tuner/device.hpp"
#include "tuner/source.hpp"

/// Which id a stream gets, and why.
namespace ec::actors {

/// By what a stream is named; the first that can be wins.
enum class naming_rule {
  explicit_id, ///< its operator said so
  broadcast,   ///< what the tuner's lineup says is enough to know the broadcast
  source,      ///< what this node reads, and nobody else's
};

/// Stable names for events: "explicit", "broadcast", "source".
std::string_view name(naming_rule rule);

struct stream_name {
  identity::stream_id id;
  std::vector<identity::stream_id> aliases;
  naming_rule rule = naming_rule::source;
  std::string reason; ///< for a person
};

/// The channels of a lineup as facts, entry by entry. What the documents do not say of the standard stays unknown.
std::vector<identity::channel_facts> facts_of(const tuner::device_documents& device);

/// The broadcast-scoped name of the channel that `source` is tuned to, by the documents of its device; with `program` only if the
/// lineup says that this program is the channel's.
/// Errors: not_found, with the reason for a person; those of stream_id::make.
base::result<stream_name> name_by_lineup(const tuner::source_facts& source, const tuner::device_documents& device, const std::string& profile,
  std::optional<uint16_t> program = {});

/// The source-scoped name. Errors: those of stream_id::make.
base::result<stream_name> name_by_source(const tuner::source_facts& source, const std::string& profile, std::string reason);

/// What an operator may say of a stream's name.
struct naming_wishes {
  std::optional<std::string> stream_id;
  std::string profile;
  std::optional<uint16_t> program; ///< that is taken from the source
  std::optional<std::string> channel;
};

/// Names a stream: as its operator said; else by its broadcast, if the source is a tuner's channel whose device says enough; else by
/// the source. `ask` reads the documents of a device and may block; it is called for tuners only, and not if there is an explicit id.
/// Errors: config (the explicit id); those of stream_id::make.
base::result<stream_name> name_stream(const naming_wishes& wishes, const tuner::source_facts& source,
  const std::function<base::result<tuner::device_documents>(const net::url&)>& ask);

} // namespace ec::actors
