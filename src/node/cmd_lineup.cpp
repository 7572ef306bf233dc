#include <algorithm>
#include <cstdio>

#include "actors/topology/common.hpp"
#include "actors/topology/naming.hpp"
#include "base/file.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "ts/chunk.hpp"

namespace ec::node {
namespace {

namespace json = base::json;

struct lineup_config {
  std::string host;
  std::string file;
  std::string profile = "ts-v1";
  bool json = false;
};

/// One channel and what moq-publish would call it.
struct row {
  const tuner::lineup_entry* entry = nullptr;
  std::optional<actors::stream_name> name; ///< unset: the lineup has no URL to read it from, nor enough to know the broadcast
  std::string reason;
};

base::result<tuner::device_documents> documents_of(const lineup_config& config) {
  if (config.host.empty() == config.file.empty()) return base::fail(base::errc::config, "needed, one of the two", "--host or --file");
  if (!config.file.empty()) {
    const auto content = base::read_file(config.file, base::limits::http_body_bytes_max);
    if (!content) return base::fail(actors::about_setting(content.error(), "--file"));
    auto entries = tuner::parse_lineup(content.value().text());
    if (!entries) return base::fail(base::errc::config, entries.error().text, "--file " + config.file);
    return tuner::device_documents{config.file, std::move(entries).value(), std::nullopt, std::nullopt};
  }
  const auto at = net::parse_url("http://" + config.host + "/");
  if (!at || at.value().path != "/" || !at.value().query.empty())
    return base::fail(base::errc::config, "expected HOST or HOST:PORT, found '" + config.host + "'", "--host");
  return tuner::ask_device(at.value().host, at.value().port);
}

row row_of(const tuner::lineup_entry& entry, const tuner::device_documents& device, const std::string& profile) {
  row out{&entry, std::nullopt, {}};
  tuner::source_facts facts;
  facts.kind = tuner::source_kind::hdhomerun;
  facts.channel = tuner::normal_channel(entry.guide_number).value_or(entry.guide_number);
  const auto source = tuner::open_source(entry.url); // does not connect yet
  const bool tuned = source && source.value()->facts().kind == tuner::source_kind::hdhomerun && source.value()->facts().channel == facts.channel;
  if (tuned) facts = source.value()->facts();
  auto named = actors::name_by_lineup(facts, device, profile);
  if (!named && tuned) named = actors::name_by_source(facts, profile, named.error().text);
  if (named) {
    out.reason = named.value().reason;
    out.name = std::move(named).value();
  } else {
    out.reason = named.error().text;
  }
  return out;
}

void print_json(const tuner::device_documents& device, const std::vector<row>& rows) {
  json::array channels;
  for (const auto& r : rows) {
    json::object channel{{"channel", r.entry->guide_number}, {"name", r.entry->guide_name}};
    if (!r.entry->url.empty()) channel.emplace_back("url", r.entry->url);
    if (r.entry->drm.value_or(false)) channel.emplace_back("drm", true);
    if (r.name) {
      channel.emplace_back("rule", actors::name(r.name->rule));
      channel.emplace_back("stream_id", r.name->id.text());
      json::array aliases;
      for (const auto& a : r.name->aliases) aliases.emplace_back(a.text());
      channel.emplace_back("aliases", std::move(aliases));
    }
    channel.emplace_back("reason", r.reason);
    channels.emplace_back(std::move(channel));
  }
  json::object out{{"from", device.from}};
  if (device.discover && device.discover->device_id) out.emplace_back("device_id", *device.discover->device_id);
  out.emplace_back("channels", std::move(channels));
  std::printf("%s", json::pretty(std::move(out)).c_str()); // ends its last line itself
}

void print_table(const tuner::device_documents& device, const std::vector<row>& rows) {
  std::printf("lineup     %s, %zu %s", printable(device.from).c_str(), rows.size(), rows.size() == 1 ? "channel" : "channels");
  if (device.discover) std::printf(", %s %s", printable(device.discover->model_number).c_str(), printable(device.discover->device_id.value_or("")).c_str());
  std::printf("%s\n", device.status && device.status->scanning ? "; a scan is running, it may not be whole" : "");
  size_t width = 4;
  for (const auto& r : rows) width = std::max(width, r.entry->guide_name.size());
  width = std::min<size_t>(width, 24);
  for (const auto& r : rows) {
    std::printf("%-8s %-*s %s\n", printable(r.entry->guide_number).c_str(), static_cast<int>(width), printable(r.entry->guide_name).c_str(),
      r.name ? r.name->id.text().c_str() : "no stream id");
    for (const auto& a : r.name ? r.name->aliases : std::vector<identity::stream_id>())
      std::printf("%*s alias %s\n", static_cast<int>(width + 9), "", a.text().c_str());
    const auto drm = r.entry->drm.value_or(false) ? "; content-protected: no stream will come" : "";
    std::printf("%*s %s: %s%s\n", static_cast<int>(width + 9), "", r.name ? std::string(actors::name(r.name->rule)).c_str() : "none",
      printable(r.reason).c_str(), drm);
  }
}

} // namespace

int cmd_lineup(const std::vector<std::string>& args) {
  static const command_help help{"lineup",
    "Lists the channels of a tuner, and for each the stream id that moq-publish would give it and why.",
    {"ec-node lineup --host 192.0.2.7", "ec-node lineup --host 127.0.0.1:5004 --json", "ec-node lineup --file lineup.json"}};
  static const std::vector<setting<lineup_config>> settings = {
    make_setting("host", "HOST[:PORT]", "ask this tuner, by name or address (port 80)", &lineup_config::host),
    make_setting("file", "FILE", "read a lineup.json instead", &lineup_config::file),
    make_setting("profile", "NAME", "chunk profile in the stream ids (ts-v1)", &lineup_config::profile),
    make_setting("json", "", "print one JSON document (false)", &lineup_config::json),
  };
  lineup_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (const auto profile = ts::find_profile(config.profile); !profile) {
    print_error(help.name, actors::about_setting(profile.error(), "--profile").message());
    return exit_usage;
  }
  const auto device = documents_of(config);
  if (!device) {
    print_error(help.name, device.error().message());
    return device.error().code == base::errc::config ? exit_usage : exit_failed;
  }
  std::vector<row> rows;
  for (const auto& entry : device.value().lineup) rows.push_back(row_of(entry, device.value(), config.profile));
  if (config.json) print_json(device.value(), rows);
  else print_table(device.value(), rows);
  return exit_ok;
}

} // namespace ec::node
