#include "tuner/locate.hpp"

#include <algorithm>
#include <charconv>

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;

constexpr uint16_t stream_port = 5004;

std::string lower(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

/// How a channel of the lineup is asked for.
struct choice {
  std::string name; ///< lower case; empty: by program
  uint16_t program = 0;
  std::string said; ///< for errors

  bool fits(const lineup_entry& e) const { return name.empty() ? e.program_number == program : lower(e.guide_name) == name; }
};

/// Of a path "/name/WCMH-DT" or "/program/3"; nothing for others.
base::result<std::optional<choice>> choice_of(const net::url& from) {
  constexpr std::string_view by_name = "/name/", by_program = "/program/";
  if (from.path.starts_with(by_name)) {
    // The query's decoder is the only one that there is, and takes a path's escapes too.
    auto name = net::query_value("n=" + from.path.substr(by_name.size()), "n");
    if (!name || name->empty()) return fail(errc::malformed, "a channel's name is missing or badly escaped", from.path);
    return std::optional(choice{lower(*name), 0, "is called '" + *name + "'"});
  }
  if (from.path.starts_with(by_program)) {
    const auto text = std::string_view(from.path).substr(by_program.size());
    choice out;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out.program);
    if (ec != std::errc() || end != text.data() + text.size() || out.program == 0) return fail(errc::malformed, "expected a program number, 1 to 65535", from.path);
    out.said = "has program " + std::to_string(out.program);
    return std::optional(std::move(out));
  }
  return std::optional<choice>();
}

base::result<std::string> channel_of(const choice& wanted, const device_documents& device) {
  std::vector<const lineup_entry*> found;
  for (const auto& e : device.lineup)
    if (wanted.fits(e)) found.push_back(&e);
  if (found.empty()) {
    const bool tells = std::ranges::any_of(device.lineup, [](const lineup_entry& e) { return e.program_number.has_value(); });
    return fail(errc::not_found, "no channel of its lineup " + wanted.said + (wanted.name.empty() && !tells ? ": this device does not tell program numbers" : ""), device.from);
  }
  if (found.size() > 1) {
    std::string numbers;
    for (const auto* e : found) numbers += (numbers.empty() ? "" : ", ") + e->guide_number;
    return fail(errc::config, "more than one channel " + wanted.said + ": name one of " + numbers.substr(0, 200) + " by its number", device.from);
  }
  const auto& e = *found.front();
  if (e.drm.value_or(false)) return fail(errc::refused, "channel " + e.guide_number + " is content-protected and is not streamed", device.from);
  const auto number = normal_channel(e.guide_number);
  if (!number) return fail(errc::not_found, "the channel that " + wanted.said + " has no number to tune by, but '" + e.guide_number + "'", device.from);
  return *number;
}

} // namespace

base::result<std::string> locate_input(std::string_view spec, const locate_services& ask) {
  constexpr std::string_view scheme = "hdhomerun://";
  if (!spec.starts_with(scheme)) return std::string(spec);
  auto parsed = net::parse_url("http://" + std::string(spec.substr(scheme.size())));
  if (!parsed) return std::string(spec); // open_source says what is wrong with it
  auto from = std::move(parsed).value();
  EC_TRY(const auto wanted, choice_of(from));
  const bool by_id = device_id_valid(from.host);
  if (!wanted && !by_id) return std::string(spec);
  if (by_id) {
    const auto id = from.host;
    EC_TRY(const auto found, ask.discover({.host = {}, .port = 80, .device_id = id, .wait = std::chrono::milliseconds(3000)}));
    if (found.empty()) return fail(errc::not_found, "no tuner with this id answered: is it in this network? If its address is known, name that", id);
    from.host = found.front().address;
    // A device has its streams on a port of their own; a simulator has one for all.
    const auto documents = net::parse_url(found.front().base_url + "/");
    if (from.port == 80) from.port = documents && documents.value().port != 80 ? documents.value().port : stream_port;
  }
  if (from.port == 80) from.port = stream_port;
  if (wanted) {
    EC_TRY(const auto device, ask.documents(from));
    EC_TRY(const auto number, channel_of(*wanted, device));
    from.path = "/auto/v" + number;
  }
  return std::string(scheme) + from.authority() + from.target();
}

} // namespace ec::tuner
