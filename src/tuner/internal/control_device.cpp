#include "tuner/internal/control_device.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr uint32_t any = 0xffffffff;
constexpr uint32_t type_tuner = 1;
constexpr unsigned first_channel = 14; // of UHF

constexpr std::string_view help =
  "Supported configuration options:\n"
  "/sys/copyright\n"
  "/sys/features\n"
  "/sys/hwmodel\n"
  "/sys/model\n"
  "/sys/version\n"
  "/tuner<n>/channel <modulation>:<freq|ch>\n"
  "/tuner<n>/channelmap <channelmap>\n"
  "/tuner<n>/filter \"0x<nnnn>-0x<nnnn> [...]\"\n"
  "/tuner<n>/lockkey\n"
  "/tuner<n>/program <program number>\n"
  "/tuner<n>/status\n"
  "/tuner<n>/streaminfo\n"
  "/tuner<n>/target udp://<ip>:<port>|rtp://<ip>:<port>\n"
  "/tuner<n>/vchannel <vchannel>\n"
  "/tuner<n>/vstatus\n";

/// The centre of an RF channel of the United States' broadcast plan, 6 MHz each; nothing if there is none of this number.
std::optional<uint64_t> frequency_of(uint64_t channel) {
  const auto mhz = [](uint64_t base, uint64_t steps) { return (base + 6 * steps) * 1'000'000; };
  if (channel >= 2 && channel <= 4) return mhz(57, channel - 2);
  if (channel >= 5 && channel <= 6) return mhz(79, channel - 5);
  if (channel >= 7 && channel <= 13) return mhz(177, channel - 7);
  if (channel >= 14 && channel <= 69) return mhz(473, channel - 14);
  return std::nullopt;
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

auto refuse(std::string text) {
  return fail(errc::refused, "ERROR: " + std::move(text));
}

} // namespace

struct control_device::tuner {
  std::string modulation; ///< as asked for; empty: not tuned
  uint64_t frequency = 0; ///< Hz
  std::shared_ptr<feed> on; ///< what is received there
  std::string vchannel = "none";
  std::string channelmap = "us-bcast";
  pid_filter filter;
  uint16_t program = 0;
  std::string target = "none";
  std::optional<stream_target> to;
  std::unique_ptr<target_stream> stream;
  uint32_t lock_key = 0;
  std::string lock_owner;

  /// "auto:473000000"
  std::string channel() const { return modulation.empty() ? "none" : modulation + ":" + std::to_string(frequency); }
};

control_device::control_device(control_device_config config) : config_(std::move(config)), tuners_(config_.tuners->count()) {
  std::from_chars(config_.device_id.data(), config_.device_id.data() + config_.device_id.size(), id_, 16);
}

control_device::~control_device() = default;

std::vector<uint8_t> control_device::discovered(std::span<const uint8_t> datagram, std::string_view base_url) const {
  const auto question = decode_control(datagram);
  if (!question || question.value().type != control_type::discover_request) return {};
  const auto type = question.value().number(control_tag::device_type).value_or(any);
  const auto id = question.value().number(control_tag::device_id).value_or(any);
  if ((type != any && type != type_tuner) || (id != any && id != id_)) return {};
  control_packet reply{control_type::discover_reply, {}};
  reply.add_number(control_tag::device_type, type_tuner);
  reply.add_number(control_tag::device_id, id_);
  reply.fields.push_back({control_tag::tuner_count, std::string(1, static_cast<char>(config_.tuners->count()))});
  // These two without a NUL, as devices send them.
  reply.fields.push_back({control_tag::base_url, std::string(base_url)});
  reply.fields.push_back({control_tag::lineup_url, std::string(base_url) + "/lineup.json"});
  auto out = encode_control(reply);
  return out ? std::move(out).value() : std::vector<uint8_t>();
}

base::result<std::vector<uint8_t>> control_device::answer(std::span<const uint8_t> packet, const std::string& peer) {
  EC_TRY(const auto question, decode_control(packet));
  if (question.type != control_type::getset_request) return fail(errc::unsupported, "no request to get or set");
  const auto name = question.text(control_tag::getset_name).value_or("");
  const auto value = question.text(control_tag::getset_value);
  const auto said = value ? set(name, *value, question.number(control_tag::lock_key).value_or(0), peer) : get(name);
  control_packet reply{control_type::getset_reply, {}};
  if (said) {
    reply.add_text(control_tag::getset_name, name);
    reply.add_text(control_tag::getset_value, said.value());
  } else {
    reply.add_text(control_tag::error_message, said.error().text);
  }
  return encode_control(reply);
}

std::optional<size_t> control_device::tuner_of(std::string_view& name) const {
  constexpr std::string_view start = "/tuner";
  if (!name.starts_with(start)) return std::nullopt;
  const auto slash = name.find('/', start.size());
  if (slash == std::string_view::npos) return std::nullopt;
  const auto which = number_of(name.substr(start.size(), slash - start.size()));
  if (!which || *which >= tuners_.size()) return std::nullopt;
  name.remove_prefix(slash + 1);
  return static_cast<size_t>(*which);
}

std::shared_ptr<feed> control_device::feed_of(std::string_view number) const {
  for (const auto& f : config_.feeds)
    if (f->channel().number == number) return f;
  return nullptr;
}

base::result<std::string> control_device::get(std::string_view name) {
  if (name == "help") return std::string(help);
  if (name == "/sys/model") return std::string("hdhomerun5_atsc");
  if (name == "/sys/hwmodel") return config_.model_number;
  if (name == "/sys/version") return config_.firmware_version;
  if (name == "/sys/copyright") return std::string("simulated by ec-node");
  if (name == "/sys/features") return std::string("channelmap: us-bcast\nmodulation: 8vsb\nauto-modulation: auto\n");
  if (const auto which = tuner_of(name)) return get_tuner(*which, name);
  return refuse("unknown getset variable");
}

base::result<std::string> control_device::get_tuner(size_t which, std::string_view item) {
  auto& t = tuners_[which];
  if (t.stream && t.stream->refused()) {
    // As a device does: who no longer listens has given the tuner back.
    t.stream.reset();
    t.to.reset();
    t.target = "none";
    hold_again(which);
  }
  const bool http = config_.tuners->taken_by_http(which);
  const auto on = http ? feed_of(config_.tuners->channels()[which]) : t.on;
  if (item == "status") return status_of(which);
  if (item == "channel") return t.channel();
  if (item == "channelmap") return t.channelmap;
  if (item == "filter") return t.program != 0 && t.stream ? t.stream->filter_text() : t.filter.text();
  if (item == "program") return t.program == 0 ? std::string("none") : std::to_string(t.program);
  if (item == "target") return http ? std::string("http") : t.target;
  if (item == "lockkey") return http ? std::string("http") : t.lock_owner.empty() ? std::string("none") : t.lock_owner;
  if (item == "vchannel") return http && on ? on->channel().number : t.vchannel;
  if (item == "vstatus") {
    const bool tuned = on && (http || t.vchannel != "none");
    return "vch=" + (tuned ? on->channel().number : std::string("none")) + " name=" + (tuned ? on->channel().name : std::string("none")) +
           " auth=unspecified cci=none";
  }
  if (item == "streaminfo") {
    if (!on || !on->channel().program_number || config_.no_signal()) return std::string("none\n");
    auto out = std::to_string(*on->channel().program_number) + ": " + on->channel().number + " " + on->channel().name + "\n";
    if (const auto id = on->channel().transport_stream_id) {
      std::array<char, 24> line{};
      std::snprintf(line.data(), line.size(), "tsid=0x%04X\n", static_cast<unsigned>(*id));
      out += line.data();
    }
    return out;
  }
  return refuse("unknown getset variable");
}

std::string control_device::status_of(size_t which) {
  const auto& t = tuners_[which];
  std::string channel = t.channel();
  auto on = t.on;
  if (config_.tuners->taken_by_http(which)) {
    on = feed_of(config_.tuners->channels()[which]);
    const auto place = static_cast<uint64_t>(std::ranges::find(config_.feeds, on) - config_.feeds.begin());
    channel = "8vsb:" + std::to_string(frequency_of(first_channel + place).value_or(0));
  }
  if (channel == "none" || !on || config_.no_signal()) return "ch=" + channel + " lock=none ss=0 snq=0 seq=0 bps=0 pps=0";
  return "ch=" + channel + " lock=8vsb ss=100 snq=100 seq=100 bps=" + std::to_string(on->bit_rate()) +
         " pps=" + std::to_string(t.stream ? t.stream->packets_per_second() : 0);
}

base::result<std::string> control_device::set(std::string_view name, std::string_view value, uint32_t key, const std::string& peer) {
  auto item = name;
  const auto which = tuner_of(item);
  if (!which) return refuse(get(name) ? "variable is read only" : "unknown getset variable");
  const auto& t = tuners_[*which];
  if (config_.tuners->taken_by_http(*which)) return refuse("resource locked by http");
  if (item == "lockkey") {
    EC_TRYV(set_lock(*which, value, key, peer));
    return get(name);
  }
  if (t.lock_key != 0 && t.lock_key != key) return refuse("resource locked by " + t.lock_owner);
  EC_TRYV(set_tuner(*which, item, value, peer));
  return get(name);
}

base::result<void> control_device::set_lock(size_t which, std::string_view value, uint32_t key, const std::string& peer) {
  auto& t = tuners_[which];
  if (value == "none" || value == "force") {
    if (value == "none" && t.lock_key != 0 && t.lock_key != key) return refuse("resource locked by " + t.lock_owner);
    t.lock_key = 0;
    t.lock_owner.clear();
  } else {
    const auto wanted = number_of(value);
    if (!wanted || *wanted == 0 || *wanted > any) return refuse("invalid lock key");
    if (t.lock_key != 0 && t.lock_key != *wanted) return refuse("resource locked by " + t.lock_owner);
    t.lock_key = static_cast<uint32_t>(*wanted);
    t.lock_owner = peer;
  }
  hold_again(which);
  return base::ok();
}

base::result<void> control_device::set_tuner(size_t which, std::string_view item, std::string_view value, const std::string& peer) {
  auto& t = tuners_[which];
  if (item == "channel") {
    EC_TRYV(set_channel(t, value));
    t.vchannel = "none";
  } else if (item == "vchannel") {
    if (value == "none") {
      EC_TRYV(set_channel(t, value));
      t.vchannel = "none";
    } else {
      const auto number = normal_channel(value);
      const auto found = number ? feed_of(*number) : nullptr;
      if (!found) return refuse("unknown virtual channel");
      const auto place = static_cast<uint64_t>(std::ranges::find(config_.feeds, found) - config_.feeds.begin());
      EC_TRYV(set_channel(t, "auto:" + std::to_string(first_channel + place)));
      t.vchannel = *number;
      if (const auto program = found->channel().program_number) {
        t.program = *program;
        t.filter = pid_filter::of_program(*program);
      }
    }
  } else if (item == "channelmap") {
    if (value != "us-bcast") return refuse("invalid channelmap");
  } else if (item == "program") {
    const auto number = value == "none" ? std::optional<uint64_t>(0) : number_of(value);
    if (!number || *number > 65535) return refuse("invalid program number");
    t.program = static_cast<uint16_t>(*number);
    t.filter = t.program == 0 ? pid_filter() : pid_filter::of_program(t.program);
  } else if (item == "filter") {
    auto filter = pid_filter::parse(value);
    if (!filter) return refuse("invalid pid filter");
    t.filter = std::move(filter).value();
    t.program = 0;
  } else if (item == "target") {
    return set_target(which, value, peer);
  } else {
    return refuse(get_tuner(which, item) ? "variable is read only" : "unknown getset variable");
  }
  return stream_again(which);
}

base::result<void> control_device::set_channel(tuner& t, std::string_view value) {
  t.program = 0;
  t.filter = pid_filter();
  if (value == "none") {
    t.modulation.clear();
    t.frequency = 0;
    t.on = nullptr;
    return base::ok();
  }
  const auto colon = value.find(':');
  const auto modulation = colon == std::string_view::npos ? std::string_view("auto") : value.substr(0, colon);
  const auto number = number_of(colon == std::string_view::npos ? value : value.substr(colon + 1));
  if ((modulation != "auto" && modulation != "8vsb") || !number) return refuse("invalid channel");
  const auto frequency = *number < 1000 ? frequency_of(*number) : number;
  if (!frequency || *frequency < 40'000'000 || *frequency > 1'000'000'000) return refuse("invalid channel");
  t.modulation = modulation;
  t.frequency = *frequency;
  t.on = nullptr;
  for (size_t i = 0; i < config_.feeds.size(); ++i) {
    const auto centre = frequency_of(first_channel + i);
    if (centre && std::max(*centre, *frequency) - std::min(*centre, *frequency) < 1'000'000) t.on = config_.feeds[i];
  }
  return base::ok();
}

base::result<void> control_device::set_target(size_t which, std::string_view value, const std::string& peer) {
  auto& t = tuners_[which];
  if (value == "none") {
    t.to.reset();
  } else {
    const auto to = parse_target(value);
    if (!to) return refuse("invalid target");
    // A device would send to anybody; this one is not to be aimed at others.
    if (!to.value().multicast() && to.value().host() != peer) return refuse("target is neither this client nor multicast");
    t.to = to.value();
  }
  t.target = t.to ? std::string(value) : "none";
  return stream_again(which);
}

/// Sends what is tuned to where it is wanted, from now on.
base::result<void> control_device::stream_again(size_t which) {
  auto& t = tuners_[which];
  t.stream.reset();
  hold_again(which);
  if (!t.to || !t.on || config_.no_signal()) return base::ok();
  auto stream = target_stream::start(t.on, *t.to, t.filter);
  if (!stream) return refuse(stream.error().message());
  t.stream = std::move(stream).value();
  return base::ok();
}

void control_device::hold_again(size_t which) {
  const auto& t = tuners_[which];
  if (t.to || t.lock_key != 0) config_.tuners->hold(which, t.on ? t.on->channel().number : "locked");
  else config_.tuners->let_go(which);
}

} // namespace ec::tuner::internal
