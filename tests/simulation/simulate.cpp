#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "base/log.hpp"
#include "tests/simulation/scenario.hpp"

/// Runs seeds from the command line, or the hour of the benchmark.
namespace {

using namespace ec;

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

int usage() {
  std::fprintf(stderr,
    "usage: simulate --seeds FROM..TO [--verbose]   each seed a topology and its faults; exit code 1 if an invariant breaks\n"
    "       simulate --seed N [--log]                 one of them, with what it had in store; --log: with the nodes' log lines\n"
    "       --broken N: with the N-th mutation of scenario.hpp; --moq-version NAME: that subscribers speak (moqt-18)\n"
    "       simulate --minutes N                      a leader, two relays and three subscribers, nothing wrong: how fast\n");
  return 2;
}

int run_seeds(uint64_t from, uint64_t to, bool verbose, simulation::mutation broken, const std::string& moq_version) {
  uint64_t failed = 0, promised = 0, delivered = 0, crashes = 0;
  double hours = 0;
  const auto start = cpu_seconds();
  for (auto seed = from; seed <= to; ++seed) {
    auto s = simulation::scenario_of(seed);
    s.broken = broken;
    s.moq_version = moq_version;
    const auto out = simulation::run(s);
    hours += out.at_seconds / 3600;
    promised += out.counted.promised;
    delivered += out.counted.delivered;
    crashes += out.counted.restarts;
    failed += out.failure ? 1 : 0;
    if (out.failure || verbose) std::printf("%s\n", out.text().c_str());
    std::fflush(stdout);
  }
  const auto cpu = cpu_seconds() - start;
  std::printf("%llu seeds, %llu failed; %.2f hours in %.1f s of one core: %.0f times real time; %llu chunks delivered, %llu of them promised; %llu crashes\n",
    static_cast<unsigned long long>(to - from + 1), static_cast<unsigned long long>(failed), hours, cpu, hours * 3600 / cpu,
    static_cast<unsigned long long>(delivered), static_cast<unsigned long long>(promised), static_cast<unsigned long long>(crashes));
  return failed > 0 ? 1 : 0;
}

int run_minutes(unsigned minutes) {
  simulation::scenario s;
  s.length = std::chrono::minutes(minutes);
  s.faults = false;
  s.deep = false;
  const auto start = cpu_seconds();
  const auto out = simulation::run(s);
  const auto cpu = cpu_seconds() - start;
  std::printf("%s\n%u minutes of a leader, two relays and three subscribers in %.2f s of one core: %.0f times real time\n"
              "%llu chunks broadcast, %llu delivered, %llu segments; %llu messages, %llu packets, %llu steps\n",
    out.text().c_str(), minutes, cpu, minutes * 60 / cpu, static_cast<unsigned long long>(out.counted.chunks_broadcast),
    static_cast<unsigned long long>(out.counted.delivered), static_cast<unsigned long long>(out.counted.segments),
    static_cast<unsigned long long>(out.messages), static_cast<unsigned long long>(out.packets), static_cast<unsigned long long>(out.steps));
  return out.failure ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
  std::string seeds, minutes, moq_version;
  auto broken = simulation::mutation::none;
  bool verbose = false, log = false;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--verbose") verbose = true;
    else if (a == "--log") log = true;
    else if ((a == "--seeds" || a == "--seed") && i + 1 < argc) seeds = argv[++i], verbose = verbose || a == "--seed";
    else if (a == "--minutes" && i + 1 < argc) minutes = argv[++i];
    else if (a == "--broken" && i + 1 < argc) broken = static_cast<simulation::mutation>(std::strtoul(argv[++i], nullptr, 10));
    else if (a == "--moq-version" && i + 1 < argc) moq_version = argv[++i];
    else return usage();
  }
  base::log::set_up(base::log::format::text, log ? base::log::level::debug : base::log::level::off);
  if (!minutes.empty()) return run_minutes(static_cast<unsigned>(std::strtoul(minutes.c_str(), nullptr, 10)));
  unsigned long long from = 0, to = 0;
  if (const int got = std::sscanf(seeds.c_str(), "%llu..%llu", &from, &to); got < 1 || (got == 2 && to < from)) return usage();
  else if (got == 1) to = from;
  return run_seeds(from, to, verbose, broken, moq_version);
}
