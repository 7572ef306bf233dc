// Dials MoQ sessions to a relay over real sockets and prints what they cost, one JSON line. For tests/bench/session_figures.py.
//   dial-sessions ADDRESS full|rejoin COUNT AT_A_TIME     each asks one question (TRACK_STATUS), has its answer and leaves
//   dial-sessions ADDRESS idle COUNT                      all stay; a line when they are there, ends with its standard input
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "actors/moq_link.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "tests/support/poll_loop.hpp"

using namespace ec;

namespace {

/// Tells the time to the sessions; no actor lives here.
class clock_loop final : public actors::net_loop {
public:
  explicit clock_loop(caf::actor_system& sys) : net_loop(&sys) {}
  base::mono_time now() const override { return base::mono_now(); }
  base::result<void> add(int, actors::loop_source&) override { return base::ok(); }
  void remove(int) override {}
  void start() override {}
  void stop() override {}
  void exec_later(caf::resumable* job) override { caf::intrusive_ptr_release(job); }
};

struct visitor final : moq::upper_layer {
  bool set_up = false, answered = false, gone = false;
  bool early = false;
  std::string why;
  base::mono_time began{}, had{};
  std::unique_ptr<actors::moq_link> link;
  void on_setup(const moq::peer_setup&) override { set_up = true; }
  void on_request_ok(moq::request_id, const moq::request_ok&) override { answer(); }
  void on_request_error(moq::request_id, const moq::request_error&) override { answer(); }
  void answer() {
    if (std::exchange(answered, true)) return;
    had = base::mono_now();
  }
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(used.ru_utime) + of(used.ru_stime);
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

struct dialler {
  caf::actor_system_config caf_config;
  caf::actor_system sys{caf_config};
  clock_loop loop{sys};
  quic::endpoint_address address;
  quic::socket_address peer;
  quic::client_verification verification;
  std::unique_ptr<quic::endpoint> endpoint;
  std::shared_ptr<quic::known_servers> known;

  void open(bool remember) {
    quic::endpoint_config config;
    config.connections_max = 100'000;
    config.keep_alive = std::chrono::seconds(10);
    if (remember) config.known = known = std::make_shared<quic::known_servers>();
    auto made = quic::endpoint::create(std::move(config), nullptr);
    if (!made) give_up(made.error().text);
    endpoint = std::move(made.value());
  }
  void dial(visitor& v, bool asks) {
    v.link = std::make_unique<actors::moq_link>(loop, actors::client_config(address, "dial-sessions"), v, nullptr, [&v](const quic::close_reason& why) {
      v.gone = true;
      v.why = why.text;
    });
    v.began = base::mono_now();
    if (const auto up = v.link->dial(*endpoint, address, peer, verification); !up) give_up(up.error().text);
    if (asks) v.link->session().track_status({{{"bench"}}, "nothing"});
  }
};

double microseconds(base::mono_duration d) { return static_cast<double>(d.count()) / 1e3; }

} // namespace

int main(int argc, char** argv) {
  if (argc < 4) give_up("usage: dial-sessions ADDRESS full|rejoin|idle COUNT [AT_A_TIME]");
  const std::string how = argv[2];
  const size_t count = std::strtoul(argv[3], nullptr, 10), together = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 16;
  base::log::set_up(base::log::format::text, base::log::level::error);
  dialler d;
  auto address = quic::endpoint_address::parse(argv[1]);
  if (!address || !address.value().pin) give_up("expected moqt://127.0.0.1:port#spki=...");
  d.address = address.value();
  d.verification = quic::client_verification::pinned(*d.address.pin);
  auto found = quic::resolve(d.address.host, d.address.port);
  if (!found) give_up(found.error().text);
  d.peer = found.value().front();
  d.open(how == "rejoin");

  std::list<visitor> open;
  const auto turn = [&](const std::function<bool()>& done) {
    if (!test::poll_endpoints({d.endpoint.get()}, done, std::chrono::seconds(30))) give_up(d.known ? "nothing moves any more: no answer, or no ticket for early data" : "nothing moves any more");
  };
  if (how == "idle") {
    // Fewer at a time than the relay answers without Retry.
    while (open.size() < count) {
      const size_t wanted = std::min(count, open.size() + 32);
      while (open.size() < wanted) d.dial(open.emplace_back(), false);
      turn([&] { return std::ranges::all_of(open, [](const visitor& v) { return v.set_up || v.gone; }); });
    }
    for (const auto& v : open)
      if (v.gone) give_up("a session ended: " + v.why);
    std::printf("{\"sessions\": %zu}\n", open.size());
    std::fflush(stdout);
    pollfd in{STDIN_FILENO, POLLIN, 0};
    while (::poll(&in, 1, 0) == 0) (void)test::poll_endpoints({d.endpoint.get()}, [] { return false; }, std::chrono::milliseconds(200));
    d.endpoint->close_all(0, "done", base::mono_now());
    return 0;
  }

  // A ticket is used once: who comes back takes one visit before the first that counts, and each visit leaves one for the next.
  size_t begun = 0, ended = 0, early = 0;
  std::vector<double> delays;
  const auto visit = [&](size_t visits, size_t at_a_time, bool counts) {
    begun = ended = 0;
    while (ended < visits) {
      while (begun < visits && open.size() < at_a_time) {
        d.dial(open.emplace_back(), true);
        ++begun;
      }
      turn([&] { return std::ranges::any_of(open, [&](const visitor& v) { return v.gone || (v.answered && !v.link->session().closed() && (!d.known || d.known->size() > 0)); }); });
      for (auto& v : open) {
        if (!v.answered || v.gone || v.link->session().closed() || (d.known && d.known->size() == 0)) continue;
        if (counts) delays.push_back(microseconds(v.had - v.began));
        if (const auto* c = v.link->connection(); c != nullptr && counts && c->stats().early_data_accepted) ++early;
        v.link->session().close(moq::session_code::no_error, "done");
      }
      d.endpoint->flush(base::mono_now());
      ended += std::erase_if(open, [](const visitor& v) {
        if (v.gone && !v.answered) give_up("a session ended: " + v.why);
        return v.gone;
      });
    }
  };
  if (d.known) visit(1, 1, false);
  const auto start = base::mono_now();
  const double cpu = cpu_seconds();
  visit(count, d.known ? 1 : together, true);
  const double used = cpu_seconds() - cpu, took = microseconds(base::mono_now() - start) / 1e6;
  std::ranges::sort(delays);
  std::printf("{\"sessions\": %zu, \"early\": %zu, \"seconds\": %.3f, \"cpu_seconds\": %.3f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n", delays.size(), early, took, used, delays[delays.size() / 2], delays[delays.size() * 99 / 100]);
  return 0;
}
