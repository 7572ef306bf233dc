#include "media/test_picture.hpp"

#include <algorithm>
#include <array>

#include <doctest/doctest.h>

#include "media/internal/video_writer.hpp"

using namespace ec;

TEST_SUITE("media/test_picture") {

TEST_CASE("the bars say the picture's number, and nothing when they are damaged") {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffffff}, uint64_t{107'252'987'025}}) {
    const auto p = media::draw_picture(n, "EC-DT 5.1");
    for (const size_t row : {size_t{0}, size_t{1}}) {
      std::array<uint8_t, media::picture_columns> luma{};
      for (size_t x = 0; x < luma.size(); ++x) luma[x] = p.at(x, row).y;
      CHECK(media::read_bars(luma) == static_cast<uint32_t>(n));
      luma[20] = static_cast<uint8_t>(255 - luma[20]);
      CHECK_FALSE(media::read_bars(luma).has_value());
      luma[21] = static_cast<uint8_t>(255 - luma[21]); // a whole bit turned: the parity shows it
      CHECK_FALSE(media::read_bars(luma).has_value());
    }
  }
}

TEST_CASE("the box flashes in the first tenth of a second, when the sound beeps") {
  size_t lit = 0;
  const uint64_t first = media::picture_at(uint64_t{1'792'000'000} * 90000);
  for (uint64_t n = first; n < first + 60; ++n) {
    const bool on = media::draw_picture(n, "").at(65, 5).y == 235;
    CHECK(on == (media::picture_pts(n) % 90000 < 9000));
    lit += on ? 1 : 0;
  }
  CHECK(lit == 6);
}

TEST_CASE("picture numbers and PTS agree both ways") {
  for (uint64_t n = 0; n < 5000; ++n) {
    CHECK(media::picture_at(media::picture_pts(n)) == n);
    CHECK(media::picture_at(media::picture_pts(n) + 1) == n + 1);
  }
}

TEST_CASE("chroma is even, which the H.264 writer relies on") {
  const auto p = media::draw_picture(12345, "A");
  for (const auto& c : p.cells) CHECK((c.cb % 2 == 0 && c.cr % 2 == 0));
}

TEST_CASE("MPEG-2 pictures come in closed groups with every PTS once and DTS in step") {
  auto w = media::internal::make_mpeg2_writer(100, "A", 8'000'000);
  std::vector<uint64_t> shown;
  uint64_t last_dts = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    const auto p = w->next();
    CHECK(p.random_access == (i % 30 == 0));
    CHECK(p.dts == media::picture_pts(3000 + i - 1));
    CHECK(p.pts >= p.dts);
    CHECK(p.dts > last_dts);
    last_dts = p.dts;
    shown.push_back(p.pts);
  }
  std::sort(shown.begin(), shown.end());
  for (uint64_t i = 0; i < 60; ++i) CHECK(shown[i] == media::picture_pts(3000 + i));
}

TEST_CASE("the snow fills MPEG-2 up to about the rate that was asked for") {
  for (const uint64_t rate : {uint64_t{4'000'000}, uint64_t{10'000'000}, uint64_t{15'000'000}}) {
    auto w = media::internal::make_mpeg2_writer(1, "A", rate);
    size_t bytes = 0;
    for (int i = 0; i < 60; ++i) bytes += w->next().bytes.size();
    const double got = static_cast<double>(bytes) * 8 * 60 / (60 * 1.001);
    CHECK(got > static_cast<double>(rate) * 0.8);
    CHECK(got < static_cast<double>(rate) * 1.1);
  }
}

}
