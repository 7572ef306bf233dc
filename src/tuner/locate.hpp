#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tuner/device.hpp"
#include "tuner/discover.hpp"

namespace ec::tuner {

/// Who is asked to find an input.
struct locate_services {
  std::function<base::result<std::vector<discovered_device>>(const discover_question&)> discover = tuner::discover;
  std::function<base::result<device_documents>(const net::url& stream)> documents = [](const net::url& stream) { return ask_device_of(stream); };
};

/// What an input that names a tuner or a channel in words means, as open_source takes it: `hdhomerun://DEVICE-ID/...` is looked for in the network,
/// `hdhomerun://HOST/name/NAME` and `hdhomerun://HOST/program/N` in the tuner's lineup. NAME is percent-decoded and compared without case. Every other
/// input is given back as it is, and nobody is asked. May block as discover() and ask_device_of() do.
/// Errors: malformed, not_found (no such device, channel or program), config (more than one channel has this name or program: their numbers are in the
/// text), refused (content-protected); those of the services.
[[nodiscard]] base::result<std::string> locate_input(std::string_view spec, const locate_services& ask = {});

} // namespace ec::tuner
