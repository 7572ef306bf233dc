#include "tuner/source.hpp"

#include <charconv>
#include <filesystem>

#include "net/url.hpp"
#include "tuner/internal/datagram_source.hpp"
#include "tuner/internal/file_source.hpp"
#include "tuner/internal/http_source.hpp"
#include "tuner/internal/origin_source.hpp"
#include "tuner/lineup.hpp"

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;

/// "/auto/v5.1" or "/tuner1/v5.1": the channel; nothing for other paths.
std::optional<std::string> channel_of_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto resource = path.substr(0, slash);
  const auto channel = path.substr(slash + 1);
  const bool numbered = resource.size() == 6 && resource.substr(0, 5) == "tuner" && resource[5] >= '0' && resource[5] <= '9';
  if (resource != "auto" && !numbered) return std::nullopt;
  if (channel.substr(0, 1) == "v") return normal_channel(channel);
  if (channel.substr(0, 2) == "ch") return std::string(channel);
  return std::nullopt;
}

base::error error_of(const source_fault& f) {
  switch (f.kind) {
  case fault_kind::ended:
  case fault_kind::stopped: return {errc::closed, f.text, {}};
  case fault_kind::busy: return {errc::busy, f.text, {}};
  case fault_kind::unknown_channel: return {errc::not_found, f.text, {}};
  case fault_kind::no_signal:
  case fault_kind::content_protected:
  case fault_kind::refused_content:
  case fault_kind::http_status: return {errc::refused, f.text, {}};
  case fault_kind::stalled: return {errc::timeout, f.text, {}};
  case fault_kind::unreachable: return {errc::io, f.text, {}};
  case fault_kind::unreadable: return {errc::malformed, f.text, {}};
  }
  return {errc::internal, f.text, {}};
}

} // namespace

std::string_view name(source_kind kind) {
  switch (kind) {
  case source_kind::hdhomerun: return "hdhomerun";
  case source_kind::http: return "http";
  case source_kind::file: return "file";
  case source_kind::standard_input: return "stdin";
  case source_kind::udp: return "udp";
  case source_kind::rtp: return "rtp";
  case source_kind::dvb: return "dvb";
  case source_kind::hls: return "hls";
  }
  return "?";
}

std::string_view name(fault_kind kind) {
  switch (kind) {
  case fault_kind::ended: return "ended";
  case fault_kind::stopped: return "stopped";
  case fault_kind::busy: return "busy";
  case fault_kind::no_signal: return "no-signal";
  case fault_kind::unknown_channel: return "unknown-channel";
  case fault_kind::content_protected: return "content-protected";
  case fault_kind::refused_content: return "refused-content";
  case fault_kind::unreachable: return "unreachable";
  case fault_kind::stalled: return "stalled";
  case fault_kind::http_status: return "http-status";
  case fault_kind::unreadable: return "unreadable";
  }
  return "?";
}

std::string_view name(retry_advice advice) {
  switch (advice) {
  case retry_advice::never: return "never";
  case retry_advice::soon: return "soon";
  case retry_advice::patiently: return "patiently";
  }
  return "?";
}

source_fault fault_of_answer(int status, std::string_view device_error, std::string_view about) {
  source_fault f;
  f.http_status = status;
  unsigned code = 0;
  if (const auto [end, ec] = std::from_chars(device_error.data(), device_error.data() + device_error.size(), code);
      ec == std::errc() && code >= 800 && code <= 899)
    f.device_code = static_cast<int>(code);
  const auto say = [&](fault_kind kind, retry_advice retry, std::string what) {
    f.kind = kind;
    f.retry = retry;
    f.text = std::string(about) + ": " + what + " (HTTP " + std::to_string(status);
    if (!device_error.empty()) {
      std::string said(device_error.substr(0, 80));
      for (auto& c : said) // it goes to terminals and logs
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
      f.text += ", device says '" + said + "'";
    }
    f.text += ")";
    return f;
  };
  switch (f.device_code) {
  case 801: return say(fault_kind::unknown_channel, retry_advice::never, "the device does not have this channel: look at its lineup.json");
  case 802: return say(fault_kind::refused_content, retry_advice::never, "the device does not know this transcode profile");
  case 803: return say(fault_kind::busy, retry_advice::patiently, "the device is busy, perhaps with a channel scan");
  case 804: return say(fault_kind::busy, retry_advice::patiently, "this tuner is in use: ask for /auto/ to get any");
  case 805: return say(fault_kind::busy, retry_advice::patiently, "all tuners are in use");
  case 806: return say(fault_kind::no_signal, retry_advice::patiently, "the device cannot tune to this channel");
  case 807: return say(fault_kind::no_signal, retry_advice::patiently, "no video comes on this channel: check antenna and signal");
  case 809: return say(fault_kind::busy, retry_advice::patiently, "the device serves as many clients as it may");
  case 811: return say(fault_kind::content_protected, retry_advice::never, "the channel is content-protected and is not streamed");
  case 808:
  case 810: return say(fault_kind::refused_content, retry_advice::patiently, "the device's recorder failed");
  default: break;
  }
  if (status == 404) return say(fault_kind::unknown_channel, retry_advice::never, "there is no such channel or path");
  if (status == 503) return say(fault_kind::busy, retry_advice::patiently, "the server has no free tuner, or says no more than 503");
  return say(fault_kind::http_status, status >= 500 ? retry_advice::soon : retry_advice::never, "the server answers with an error");
}

namespace {

/// `dvb:/dev/dvb/adapter0`: the adapter's recorder device gives what another program has tuned and selected.
base::result<std::unique_ptr<source>> open_dvb(source_facts facts, const source_options& options) {
  auto adapter = facts.spec.substr(4);
  while (adapter.size() > 1 && adapter.back() == '/') adapter.pop_back();
  if (adapter.empty() || adapter.front() != '/') return fail(errc::malformed, "write dvb:/dev/dvb/adapter0", facts.spec);
  std::error_code ec;
  if (!std::filesystem::is_directory(adapter, ec))
    return fail(errc::not_found, "there is no such DVB adapter: is the receiver plugged in, and its driver loaded? /dev/dvb lists those that are there", adapter);
  const auto recorder = adapter + "/dvr0";
  if (!std::filesystem::exists(recorder, ec)) return fail(errc::not_found, "this adapter has no recorder device", recorder);
  facts.kind = source_kind::dvb;
  facts.device = std::filesystem::path(adapter).filename().string();
  facts.live = true;
  return internal::make_file_source(std::move(facts), recorder, options);
}

} // namespace

base::error source::down(source_fault fault) {
  if (!fault_) fault_ = std::move(fault);
  return error_of(*fault_);
}

base::result<std::unique_ptr<source>> open_source(std::string_view spec, const source_options& options) {
  if (spec.empty()) return fail(errc::invalid_argument, "no input: name a tuner URL, a file, or - for standard input");
  if (!(options.pace >= 0 && options.pace <= pace_max)) return fail(errc::invalid_argument, "the pace must be 0..1000");
  source_facts facts;
  facts.spec = spec;
  if (spec == "-") {
    facts.kind = source_kind::standard_input;
    return internal::make_file_source(std::move(facts), {}, options);
  }
  if (spec.starts_with("dvb:")) return open_dvb(std::move(facts), options);
  if (spec.starts_with("udp://") || spec.starts_with("rtp://")) {
    EC_TRY(const auto address, internal::parse_datagram_address(spec));
    facts.kind = address.rtp ? source_kind::rtp : source_kind::udp;
    facts.device = address.text();
    facts.live = true;
    return internal::make_datagram_source(std::move(facts), address, options);
  }
  if (spec.find("://") == std::string_view::npos) {
    std::error_code ec;
    const std::filesystem::path path(spec);
    if (!std::filesystem::exists(path, ec)) return fail(errc::not_found, "there is no such file", std::string(spec));
    if (std::filesystem::is_directory(path, ec)) return fail(errc::invalid_argument, "this is a folder, not a file", std::string(spec));
    facts.kind = source_kind::file;
    facts.device = path.filename().string();
    return internal::make_file_source(std::move(facts), std::string(spec), options);
  }
  constexpr std::string_view own_scheme = "hdhomerun://";
  std::string text(spec);
  const bool own = spec.substr(0, own_scheme.size()) == own_scheme;
  if (own) text = "http://" + text.substr(own_scheme.size());
  EC_TRY(auto from, net::parse_url(text));
  if (own) {
    if (from.port == 80) from.port = 5004; // where devices stream
    if (from.path.substr(0, 2) == "/v") from.path = "/auto" + from.path;
  }
  const auto channel = channel_of_path(from.path);
  if (own && !channel) return fail(errc::malformed, "write hdhomerun://host/auto/v5.1", std::string(spec));
  facts.kind = channel ? source_kind::hdhomerun : source_kind::http;
  facts.device = from.authority();
  facts.channel = channel ? *channel : from.path;
  facts.live = true;
  if (!channel && from.path.ends_with(".m3u8")) {
    facts.kind = source_kind::hls;
    facts.live = false; // what it gives waits for its reader
    facts.url = from;
    return internal::make_origin_source(std::move(facts), std::move(from), options);
  }
  const auto transcode = net::query_value(from.query, "transcode");
  facts.transcoded = transcode && *transcode != "none";
  facts.url = from;
  return internal::make_http_source(std::move(facts), std::move(from), options);
}

} // namespace ec::tuner
