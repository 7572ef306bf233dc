#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "ts/packet_reader.hpp"

namespace {

using namespace ec::ts;

/// `count` packets of `stride` bytes; byte 4 of each packet is its number. Other bytes never look like a sync byte.
std::vector<uint8_t> make(size_t count, size_t stride) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i < count; ++i) {
    if (stride == 192) out.insert(out.end(), 4, 0x00);
    const size_t at = out.size();
    out.resize(at + 188, 0xff);
    out[at] = 0x47, out[at + 1] = 0x01, out[at + 2] = 0x00, out[at + 3] = 0x10;
    out[at + 4] = static_cast<uint8_t>(0x80 + i % 64);
    if (stride == 204) out.resize(out.size() + 16, 0xee);
  }
  return out;
}

struct reading {
  std::vector<uint8_t> numbers;
  std::vector<bool> losses;
  reader_counters counters;
};

reading read(const std::vector<uint8_t>& in, size_t step) {
  reading out;
  packet_reader reader;
  const auto sink = [&](const uint8_t* p) { out.numbers.push_back(p[4]); };
  const auto lost = [&](bool aligned) { out.losses.push_back(aligned); };
  for (size_t at = 0; at < in.size(); at += step) reader.push({in.data() + at, std::min(step, in.size() - at)}, sink, lost);
  reader.finish(sink, lost);
  out.counters = reader.counters();
  return out;
}

} // namespace

TEST_CASE("packets of 188, 192 and 204 bytes are recognised in any split") {
  for (const size_t stride : {188, 192, 204})
    for (const size_t step : {1, 3, 187, 188, 189, 1000, 100'000}) {
      CAPTURE(stride);
      CAPTURE(step);
      const auto got = read(make(60, stride), step);
      CHECK(got.numbers.size() == 60);
      CHECK(got.numbers == read(make(60, 188), 100'000).numbers);
      CHECK(got.losses.empty());
    }
}

TEST_CASE("garbage before the first packet is skipped") {
  auto in = make(30, 188);
  in.insert(in.begin(), 1'000, 0x47); // every byte looks like a sync byte
  const auto got = read(in, 77);
  CHECK(got.numbers.size() >= 30);
  CHECK(got.counters.bytes == in.size());
}

TEST_CASE("one wrong sync byte costs one packet and not the lock") {
  auto in = make(30, 188);
  in[188 * 10] = 0x00;
  const auto got = read(in, 500);
  CHECK(got.numbers.size() == 29);
  CHECK(got.losses == std::vector<bool>{true});
  CHECK(got.counters.bad_sync == 1);
  CHECK(got.counters.resyncs == 0);
}

TEST_CASE("missing bytes are reported and the reader locks again") {
  for (const size_t step : {1, 400, 100'000}) {
    auto in = make(40, 188);
    in.erase(in.begin() + 188 * 10 + 50, in.begin() + 188 * 10 + 70);
    const auto got = read(in, step);
    CHECK(got.counters.resyncs == 1);
    CHECK(got.losses == std::vector<bool>{false});
    CHECK(got.numbers.size() == 39);
    CHECK(got.numbers.back() == 0x80 + 39);
  }
}

TEST_CASE("input without packets gives none") {
  std::mt19937_64 rng(1);
  std::vector<uint8_t> in(100'000);
  for (auto& b : in) b = static_cast<uint8_t>(rng() % 0x47);
  const auto got = read(in, 333);
  CHECK(got.numbers.empty());
  CHECK(got.counters.skipped_bytes == in.size());
}

TEST_CASE("every byte is accounted for") {
  std::mt19937_64 rng(2);
  for (int run = 0; run < 50; ++run) {
    auto in = make(50, 188);
    for (int i = 0; i < 6; ++i) {
      const size_t at = rng() % in.size();
      if (rng() % 2) in.erase(in.begin() + static_cast<ptrdiff_t>(at));
      else in.insert(in.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(rng()));
    }
    const auto a = read(in, 1 + rng() % 700), b = read(in, 100'000);
    CHECK(a.numbers == b.numbers);
    CHECK(a.losses == b.losses);
    // A last packet may have been read with up to 16 bytes behind it, as longer packets have them.
    const auto known = a.counters.packets * 188 + a.counters.bad_sync * 188 + a.counters.skipped_bytes;
    CHECK(known <= in.size());
    CHECK(known + 16 >= in.size());
  }
}
