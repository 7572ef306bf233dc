#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

/// The picture of the test broadcast: 80 x 45 cells of 16 x 16 pixels, each of one colour. Row 0 and 1 are the bars: the
/// picture's number for programs to read. Below: callsign, a box that flashes at every full second, date, time of day
/// (UTC) and the picture's number for people, a mark that runs, and snow.
namespace ec::media {

inline constexpr size_t picture_columns = 80;
inline constexpr size_t picture_rows = 45;
inline constexpr size_t picture_cells = picture_columns * picture_rows;
inline constexpr size_t picture_cell_pixels = 16;

/// Pictures are numbered from the Unix epoch on: picture n is shown at n * 1001 / 60000 s.
/// Its PTS in 90 kHz ticks, not reduced to 33 bits.
constexpr uint64_t picture_pts(uint64_t n) { return n * 3003 / 2; }
/// The first picture whose PTS is not before `pts`.
constexpr uint64_t picture_at(uint64_t pts) { return (pts * 2 + 3002) / 3003; }

/// The colour of a cell in 8-bit video levels. Chroma is always even, which the H.264 writer relies on.
struct cell {
  uint8_t y = 16;
  uint8_t cb = 128;
  uint8_t cr = 128;

  friend bool operator==(const cell&, const cell&) = default;
};

/// One picture. Cells of the rows from `snow_from` on are snow: they differ in every picture.
struct picture {
  static constexpr size_t snow_from = 35;
  std::array<cell, picture_cells> cells;

  cell& at(size_t column, size_t row) { return cells[row * picture_columns + column]; }
  const cell& at(size_t column, size_t row) const { return cells[row * picture_columns + column]; }
};

/// Draws picture number `n`; `title` is shown in the first line (A-Z, 0-9, '-', '.', ' '; at most 9 characters are).
picture draw_picture(uint64_t n, const std::string& title);

/// Reads the number's low 32 bits back from the luma in the middle of each of the 80 cells of row 0 (or 1). Nothing if
/// marks or parity are wrong: no test picture, or too damaged.
std::optional<uint32_t> read_bars(std::span<const uint8_t, picture_columns> luma);

} // namespace ec::media
