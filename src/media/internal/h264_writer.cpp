#include "media/internal/bit_writer.hpp"
#include "media/internal/video_writer.hpp"

namespace ec::media::internal {
namespace {

/// At this quantiser a DC level of luma is one step of the pixel value, and one of chroma is two.
constexpr int32_t qp = 28;

void append_nal(std::vector<uint8_t>& out, uint8_t header, const std::vector<uint8_t>& rbsp) {
  out.insert(out.end(), {0, 0, 0, 1, header});
  unsigned zeros = 0;
  for (const uint8_t byte : rbsp) {
    if (zeros >= 2 && byte <= 3) {
      out.push_back(3); // emulation prevention [H.264 7.4.1]
      zeros = 0;
    }
    out.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
}

std::vector<uint8_t> finish(bit_writer& w) {
  w.put(1, 1);
  w.align();
  return w.take();
}

std::vector<uint8_t> sequence_parameters() {
  bit_writer w;
  w.put(66, 8);   // Baseline
  w.put(0xc0, 8); // constraint sets 0 and 1: Constrained Baseline
  w.put(32, 8);   // level 3.2: 720p60
  w.ue(0);
  w.ue(4); // frame_num of 8 bits
  w.ue(2); // output in coding order
  w.ue(1); // one reference picture
  w.put(0, 1);
  w.ue(picture_columns - 1);
  w.ue(picture_rows - 1);
  w.put(1, 1); // frames only
  w.put(1, 1);
  w.put(0, 1); // no cropping
  w.put(1, 1); // VUI
  w.put(1, 1);
  w.put(1, 8); // square pixels
  w.put(0, 1);
  w.put(1, 1);
  w.put(5, 3);
  w.put(0, 1);
  w.put(1, 1);
  w.put(0x010101, 24); // BT.709
  w.put(0, 1);
  w.put(1, 1); // timing
  w.put(1001, 32);
  w.put(120000, 32);
  w.put(1, 1);
  w.put(0, 3); // no HRD, no picture structure
  w.put(1, 1); // restrictions
  w.put(1, 1);
  w.ue(0);
  w.ue(0);
  w.ue(10);
  w.ue(10);
  w.ue(0); // no reordering
  w.ue(1);
  return finish(w);
}

std::vector<uint8_t> picture_parameters() {
  bit_writer w;
  w.ue(0);
  w.ue(0);
  w.put(0, 2); // CAVLC
  w.ue(0);
  w.ue(0);
  w.ue(0);
  w.put(0, 3);
  w.se(qp - 26);
  w.se(0);
  w.se(0);
  w.put(1, 1); // slices say how to deblock
  w.put(0, 2);
  return finish(w);
}

/// A block of one coefficient, its first, or of none [H.264 9.2]. No neighbour ever has coefficients that count.
void residual(bit_writer& w, int32_t level, bool chroma_dc) {
  if (level == 0) {
    if (chroma_dc) w.put(0b01, 2);
    else w.put(1, 1);
    return;
  }
  if (level == 1 || level == -1) {
    if (chroma_dc) w.put(1, 1);
    else w.put(0b01, 2);
    w.put(level < 0 ? 1 : 0, 1);
  } else {
    if (chroma_dc) w.put(0b000111, 6);
    else w.put(0b000101, 6);
    // Less 2: a level of one would have been coded as a trailing one.
    const auto code = static_cast<uint32_t>(level > 0 ? 2 * level - 2 : -2 * level - 1) - 2;
    if (code < 14) {
      w.put(1, code + 1);
    } else if (code < 30) {
      w.put(1, 15);
      w.put(code - 14, 4);
    } else {
      w.put(1, 16);
      w.put(code - 30, 12);
    }
  }
  w.put(1, 1); // no zeros before it
}

class h264_writer final : public video_writer {
public:
  h264_writer(uint64_t gop, std::string title) : n_(gop * gop_pictures), title_(std::move(title)) {}

  coded_picture next() override {
    const bool idr = n_ % gop_pictures == 0;
    const picture now = draw_picture(n_, title_);
    coded_picture out;
    out.pts = out.dts = picture_pts(n_);
    out.random_access = idr;
    out.ends_group = n_ % gop_pictures == gop_pictures - 1;
    append_nal(out.bytes, 0x09, {static_cast<uint8_t>(idr ? 0x10 : 0x30)});
    if (idr) {
      append_nal(out.bytes, 0x67, sequence_parameters());
      append_nal(out.bytes, 0x68, picture_parameters());
    }
    append_nal(out.bytes, idr ? 0x65 : 0x41, slice(now, idr));
    last_ = now;
    ++n_;
    return out;
  }

private:
  std::vector<uint8_t> slice(const picture& now, bool idr) const {
    bit_writer w;
    w.ue(0);
    w.ue(idr ? 7 : 5);
    w.ue(0);
    w.put(static_cast<uint32_t>(n_ % gop_pictures), 8);
    if (idr) {
      w.ue(static_cast<uint32_t>(n_ / gop_pictures % 2));
      w.put(0, 2); // marking of an IDR picture
    } else {
      w.put(0, 3); // no override, no reordering, sliding window
    }
    w.se(0);
    w.ue(1); // no deblocking: cells keep their colour
    uint32_t skipped = 0;
    for (size_t i = 0; i < picture_cells; ++i) {
      const auto& c = now.cells[i];
      if (!idr) {
        if (c == last_.cells[i]) {
          ++skipped;
          continue;
        }
        w.ue(skipped);
        skipped = 0;
      }
      // Predicted from the left, in the first column from above, in the first cell from mid-grey.
      uint32_t luma_mode = 1;
      uint32_t chroma_mode = 1;
      cell from;
      if (i % picture_columns != 0) {
        from = now.cells[i - 1];
      } else if (i != 0) {
        from = now.cells[i - picture_columns];
        luma_mode = 0;
        chroma_mode = 2;
      } else {
        from = {128, 128, 128};
        luma_mode = 2;
        chroma_mode = 0;
      }
      const int32_t cb = (int32_t{c.cb} - from.cb) / 2;
      const int32_t cr = (int32_t{c.cr} - from.cr) / 2;
      const bool chroma = cb != 0 || cr != 0;
      w.ue((idr ? 1u : 6u) + luma_mode + (chroma ? 4u : 0u)); // Intra_16x16 without AC
      w.ue(chroma_mode);
      w.se(0); // same quantiser
      residual(w, int32_t{c.y} - from.y, false);
      if (chroma) {
        residual(w, cb, true);
        residual(w, cr, true);
      }
    }
    if (skipped > 0) w.ue(skipped);
    return finish(w);
  }

  uint64_t n_;
  const std::string title_;
  picture last_;
};

} // namespace

std::unique_ptr<video_writer> make_h264_writer(uint64_t gop, std::string title) {
  return std::make_unique<h264_writer>(gop, std::move(title));
}

} // namespace ec::media::internal
