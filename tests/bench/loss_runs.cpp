// How many chunks are taken for whole and were not: seeded losses over the real captures.
// Usage: loss_runs [hidden] [runs [first-seed [data-root]]]. `hidden`: losses of 16, 32, ... 128 packets of the video's PID
// alone, which no continuity counter shows; otherwise single packets and bursts of up to 400. Prints one line per capture and the sum; each fault with its seed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "tests/support/ts_runs.hpp"

int main(int argc, char** argv) {
  using namespace ec;
  const bool hidden = argc > 1 && std::string_view(argv[1]) == "hidden";
  if (hidden) --argc, ++argv;
  const uint64_t runs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
  const uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::filesystem::path root = "../shared/data";
  if (const char* set = std::getenv("EC_TEST_DATA")) root = set;
  else if (const char* source = std::getenv("EC_SOURCE_ROOT")) root = std::filesystem::path(source).parent_path() / "shared/data";
  if (argc > 3) root = argv[3];

  struct input {
    const test::chunk_capture* capture;
    std::vector<uint8_t> data;
    test::cut_result full;
    uint16_t video = 0;
    uint64_t runs = 0, damaged = 0;
    test::comparison sum{};
  };
  std::vector<input> inputs;
  for (const auto& c : test::chunk_captures()) {
    std::ifstream in(root / "ts" / c.file, std::ios::binary);
    if (!in) continue;
    inputs.push_back({&c, {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()}, {}});
    inputs.back().full = test::cut(test::config_of(c), inputs.back().data);
    inputs.back().video = test::video_pid(test::config_of(c), inputs.back().data);
  }
  if (inputs.empty()) {
    std::printf("SKIPPED: loss_runs: no captures under %s\n", root.c_str());
    return 0;
  }
  for (uint64_t run = 0; run < runs; ++run) {
    const uint64_t seed = first + run;
    std::mt19937_64 rng(seed);
    auto& in = inputs[run % inputs.size()];
    const auto m = hidden ? test::draw_hidden(rng, in.data.size() / 188, in.video) : test::draw_loss(rng, in.data.size() / 188);
    const auto part = test::cut(test::config_of(*in.capture), test::apply(in.data, m, rng));
    const auto c = test::compare(in.full, part);
    ++in.runs;
    in.damaged += part.damaged.size();
    in.sum.compared += c.compared;
    in.sum.wrong += c.wrong;
    in.sum.wrong_pieces += c.wrong_pieces;
    if (c.wrong || c.wrong_pieces)
      std::printf("seed %llu %s: %s: %llu chunks, %llu pieces\n", static_cast<unsigned long long>(seed), in.capture->file, m.text().c_str(),
        static_cast<unsigned long long>(c.wrong), static_cast<unsigned long long>(c.wrong_pieces));
  }
  test::comparison sum;
  for (const auto& in : inputs) {
    std::printf("%-36s %6llu runs, %7llu chunks compared, %3llu taken for whole and were not, %llu pieces released that differ\n",
      in.capture->file, static_cast<unsigned long long>(in.runs), static_cast<unsigned long long>(in.sum.compared),
      static_cast<unsigned long long>(in.sum.wrong), static_cast<unsigned long long>(in.sum.wrong_pieces));
    sum.compared += in.sum.compared;
    sum.wrong += in.sum.wrong;
    sum.wrong_pieces += in.sum.wrong_pieces;
  }
  std::printf("runs %llu, chunks compared %llu, taken for whole and were not %llu, pieces released that differ %llu\n",
    static_cast<unsigned long long>(runs), static_cast<unsigned long long>(sum.compared), static_cast<unsigned long long>(sum.wrong),
    static_cast<unsigned long long>(sum.wrong_pieces));
  return 0;
}
