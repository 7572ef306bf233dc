#include "tuner/simulator.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "net/http_server.hpp"
#include "net/url.hpp"
#include "tuner/faulted_broadcast.hpp"

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

struct shared_counters {
  std::atomic<uint64_t> requests{0}, streams_opened{0}, refused_busy{0}, refused_unknown{0}, bytes_sent{0}, bursts_lost{0};
};

/// One channel on the air: its thread paces the broadcast into a short queue that all clients read.
class feed {
public:
  feed(simulated_channel channel, double speed, fault_plan faults) : channel_(std::move(channel)), speed_(speed), faults_(std::move(faults)) {
    if (!faults_.empty()) channel_.broadcast = faulted_broadcast::as_broadcast(std::move(channel_.broadcast), faults_, 1);
  }
  ~feed() { stop(); }

  const simulated_channel& channel() const { return channel_; }

  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void end_streams() {
    {
      const std::lock_guard lock(mutex_);
      ++cut_;
    }
    changed_.notify_all();
  }

  void set_silent(bool silent) {
    {
      const std::lock_guard lock(mutex_);
      silent_ = silent;
      if (!silent) live_from_ = first_ + bursts_.size();
    }
    changed_.notify_all();
  }

  /// What the plan says of a request that comes now.
  fault_plan::answer answers() const {
    const std::lock_guard lock(mutex_);
    return faults_.answers(at_);
  }

  std::string broken() const {
    const std::lock_guard lock(mutex_);
    return broken_;
  }

  /// Where a client stands: the number of the next burst, and which cut it was opened after.
  struct place {
    uint64_t next = 0;
    uint64_t cut = 0;
    uint64_t torn = 0; ///< and after which reset
  };

  place tune_in() const {
    const std::lock_guard lock(mutex_);
    return {first_ + bursts_.size(), cut_, torn_};
  }

  struct taken {
    broadcast_burst burst;
    uint64_t lost = 0;
  };

  /// The burst at `at`, which then moves on; nothing within `wait`: an empty burst. Errors: closed.
  base::result<taken> take(place& at, milliseconds wait) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] {
      return over_ || cut_ != at.cut || torn_ != at.torn || (!silent_ && !stalled_ && std::max(at.next, live_from_) < first_ + bursts_.size());
    };
    if (!changed_.wait_for(lock, wait, ready)) return taken{};
    if (over_ || cut_ != at.cut) return fail(errc::closed, "the channel is off the air");
    if (torn_ != at.torn) return fail(errc::io, "the connection breaks off");
    taken out;
    if (const auto oldest = std::max(first_, live_from_); at.next < oldest) {
      // Too slow by the whole queue, or the device was silent: what a device does then is to lose packets.
      out.lost = oldest - at.next;
      at.next = oldest;
    }
    out.burst = bursts_[static_cast<size_t>(at.next - first_)];
    ++at.next;
    return out;
  }

private:
  void run() {
    auto zero = base::mono_now();
    while (true) {
      auto burst = channel_.broadcast();
      std::unique_lock lock(mutex_);
      if (!burst || burst.value().packets.empty()) {
        broken_ = burst ? "the broadcast gave no packets" : burst.error().message();
        over_ = true;
        lock.unlock();
        changed_.notify_all();
        base::log::warn("simulator", "broadcast-ended", {{"channel", channel_.number}, {"why", broken_}});
        return;
      }
      const auto after = nanoseconds(static_cast<int64_t>(static_cast<double>(burst.value().until.count()) / speed_));
      auto due = zero + after;
      const auto now = base::mono_now();
      if (now - due > std::chrono::seconds(2)) {
        // The machine slept or is too slow: the broadcast goes on from now rather than in one rush.
        base::log::warn("simulator", "fell-behind", {{"channel", channel_.number},
          {"ms", std::chrono::duration_cast<milliseconds>(now - due).count()}});
        zero += now - due;
        due = now;
      }
      changed_.wait_until(lock, due, [&] { return over_; });
      if (over_) return;
      play_faults(burst.value().until);
      bytes_ += burst.value().packets.size();
      bursts_.push_back(std::move(burst).value());
      while (bytes_ > base::limits::simulator_feed_bytes_max && bursts_.size() > 1) {
        bytes_ -= bursts_.front().packets.size();
        bursts_.pop_front();
        ++first_;
      }
      lock.unlock();
      changed_.notify_all();
    }
  }

  /// The plan's faults of the connection, as they are when a burst has been on the air until `at`. Locked.
  void play_faults(nanoseconds at) {
    if (faults_.empty()) return;
    const auto ends = faults_.ends(at) - faults_.resets(at);
    const auto before = faults_.ends(at_) - faults_.resets(at_);
    cut_ += ends - before;
    torn_ += faults_.resets(at) - faults_.resets(at_);
    const bool stalled = faults_.silent(at);
    if (stalled_ && !stalled) live_from_ = first_ + bursts_.size();
    stalled_ = stalled;
    for (const auto& f : faults_.faults())
      if ((f.at > at_ || bursts_.empty()) && f.at <= at) base::log::info("simulator", "fault", {{"channel", channel_.number}, {"fault", print_fault(f)}});
    at_ = at;
  }

  simulated_channel channel_;
  const double speed_;
  const fault_plan faults_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<broadcast_burst> bursts_;
  uint64_t first_ = 0; ///< number of bursts_.front()
  size_t bytes_ = 0;
  uint64_t live_from_ = 0; ///< what came before was swallowed by a silence
  uint64_t cut_ = 0;
  uint64_t torn_ = 0;
  bool silent_ = false;
  bool stalled_ = false; ///< the plan says so
  nanoseconds at_{0};    ///< end of the last burst
  bool over_ = false;
  std::string broken_;
  std::thread thread_;
};

/// The tuners of the device, each with the channel that it is tuned to.
class tuner_bank {
public:
  explicit tuner_bank(unsigned count) : channels_(count) {}

  std::optional<size_t> take_any(const std::string& channel) {
    const std::lock_guard lock(mutex_);
    for (size_t i = channels_.size(); i > 0; --i) // devices give the last tuner first
      if (channels_[i - 1].empty()) {
        channels_[i - 1] = channel;
        return i - 1;
      }
    return std::nullopt;
  }
  bool take(size_t which, const std::string& channel) {
    const std::lock_guard lock(mutex_);
    if (!channels_[which].empty()) return false;
    channels_[which] = channel;
    return true;
  }
  void give_back(size_t which) {
    const std::lock_guard lock(mutex_);
    channels_[which].clear();
  }
  size_t count() const { return channels_.size(); }
  /// By tuner; empty: free.
  std::vector<std::string> channels() const {
    const std::lock_guard lock(mutex_);
    return channels_;
  }
  unsigned in_use() const {
    const auto all = channels();
    return static_cast<unsigned>(all.size() - static_cast<size_t>(std::count(all.begin(), all.end(), std::string())));
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> channels_;
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
  std::unique_ptr<net::http_server> server;

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
    return server->address();
  }

  net::http_response answer(const net::http_request& request) {
    ++counters->requests;
    const auto here = "http://" + own_address(request);
    if (request.path == "/discover.json") {
      discover_document d;
      d.friendly_name = config.friendly_name;
      d.model_number = config.model_number;
      d.firmware_name = "ec_simulator";
      d.firmware_version = "20250815";
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
    if (const auto says = found->second->answers(); says == fault_plan::answer::status_503) {
      return refuse(503, "");
    } else if (says == fault_plan::answer::page) {
      net::http_response page;
      page.headers = {{"Server", "HDHomeRun/1.0"}, {"Connection", "close"}, {"Content-Type", "text/html; charset=\"utf-8\""}};
      page.body = base::bytes::copy("<html><body>The device is being updated.</body></html>\n");
      return page;
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
  // The server answers from its first moment on and the handler needs `server`: hold requests until it is set.
  auto ready = std::make_shared<std::mutex>();
  auto* self = s.get();
  {
    const std::lock_guard hold(*ready);
    EC_TRY(s->server, net::http_server::start({.listen = s->config.listen}, [self, ready](const net::http_request& request) {
      { const std::lock_guard wait(*ready); }
      return self->answer(request);
    }));
  }
  for (auto& [number, f] : s->feeds) f->start();
  return std::unique_ptr<simulator>(new simulator(std::move(s)));
}

uint16_t simulator::port() const {
  return state_->server->port();
}

const std::string& simulator::address() const {
  return state_->server->address();
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
  for (auto& [number, f] : state_->feeds) f->stop();
  if (state_->server) state_->server->stop();
}

} // namespace ec::tuner
