#include "media/test_picture.hpp"

#include <bit>
#include <cstdio>
#include <ctime>

namespace ec::media {
namespace {

constexpr cell ground{44, 148, 112};
constexpr cell white{235, 128, 128};
constexpr cell black{16, 128, 128};
constexpr cell yellow{200, 32, 144};
constexpr cell green{150, 72, 64};

struct glyph {
  char letter;
  std::array<uint8_t, 7> rows; ///< five bits each, the left one highest
};

constexpr std::array<glyph, 39> font{{
  {'0', {14, 17, 19, 21, 25, 17, 14}}, {'1', {4, 12, 4, 4, 4, 4, 14}},      {'2', {14, 17, 1, 6, 8, 16, 31}},
  {'3', {30, 1, 1, 14, 1, 1, 30}},     {'4', {2, 6, 10, 18, 31, 2, 2}},     {'5', {31, 16, 30, 1, 1, 17, 14}},
  {'6', {6, 8, 16, 30, 17, 17, 14}},   {'7', {31, 1, 2, 4, 4, 8, 8}},       {'8', {14, 17, 17, 14, 17, 17, 14}},
  {'9', {14, 17, 17, 15, 1, 2, 12}},   {'A', {4, 10, 17, 17, 31, 17, 17}},  {'B', {30, 17, 17, 30, 17, 17, 30}},
  {'C', {14, 17, 16, 16, 16, 17, 14}}, {'D', {28, 18, 17, 17, 17, 18, 28}}, {'E', {31, 16, 16, 30, 16, 16, 31}},
  {'F', {31, 16, 16, 30, 16, 16, 16}}, {'G', {14, 17, 16, 23, 17, 17, 15}}, {'H', {17, 17, 17, 31, 17, 17, 17}},
  {'I', {14, 4, 4, 4, 4, 4, 14}},      {'J', {7, 2, 2, 2, 2, 18, 12}},      {'K', {17, 18, 20, 24, 20, 18, 17}},
  {'L', {16, 16, 16, 16, 16, 16, 31}}, {'M', {17, 27, 21, 21, 17, 17, 17}}, {'N', {17, 25, 21, 19, 17, 17, 17}},
  {'O', {14, 17, 17, 17, 17, 17, 14}}, {'P', {30, 17, 17, 30, 16, 16, 16}}, {'Q', {14, 17, 17, 17, 21, 18, 13}},
  {'R', {30, 17, 17, 30, 20, 18, 17}}, {'S', {15, 16, 16, 14, 1, 1, 30}},   {'T', {31, 4, 4, 4, 4, 4, 4}},
  {'U', {17, 17, 17, 17, 17, 17, 14}}, {'V', {17, 17, 17, 17, 17, 10, 4}},  {'W', {17, 17, 17, 21, 21, 27, 17}},
  {'X', {17, 17, 10, 4, 10, 17, 17}},  {'Y', {17, 17, 10, 4, 4, 4, 4}},     {'Z', {31, 1, 2, 4, 8, 16, 31}},
  {'-', {0, 0, 0, 14, 0, 0, 0}},       {':', {0, 4, 4, 0, 4, 4, 0}},        {'.', {0, 0, 0, 0, 0, 12, 12}},
}};

void write(picture& p, size_t column, size_t row, std::string_view text, cell ink) {
  for (const char c : text) {
    if (column + 5 > picture_columns) return;
    for (const auto& g : font) {
      if (g.letter != c) continue;
      for (size_t y = 0; y < 7; ++y)
        for (size_t x = 0; x < 5; ++x)
          if ((g.rows[y] >> (4 - x) & 1) != 0) p.at(column + x, row + y) = ink;
    }
    column += 6;
  }
}

constexpr std::array<bool, 4> head{true, false, true, false};
constexpr std::array<bool, 3> tail{false, true, false};

/// 40 marks, each two cells wide and two high: head, 32 bits with the highest first, parity, tail.
bool mark(size_t index, uint32_t number) {
  if (index < 4) return head[index];
  if (index < 36) return (number >> (35 - index) & 1) != 0;
  if (index == 36) return std::popcount(number) % 2 != 0;
  return tail[index - 37];
}

} // namespace

picture draw_picture(uint64_t n, const std::string& title) {
  picture p;
  p.cells.fill(ground);
  for (size_t x = 0; x < picture_columns; ++x)
    for (size_t y = 0; y < 2; ++y) p.at(x, y) = mark(x / 2, static_cast<uint32_t>(n)) ? white : black;

  const uint64_t pts = picture_pts(n);
  const auto seconds = static_cast<std::time_t>(pts / 90000);
  const auto hundredths = static_cast<unsigned>(pts % 90000 / 900);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char line[40];
  write(p, 2, 3, std::string_view(title).substr(0, 9), yellow);
  if (pts % 90000 < 9000)
    for (size_t y = 3; y < 10; ++y)
      for (size_t x = 60; x < 78; ++x) p.at(x, y) = white;
  std::strftime(line, sizeof line, "%Y-%m-%d", &utc);
  write(p, 2, 11, line, white);
  std::strftime(line, sizeof line, "%H:%M:%S", &utc);
  const std::string clock = line;
  std::snprintf(line, sizeof line, "%s.%02u", clock.c_str(), hundredths);
  write(p, 2, 19, line, white);
  std::snprintf(line, sizeof line, "%010u", static_cast<uint32_t>(n));
  write(p, 2, 27, line, green);
  p.at(n % picture_columns, 34) = white;

  uint64_t noise = n * 0x9e3779b97f4a7c15 + 1;
  for (size_t i = picture::snow_from * picture_columns; i < picture_cells; ++i) {
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    p.cells[i] = {static_cast<uint8_t>(40 + (noise >> 40) % 160), 128, 128};
  }
  return p;
}

std::optional<uint32_t> read_bars(std::span<const uint8_t, picture_columns> luma) {
  std::array<bool, 40> marks{};
  for (size_t i = 0; i < marks.size(); ++i) {
    const bool left = luma[2 * i] >= 126;
    if (left != (luma[2 * i + 1] >= 126)) return std::nullopt;
    marks[i] = left;
  }
  uint32_t number = 0;
  for (size_t i = 4; i < 36; ++i) number = number << 1 | (marks[i] ? 1u : 0u);
  for (size_t i = 0; i < marks.size(); ++i)
    if (marks[i] != mark(i, number)) return std::nullopt;
  return number;
}

} // namespace ec::media
