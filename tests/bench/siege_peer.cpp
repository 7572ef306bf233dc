// A peer of a relay that means harm, or only comes and goes: another process, for the figures of siege_figures.py. Prints one line of counts as JSON.
// usage: siege-peer requests|streams|handshakes|churn IP:PORT RATE SECONDS
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "moq/profile.hpp"
#include "moq/session.hpp"
#include "quic/endpoint.hpp"
#include "tests/support/poll_loop.hpp"
#include "tests/support/quic_session.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

std::atomic<bool> stopped = false;

struct counts {
  uint64_t dialled = 0, connected = 0, refused = 0, asked = 0, answered = 0, streams = 0, objects = 0, closed = 0;
};

/// One connection with its session; or a connection that only completes its handshake.
struct guest final : quic::connection_events, moq::upper_layer {
  guest(counts& tally, bool speaks) : sums(tally) {
    if (speaks) link = std::make_unique<test::quic_session>(base::mono_now, moq::session_config{}, *this, nullptr);
  }
  counts& sums;
  quic::connection* bare = nullptr;
  std::unique_ptr<test::quic_session> link;
  bool up = false, served = false, ended = false;
  uint64_t number = 0;

  quic::connection_events& events() { return link ? static_cast<quic::connection_events&>(*link) : *this; }
  bool over() const { return ended || (link && link->over); }
  void leave() {
    if (link && link->c) link->c->close(0, "done");
  }
  void join() {
    link->session.subscribe({{{"ec-bench", "0"}}, "load"}, {});
    ++sums.asked;
  }
  void request() {
    link->session.subscribe({{{"nobody", std::to_string(++number)}}, std::string(100, 'n')}, {});
    ++sums.asked;
  }
  /// A stream with a part of an object that nobody asked for; it never ends.
  void stream() {
    const auto id = link->open_uni();
    if (!id) return;
    moq::subgroup_header h;
    h.alias = 1'000'000 + ++number;
    auto bytes = moq::moqt18().encode_subgroup_header(h);
    bytes.resize(1000, 'x');
    link->write(*id, base::bytes::adopt(std::move(bytes)), false);
    ++sums.streams;
  }

  // quic::connection_events, of a bare connection
  void on_connected(std::string_view, const quic::socket_address&) override {
    ++sums.connected;
    bare->close(0, "done");
  }
  void on_stream_data(uint64_t, base::bytes, bool) override {}
  void on_stream_reset(uint64_t, uint64_t) override {}
  void on_stop_sending(uint64_t, uint64_t) override {}
  void on_closed(const quic::close_reason&) override { ended = true; }
  // moq::upper_layer
  void on_setup(const moq::peer_setup&) override {
    up = true;
    ++sums.connected;
  }
  void on_request_error(moq::request_id, const moq::request_error&) override { ++sums.answered; }
  void on_object(moq::request_id, const moq::object&) override {
    ++sums.objects;
    served = true;
  }
  void on_closed(uint64_t, std::string_view) override { ++sums.closed; }
};

} // namespace

int main(int count, char** args) {
  if (count != 5) return std::fprintf(stderr, "usage: siege-peer requests|streams|handshakes|churn IP:PORT RATE SECONDS\n"), 2;
  const std::string mode = args[1];
  const auto to = quic::socket_address::parse(args[2]).value();
  const double rate = std::atof(args[3]), seconds = std::atof(args[4]);
  std::signal(SIGTERM, [](int) { stopped = true; });
  quic::endpoint_config config;
  config.connections_max = config.connections_per_address_max = 20'000;
  auto made = quic::endpoint::create(config, nullptr);
  if (!made) return std::fprintf(stderr, "%s\n", made.error().message().c_str()), 3;
  auto& endpoint = *made.value();
  counts sums;
  std::list<guest> guests;
  const bool comes_and_goes = mode == "handshakes" || mode == "churn";
  const auto dial = [&] {
    auto& g = guests.emplace_back(sums, mode != "handshakes");
    auto c = endpoint.connect(to, "localhost", quic::client_verification::insecure(), {"moqt-18"}, g.events(), base::mono_now());
    if (!c) return g.ended = true, static_cast<void>(++sums.refused);
    (g.link ? g.link->c : g.bare) = c.value();
    ++sums.dialled;
  };
  if (!comes_and_goes)
    for (int i = 0; i < 4; ++i) dial();
  const auto begun = base::mono_now();
  double due = 0;
  for (auto now = begun; !stopped && now - begun < std::chrono::duration<double>(seconds); now = base::mono_now()) {
    const double should = rate * std::chrono::duration<double>(now - begun).count();
    for (; due < should; ++due) {
      if (comes_and_goes) {
        dial();
        continue;
      }
      auto& g = *std::next(guests.begin(), static_cast<std::ptrdiff_t>(static_cast<size_t>(due) % guests.size()));
      if (!g.up || g.over()) continue;
      if (mode == "requests" && g.link->session.open_requests() < 200) g.request();
      if (mode == "streams") g.stream();
    }
    for (auto& g : guests) {
      if (!g.link || g.over()) continue;
      g.link->tick();
      if (mode != "churn" || !g.up) continue;
      if (std::exchange(g.up, false)) g.join();
    }
    if (mode == "churn")
      for (auto& g : guests)
        if (g.served) g.leave();
    std::erase_if(guests, [&](const guest& g) { return g.over() && comes_and_goes; });
    for (auto& g : guests) { // who was thrown out comes back
      if (!g.over()) continue;
      guests.remove_if([&](const guest& o) { return &o == &g; });
      dial();
      break;
    }
    test::poll_endpoints({&endpoint}, [&] { return stopped.load(); }, 2ms);
  }
  endpoint.close_all(0, "done", base::mono_now());
  test::poll_endpoints({&endpoint}, [&] { return endpoint.connections() == 0; }, 500ms);
  std::printf("{\"dialled\": %llu, \"connected\": %llu, \"not_dialled\": %llu, \"asked\": %llu, \"answered\": %llu, \"streams\": %llu, \"objects\": %llu, \"closed\": %llu}\n",
    static_cast<unsigned long long>(sums.dialled), static_cast<unsigned long long>(sums.connected), static_cast<unsigned long long>(sums.refused), static_cast<unsigned long long>(sums.asked),
    static_cast<unsigned long long>(sums.answered), static_cast<unsigned long long>(sums.streams), static_cast<unsigned long long>(sums.objects), static_cast<unsigned long long>(sums.closed));
  return 0;
}
