// What several receivers of one broadcast have in common. Usage: converge [runs [loss [data-root]]]. First two simulated stations that were
// started 37 s apart: how many of their chunks are the same. Then pairs of receivers that lose packets independently of each other, the
// second of which tunes in later: how many of the chunks that both call whole are the same, what share of all chunks one of them has whole, what
// share if each repairs its own from the other (5 % of a chunk on trust at most), and both together. Exit code 1 if two that are whole differ, or
// if a repaired one is not the truth.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "media/test_broadcast.hpp"
#include "tests/support/ts_runs.hpp"
#include "ts/chunk_repair.hpp"

namespace {

using namespace ec;

constexpr size_t packet = 188;
constexpr int64_t start_ms = 1'785'000'000'000;

std::vector<uint8_t> lose(std::span<const uint8_t> in, double share, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::geometric_distribution<size_t> gap(share);
  std::vector<uint8_t> out;
  out.reserve(in.size());
  for (size_t at = 0; at < in.size();) {
    const size_t kept = std::min(in.size() - at, gap(rng) * packet);
    out.insert(out.end(), in.begin() + static_cast<ptrdiff_t>(at), in.begin() + static_cast<ptrdiff_t>(at + kept));
    at += kept + packet;
  }
  return out;
}

struct sum {
  uint64_t chunks = 0, first = 0, second = 0, both = 0, same = 0, either = 0, repaired = 0, wrong = 0;
  double mean_packets = 0;

  /// What `mine` gets of its damaged chunks from the whole ones of `other`.
  void repair(const test::cut_result& full, const test::cut_result& mine, const test::cut_result& other, uint64_t from) {
    std::map<uint64_t, uint64_t> durations;
    for (const auto& e : other.events)
      if (const auto* w = std::get_if<ts::chunk_whole>(&e)) durations[w->index] = static_cast<uint64_t>(w->duration_pts);
    for (const auto& e : mine.events) {
      const auto* d = std::get_if<ts::chunk_damaged>(&e);
      if (d == nullptr || d->index < from || !durations.contains(d->index) || !full.whole.contains(d->index)) continue;
      const auto& offer = other.whole.at(d->index);
      const auto v = ts::judge_repair({d->index, mine.opened.at(d->index).first_pts, d->duration_pts, d->why, d->pieces},
                                      {d->index, other.opened.at(d->index).first_pts, durations.at(d->index), offer}, 5);
      repaired += v.taken();
      wrong += v.taken() && offer != full.whole.at(d->index);
    }
  }

  void add(const test::cut_result& full, const test::cut_result& a, const test::cut_result& b, uint64_t from) {
    repair(full, a, b, from);
    repair(full, b, a, from);
    for (const auto& [index, data] : full.whole) {
      if (index < from) continue; // before the second one tuned in
      ++chunks;
      mean_packets += static_cast<double>(data.size()) / packet;
      const auto x = a.whole.find(index), y = b.whole.find(index);
      const bool in_a = x != a.whole.end(), in_b = y != b.whole.end();
      first += in_a;
      second += in_b;
      either += in_a || in_b;
      both += in_a && in_b;
      // Also against the truth: two that are wrong alike would be no agreement.
      same += in_a && in_b && x->second == y->second && x->second == data;
    }
  }
};

double percent(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(all);
}

bool report(const std::string& name, const sum& s) {
  std::printf("%-36s %6llu chunks of %6.0f packets; one alone %5.1f %%, repaired %5.1f %%, both together %5.1f %%; whole at both %6llu, the same %6.2f %%\n", name.c_str(),
    static_cast<unsigned long long>(s.chunks), s.chunks ? s.mean_packets / static_cast<double>(s.chunks) : 0.0, percent(s.first + s.second, 2 * s.chunks), percent(s.first + s.second + s.repaired, 2 * s.chunks),
    percent(s.either, s.chunks), static_cast<unsigned long long>(s.both), percent(s.same, s.both));
  return s.same == s.both && s.wrong == 0;
}

base::bytes on_air(media::test_codec codec, int64_t from_ms, unsigned seconds) {
  auto made = media::test_broadcast::create({.codec = codec, .start = base::wall_time(std::chrono::milliseconds(from_ms))});
  if (!made) return {};
  return made.value().next(static_cast<size_t>(made.value().bit_rate() / 1504 * seconds));
}

sum pairs(const ts::cutter_config& config, std::span<const uint8_t> data, uint64_t runs, double share) {
  sum out;
  const auto full = test::cut(config, data);
  for (uint64_t run = 1; run <= runs; ++run) {
    std::mt19937_64 rng(run);
    const size_t skipped = rng() % (data.size() / packet / 4 + 1) * packet;
    const auto later = data.subspan(skipped);
    const auto clean = test::cut(config, later);
    const auto a = test::cut(config, lose(data, share, 2 * run)), b = test::cut(config, lose(later, share, 2 * run + 1));
    out.add(full, a, b, clean.whole.empty() ? ~uint64_t{0} : clean.whole.begin()->first);
  }
  return out;
}

} // namespace

int main(int argc, char** argv) {
  const uint64_t runs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100;
  const double share = argc > 2 ? std::strtod(argv[2], nullptr) : 1e-4;
  std::filesystem::path root = "../shared/data";
  if (const char* set = std::getenv("EC_TEST_DATA")) root = set;
  else if (const char* source = std::getenv("EC_SOURCE_ROOT")) root = std::filesystem::path(source).parent_path() / "shared/data";
  if (argc > 3) root = argv[3];
  if (!(share > 0 && share < 1) || runs == 0) {
    std::fprintf(stderr, "converge: expected a number of runs over 0 and a share between 0 and 1\n");
    return 2;
  }
  bool good = true;
  ts::cutter_config live;
  live.require_broadcast_time = true;
  std::printf("two simulated stations, the second started 37 s after the first\n");
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    const auto name = codec == media::test_codec::mpeg2 ? "test broadcast, MPEG-2 and AC-3" : "test broadcast, H.264 and AAC";
    const auto first = on_air(codec, start_ms, 61), second = on_air(codec, start_ms + 37'000, 24);
    if (first.empty() || second.empty()) {
      std::printf("SKIPPED: %s: no coder for its sound\n", name);
      continue;
    }
    const auto a = test::cut(live, first.span()), b = test::cut(live, second.span());
    sum s;
    if (!b.whole.empty()) s.add(a, a, b, b.whole.begin()->first);
    good = report(name, s) && s.chunks >= 8 && s.both == s.chunks && good;
  }
  std::printf("two receivers, each of which loses %g of all packets, the second of which tunes in later; %llu pairs\n", share,
    static_cast<unsigned long long>(runs));
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    const auto data = on_air(codec, start_ms, 30);
    if (data.empty()) continue;
    good = report(codec == media::test_codec::mpeg2 ? "test broadcast, MPEG-2 and AC-3" : "test broadcast, H.264 and AAC",
                  pairs(live, data.span(), std::max<uint64_t>(1, runs / 5), share)) && good;
  }
  for (const auto& c : test::chunk_captures()) {
    std::ifstream in(root / "ts" / c.file, std::ios::binary);
    if (!in) {
      std::printf("SKIPPED: no %s under %s\n", c.file, root.c_str());
      continue;
    }
    const std::vector<uint8_t> data{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    good = report(c.file, pairs(test::config_of(c), data, runs, share)) && good;
  }
  if (!good) std::printf("FAIL: receivers of one broadcast do not converge\n");
  return good ? 0 : 1;
}
