#include <algorithm>
#include <array>

#include "media/internal/bit_writer.hpp"
#include "media/internal/video_writer.hpp"

namespace ec::media::internal {
namespace {

enum class coding : uint8_t { intra = 1, predicted = 2, bidirectional = 3 };

struct code {
  uint8_t bits;
  uint8_t length;
};

// dct_dc_size_luminance and _chrominance [13818-2 tables B-12, B-13].
constexpr std::array<code, 9> luma_size{{{4, 3}, {0, 2}, {1, 2}, {5, 3}, {6, 3}, {14, 4}, {30, 5}, {62, 6}, {126, 7}}};
constexpr std::array<code, 9> chroma_size{{{0, 2}, {1, 2}, {2, 2}, {6, 3}, {14, 4}, {30, 5}, {62, 6}, {126, 7}, {254, 8}}};

class mpeg2_writer final : public video_writer {
public:
  mpeg2_writer(uint64_t gop, std::string title, uint64_t bit_rate) : gop_(gop), title_(std::move(title)), bit_rate_(bit_rate) {
    // What a macroblock of snow may take, less the fixed part of a picture and of the block: the rest is coefficients.
    constexpr double snow = (picture_rows - picture::snow_from) * picture_columns;
    const double bits = (static_cast<double>(bit_rate) * 1001 / 60000 - 36000) / snow - 64;
    snow_coefficients_ = std::clamp(bits / 24.0, 0.0, 40.0);
  }

  coded_picture next() override {
    // Coding order within a closed group: I0, then P3 B1 B2, P6 B4 B5, ... P27 B25 B26, P29 B28.
    const uint64_t i = in_gop_;
    uint64_t shown = 0;
    coding type = coding::intra;
    if (i > 0) {
      const uint64_t step = (i - 1) / 3;
      const uint64_t part = (i - 1) % 3;
      if (part == 0) {
        type = coding::predicted;
        shown = std::min<uint64_t>(3 * step + 3, gop_pictures - 1);
      } else {
        type = coding::bidirectional;
        shown = 3 * step + part;
      }
    }
    const uint64_t first = gop_ * gop_pictures;
    coded_picture out;
    out.pts = picture_pts(first + shown);
    out.dts = picture_pts(first + i - 1); // one picture of delay for the reordering
    out.random_access = type == coding::intra;
    out.ends_group = i + 1 == gop_pictures;
    out.bytes = encode(first + shown, shown, type);
    if (++in_gop_ == gop_pictures) {
      in_gop_ = 0;
      ++gop_;
    }
    return out;
  }

private:
  void start_code(uint8_t which) {
    w_.align();
    w_.put(1, 24);
    w_.put(which, 8);
  }

  void sequence_header() {
    start_code(0xb3);
    w_.put(1280, 12);
    w_.put(720, 12);
    w_.put(3, 4); // 16:9
    w_.put(7, 4); // 60000/1001
    const auto rate = static_cast<uint32_t>((bit_rate_ + bit_rate_ / 4 + 399) / 400);
    w_.put(rate & 0x3ffff, 18);
    w_.put(1, 1);
    w_.put(597 & 0x3ff, 10); // the VBV buffer of MP@HL in units of 16384 bits
    w_.put(0, 3);            // not constrained, default matrices
    start_code(0xb5);
    w_.put(1, 4);
    w_.put(0x44, 8);       // Main Profile, High Level
    w_.put(1, 1);          // progressive
    w_.put(1, 2);          // 4:2:0
    w_.put(0, 4);          // size extensions
    w_.put(rate >> 18, 12);
    w_.put(1, 1);
    w_.put(0, 8 + 1 + 2 + 5); // VBV extension, no low delay, frame rate extension
    start_code(0xb5);      // sequence_display_extension
    w_.put(2, 4);
    w_.put(0, 3);
    w_.put(1, 1);
    w_.put(1, 8); // BT.709 in all three
    w_.put(1, 8);
    w_.put(1, 8);
    w_.put(1280, 14);
    w_.put(1, 1);
    w_.put(720, 14);
  }

  void gop_header(uint64_t n) {
    const uint64_t seconds = picture_pts(n) / 90000;
    start_code(0xb8);
    w_.put(0, 1); // no drop frame
    w_.put(static_cast<uint32_t>(seconds / 3600 % 24), 5);
    w_.put(static_cast<uint32_t>(seconds / 60 % 60), 6);
    w_.put(1, 1);
    w_.put(static_cast<uint32_t>(seconds % 60), 6);
    w_.put(static_cast<uint32_t>(picture_pts(n) % 90000 / 1502), 6);
    w_.put(1, 1); // closed
    w_.put(0, 1); // not broken
  }

  void picture_header(uint64_t shown, coding type) {
    start_code(0x00);
    w_.put(static_cast<uint32_t>(shown), 10);
    w_.put(static_cast<uint32_t>(type), 3);
    w_.put(0xffff, 16); // VBV delay not given
    if (type != coding::intra) w_.put(0b0111, 4);
    if (type == coding::bidirectional) w_.put(0b0111, 4);
    w_.put(0, 1);
    start_code(0xb5);
    w_.put(8, 4);
    const uint32_t forward = type == coding::intra ? 0xff : 0x11;
    const uint32_t backward = type == coding::bidirectional ? 0x11 : 0xff;
    w_.put(forward, 8);
    w_.put(backward, 8);
    w_.put(0, 2);     // DC of 8 bits
    w_.put(3, 2);     // frame picture
    w_.put(0, 1);     // top_field_first
    w_.put(1, 1);     // frame prediction and frame DCT only
    w_.put(0, 5);     // concealment vectors, linear scale, intra VLC zero, zigzag, no repeat
    w_.put(0b11, 2);  // progressive chroma and frame
    w_.put(0, 1);     // no composite display
  }

  void dc(int value, int& predictor, const std::array<code, 9>& sizes) {
    const int diff = value - predictor;
    predictor = value;
    const auto magnitude = static_cast<uint32_t>(diff < 0 ? -diff : diff);
    unsigned size = 0;
    while (magnitude >> size != 0) ++size;
    w_.put(sizes[size].bits, sizes[size].length);
    if (size > 0) w_.put(diff > 0 ? static_cast<uint32_t>(diff) : static_cast<uint32_t>(diff + (1 << size) - 1), size);
  }

  uint32_t random() {
    noise_ ^= noise_ << 13;
    noise_ ^= noise_ >> 7;
    noise_ ^= noise_ << 17;
    return static_cast<uint32_t>(noise_ >> 32);
  }

  void intra_macroblock(const cell& c, bool snow, std::array<int, 3>& predictors) {
    int coefficients = 0;
    if (snow) {
      snow_debt_ += snow_coefficients_;
      coefficients = static_cast<int>(snow_debt_);
      snow_debt_ -= coefficients;
    }
    for (int block = 0; block < 4; ++block) {
      dc(snow ? std::clamp(int{c.y} + static_cast<int>(random() % 48) - 24, 17, 234) : c.y, predictors[0], luma_size);
      const int here = (coefficients + 3 - block) / 4;
      for (int k = 0; k < here; ++k) {
        // Escape code, a run of 0 to 3, a small level of either sign [13818-2 table B-16].
        const uint32_t r = random();
        const auto level = static_cast<uint32_t>(1 + r % 3);
        w_.put(1, 6);
        w_.put(r >> 8 & 3, 6);
        w_.put((r >> 16 & 1) != 0 ? level : 4096 - level, 12);
      }
      w_.put(0b10, 2); // end of block
    }
    dc(c.cb, predictors[1], chroma_size);
    w_.put(0b10, 2);
    dc(c.cr, predictors[2], chroma_size);
    w_.put(0b10, 2);
  }

  std::vector<uint8_t> encode(uint64_t n, uint64_t shown, coding type) {
    const picture now = draw_picture(n, title_);
    noise_ = n * 0x9e3779b97f4a7c15 + 7;
    snow_debt_ = 0;
    if (type == coding::intra) {
      sequence_header();
      gop_header(n);
    }
    picture_header(shown, type);
    for (size_t row = 0; row < picture_rows; ++row) {
      start_code(static_cast<uint8_t>(row + 1));
      w_.put(8, 5); // quantiser scale
      w_.put(0, 1);
      std::array<int, 3> predictors{128, 128, 128};
      for (size_t column = 0; column < picture_columns; ++column) {
        const bool snow = row >= picture::snow_from;
        const auto& c = now.at(column, row);
        w_.put(1, 1); // the very next macroblock: none is skipped
        if (type == coding::intra) {
          w_.put(1, 1);
          intra_macroblock(c, snow, predictors);
        } else if (snow || c != (type == coding::predicted ? newer_ : older_).at(column, row)) {
          w_.put(0b00011, 5);
          intra_macroblock(c, snow, predictors);
        } else {
          // Forward motion of nothing, no residue.
          if (type == coding::predicted) w_.put(0b001, 3);
          else w_.put(0b0010, 4);
          w_.put(0b11, 2);
          predictors = {128, 128, 128};
        }
      }
    }
    w_.align();
    if (type != coding::bidirectional) {
      older_ = newer_;
      newer_ = now;
    }
    return w_.take();
  }

  uint64_t gop_;
  uint64_t in_gop_ = 0;
  const std::string title_;
  const uint64_t bit_rate_;
  double snow_coefficients_ = 0; ///< per macroblock
  double snow_debt_ = 0;
  uint64_t noise_ = 0;
  picture older_; ///< the forward reference of B pictures
  picture newer_; ///< the last I or P picture
  bit_writer w_;
};

} // namespace

std::unique_ptr<video_writer> make_mpeg2_writer(uint64_t gop, std::string title, uint64_t bit_rate) {
  return std::make_unique<mpeg2_writer>(gop, std::move(title), bit_rate);
}

} // namespace ec::media::internal
