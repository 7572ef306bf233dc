#include "tuner/simulator.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "net/http_server.hpp"
#include "net/url.hpp"
#include "tuner/internal/control_server.hpp"
#include "tuner/internal/feed.hpp"

namespace ec::tuner {
namespace {

using internal::feed;
using internal::tuner_bank;
using base::errc;
using base::fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view firmware_version = "20250815";

struct shared_counters {
  std::atomic<uint64_t> requests{0}, streams_opened{0}, refused_busy{0}, refused_unknown{0}, bytes_sent{0}, bursts_lost{0};
};

/// What a client still gets of the packet in which its connection breaks off.
constexpr auto half_packet = [] {
  std::array<uint8_t, 94> out{};
  out.fill(0xff);
  out[0] = 0x47;
  return out;
}();

/// A client's stream: holds its tuner for as long as it lives.
class tuned_body final : public net::http_body {
public:
  tuned_body(std::shared_ptr<feed> from, std::shared_ptr<tuner_bank> bank, size_t tuner, std::optional<nanoseconds> duration,
             std::shared_ptr<shared_counters> counters)
      : from_(std::move(from)), bank_(std::move(bank)), tuner_(tuner), duration_(duration), counters_(std::move(counters)),
        place_(from_->tune_in()) {}
  ~tuned_body() override { bank_->give_back(tuner_); }

  base::result<size_t> read(std::span<uint8_t> out, milliseconds wait) override {
    if (rest_.empty()) {
      auto taken = from_->take(place_, wait);
      if (!taken) {
        // The head of a packet, and then the end of the connection.
        if (taken.error().code != errc::io || std::exchange(torn_, true)) return fail(taken.error());
        const auto size = std::min(out.size(), half_packet.size());
        std::copy_n(half_packet.data(), size, out.data());
        return size;
      }
      auto& got = taken.value();
      counters_->bursts_lost += got.lost;
      if (got.burst.packets.empty()) return size_t{0};
      // The first burst only says where the broadcast stands; its own length is not known, so the count begins behind it.
      if (!began_) began_ = got.burst.until;
      if (duration_ && got.burst.until - *began_ > *duration_) return fail(errc::closed, "the duration is over");
      rest_ = std::move(got.burst.packets);
    }
    const auto size = std::min(out.size(), rest_.size());
    std::copy_n(rest_.data(), size, out.data());
    rest_ = rest_.slice(size);
    counters_->bytes_sent += size;
    return size;
  }

private:
  const std::shared_ptr<feed> from_;
  const std::shared_ptr<tuner_bank> bank_;
  const size_t tuner_;
  const std::optional<nanoseconds> duration_;
  const std::shared_ptr<shared_counters> counters_;
  feed::place place_;
  std::optional<nanoseconds> began_;
  base::bytes rest_;
  bool torn_ = false;
};

} // namespace

struct simulator::state {
  simulator_config config;
  std::map<std::string, std::shared_ptr<feed>> feeds; ///< by channel number
  std::vector<std::string> order;
  std::shared_ptr<tuner_bank> bank;
  std::shared_ptr<shared_counters> counters = std::make_shared<shared_counters>();
  std::atomic<bool> no_signal{false};
  std::mutex starting; ///< held until `address` is known
  std::unique_ptr<net::http_server> server; ///< none while the device reboots
  std::string address;                      ///< of the server, before and after
  uint16_t port = 0;
  std::unique_ptr<internal::control_server> control;
  std::string control_address;

  static net::http_response document(std::string body) {
    net::http_response out;
    out.headers = {{"Server", "HDHomeRun/1.0"}, {"Connection", "close"}, {"Content-Type", "application/json; charset=\"utf-8\""},
      {"Cache-Control", "no-cache"}, {"Access-Control-Allow-Origin", "*"}};
    out.body = base::bytes::copy(body + "\n");
    return out;
  }

  static net::http_response refuse(int status, std::string_view device_error) {
    net::http_response out;
    out.status = status;
    out.headers = {{"Server", "HDHomeRun/1.0"}, {"Connection", "close"}};
    if (!device_error.empty()) out.headers.add("X-HDHomeRun-Error", std::string(device_error));
    return out;
  }

  /// The address by which this client reached us, so that the URLs in the documents work for it too.
  std::string own_address(const net::http_request& request) const {
    if (const auto host = request.headers.find("Host"))
      if (const auto parsed = net::parse_url("http://" + std::string(*host) + "/"); parsed && parsed.value().path == "/")
        return parsed.value().authority();
    return address;
  }

  /// Binds at `listen`. The server answers from its first moment on.
  base::result<void> open_documents(const std::string& listen) {
    EC_TRY(server, net::http_server::start({.listen = listen}, [this](const net::http_request& request) { return answer(request); }));
    return base::ok();
  }

  base::result<void> open_control(const std::string& listen) {
    internal::control_device_config device;
    device.device_id = config.device_id;
    device.model_number = config.model_number;
    device.firmware_version = firmware_version;
    for (const auto& number : order) device.feeds.push_back(feeds.at(number));
    device.tuners = bank;
    device.no_signal = [this] { return no_signal.load(); };
    auto opened = internal::control_server::start(listen, address, std::move(device));
    if (!opened) return fail(opened.error().code, "control port: " + opened.error().text, opened.error().about);
    control = std::move(opened).value();
    control_address = control->address();
    return base::ok();
  }

  /// Takes the device off the network, or brings it back at the same ports; false if that did not succeed, and is to be tried again.
  bool reboot(bool down) {
    if (down) {
      control.reset();
      // Streams that are breaking off are to end so, not in good order with the server.
      for (const auto until = base::mono_now() + milliseconds(1000); bank->in_use() > 0 && base::mono_now() < until;) std::this_thread::sleep_for(milliseconds(1));
      server.reset();
      return true;
    }
    if (!server && !open_documents(address)) return false;
    return control_address.empty() || control || open_control(control_address);
  }

  net::http_response answer(const net::http_request& request) {
    { const std::lock_guard wait(starting); }
    ++counters->requests;
    const auto here = "http://" + own_address(request);
    if (request.path == "/discover.json") {
      discover_document d;
      d.friendly_name = config.friendly_name;
      d.model_number = config.model_number;
      d.firmware_name = "ec_simulator";
      d.firmware_version = firmware_version;
      d.device_id = config.device_id;
      d.base_url = here;
      d.lineup_url = here + "/lineup.json";
      d.tuner_count = config.tuners;
      return document(print_discover(d));
    }
    if (request.path == "/lineup_status.json") return document(print_lineup_status({.scanning = false, .progress = {}, .found = {}, .source = "Antenna", .other = {}}));
    if (request.path == "/status.json") {
      std::vector<tuner_status> all;
      for (const auto& number : bank->channels()) {
        tuner_status t;
        t.resource = "tuner" + std::to_string(all.size());
        if (const auto tuned = feeds.find(number); tuned != feeds.end()) {
          t.guide_number = number;
          t.guide_name = tuned->second->channel().name;
          t.program_number = tuned->second->channel().program_number;
          t.signal_strength = t.signal_quality = t.symbol_quality = 100u;
        }
        all.push_back(std::move(t));
      }
      return document(print_status(all));
    }
    if (request.path == "/lineup.json") {
      std::vector<lineup_entry> all;
      for (const auto& number : order) {
        const auto& c = feeds.at(number)->channel();
        lineup_entry e;
        e.guide_number = c.number;
        e.guide_name = c.name;
        e.video_codec = c.video_codec;
        e.audio_codec = c.audio_codec;
        if (c.hd) e.hd = true; // devices leave a flag out rather than write 0
        e.url = here + "/auto/v" + c.number;
        if (request.query == "tuning") {
          e.transport_stream_id = c.transport_stream_id;
          e.program_number = c.program_number;
        }
        all.push_back(std::move(e));
      }
      return document(print_lineup(all));
    }
    return stream(request);
  }

  net::http_response stream(const net::http_request& request) {
    const auto path = std::string_view(request.path).substr(1);
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return refuse(404, "");
    const auto resource = path.substr(0, slash);
    std::optional<size_t> wanted;
    if (resource.size() >= 6 && resource.size() <= 7 && resource.substr(0, 5) == "tuner") {
      size_t which = 0;
      for (const char c : resource.substr(5)) which = c >= '0' && c <= '9' ? which * 10 + static_cast<size_t>(c - '0') : 1000;
      if (which >= bank->count()) return refuse(404, "");
      wanted = which;
    } else if (resource != "auto") {
      return refuse(404, "");
    }
    const auto name = path.substr(slash + 1);
    const auto number = name.substr(0, 1) == "v" ? normal_channel(name) : std::nullopt;
    const auto found = number ? feeds.find(*number) : feeds.end();
    if (found == feeds.end()) {
      ++counters->refused_unknown;
      return refuse(404, "801 Unknown Channel");
    }
    if (const auto profile = net::query_value(request.query, "transcode"); profile && *profile != "none")
      return refuse(503, "802 Unknown Transcode Profile");
    std::optional<nanoseconds> duration;
    if (const auto text = net::query_value(request.query, "duration")) {
      uint64_t seconds = 0;
      for (const char c : *text) seconds = c >= '0' && c <= '9' && seconds < 1'000'000'000 ? seconds * 10 + static_cast<uint64_t>(c - '0') : 1'000'000'000;
      if (text->empty() || seconds == 0 || seconds >= 1'000'000'000) return refuse(400, "");
      duration = std::chrono::seconds(seconds);
    }
    if (no_signal) return refuse(503, "807 No Video Data");
    switch (found->second->answers()) {
    case fault_plan::answer::stream: break;
    case fault_plan::answer::status_503: return refuse(503, "");
    case fault_plan::answer::busy: return refuse(503, "805 All Tuners In Use");
    case fault_plan::answer::no_signal: return refuse(503, "807 No Video Data");
    case fault_plan::answer::content_protected: return refuse(503, "811 Content Protection Required");
    case fault_plan::answer::unknown_channel: return refuse(404, "801 Unknown Channel");
    case fault_plan::answer::page: {
      net::http_response page;
      page.headers = {{"Server", "HDHomeRun/1.0"}, {"Connection", "close"}, {"Content-Type", "text/html; charset=\"utf-8\""}};
      page.body = base::bytes::copy("<html><body>The device is being updated.</body></html>\n");
      return page;
    }
    }
    if (request.method == "HEAD") {
      auto out = refuse(200, "");
      out.headers.add("Content-Type", "video/mpeg");
      return out;
    }
    if (wanted ? !bank->take(*wanted, *number) : !(wanted = bank->take_any(*number))) {
      ++counters->refused_busy;
      return refuse(503, resource == "auto" ? "805 All Tuners In Use" : "804 Tuner In Use");
    }
    ++counters->streams_opened;
    net::http_response out;
    out.headers = {{"Server", "HDHomeRun/1.0"}, {"Content-Type", "video/mpeg"}, {"X-HDHomeRun-Resource", "tuner" + std::to_string(*wanted)}};
    out.stream = std::make_unique<tuned_body>(found->second, bank, *wanted, duration, counters);
    return out;
  }
};

simulator::simulator(std::unique_ptr<state> s) : state_(std::move(s)) {}

simulator::~simulator() {
  stop();
}

base::result<std::unique_ptr<simulator>> simulator::start(simulator_config config) {
  if (config.tuners < 1 || config.tuners > 64) return fail(errc::invalid_argument, "a device has 1..64 tuners");
  if (!(config.speed > 0 && config.speed <= 1000)) return fail(errc::invalid_argument, "the speed must be over 0 and at most 1000");
  if (config.channels.empty()) return fail(errc::invalid_argument, "a device without a channel has nothing to send");
  if (!device_id_valid(config.device_id)) return fail(errc::invalid_argument, "this device id was mistyped: its check digit is wrong", config.device_id);
  auto s = std::make_unique<state>();
  s->bank = std::make_shared<tuner_bank>(config.tuners);
  for (auto& channel : config.channels) {
    const auto number = normal_channel(channel.number);
    if (!number || !channel.broadcast) return fail(errc::invalid_argument, "a channel needs a number such as 5.1 and a broadcast", channel.number);
    channel.number = *number;
    if (!s->feeds.emplace(*number, std::make_shared<feed>(std::move(channel), config.speed, config.faults)).second)
      return fail(errc::invalid_argument, "two channels have this number", *number);
    s->order.push_back(*number);
  }
  config.channels.clear();
  s->config = std::move(config);
  // The first requests may come before its address is known here: they wait for it.
  {
    const std::lock_guard hold(s->starting);
    EC_TRYV(s->open_documents(s->config.listen));
    s->address = s->server->address();
    s->port = s->server->port();
  }
  if (!s->config.control.empty()) {
    EC_TRYV(s->open_control(s->config.control));
  }
  for (const auto& number : s->order) {
    const bool first = number == s->order.front();
    s->feeds.at(number)->start(first ? [self = s.get()](bool down) { return self->reboot(down); } : std::function<bool(bool)>());
  }
  return std::unique_ptr<simulator>(new simulator(std::move(s)));
}

uint16_t simulator::port() const {
  return state_->port;
}

const std::string& simulator::address() const {
  return state_->address;
}

std::string simulator::control_address() const {
  return state_->control_address;
}

void simulator::play(simulator_trouble trouble) {
  state_->no_signal = trouble == simulator_trouble::no_signal;
  for (auto& [number, f] : state_->feeds) {
    f->set_silent(trouble == simulator_trouble::silent);
    if (trouble == simulator_trouble::drop) f->end_streams();
  }
}

simulator_counters simulator::counters() const {
  const auto& c = *state_->counters;
  return {c.requests, c.streams_opened, c.refused_busy, c.refused_unknown, c.bytes_sent, c.bursts_lost, state_->bank->in_use()};
}

std::string simulator::broken() const {
  for (const auto& [number, f] : state_->feeds)
    if (auto why = f->broken(); !why.empty()) return why;
  return {};
}

void simulator::stop() {
  for (auto& [number, f] : state_->feeds) f->stop(); // first: a reboot is played by a feed
  if (state_->control) state_->control->stop();
  if (state_->server) state_->server->stop();
}

} // namespace ec::tuner
