#include <algorithm>
#include <array>
#include <cstdlib>

#include "ts/internal/checks.hpp"
#include "ts/internal/scan.hpp"
#include "ts/time.hpp"

namespace ec::ts::internal {
namespace {

constexpr unsigned frames_to_arm = 3;
constexpr unsigned crc_to_arm = 4;

// kbit/s by frmsizecod / 2 [A/52 table 5.18].
constexpr std::array<uint16_t, 19> ac3_rates{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640};
// kbit/s by bitrate_index: MPEG-1 layers I, II, III, then the lower rates of layer I and of II and III [11172-3, 13818-3].
constexpr uint16_t mpeg_rates[5][15] = {
    {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
};
constexpr int64_t mpeg_sampling[3] = {44'100, 48'000, 32'000};
constexpr int64_t adts_sampling[13] = {96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000, 22'050, 16'000, 12'000, 11'025, 8'000, 7'350};
constexpr int64_t ac3_sampling[3] = {48'000, 44'100, 32'000};

} // namespace

size_t audio_check::header_bytes() const {
  switch (kind_) {
  case codec::mpeg_audio: return 4;
  case codec::latm: return 3;
  case codec::adts: return 7;
  default: return 6;
  }
}

bool audio_check::parse(frame& out) const {
  const auto& h = head_;
  out = {};
  switch (kind_) {
  case codec::ac3: {
    if (h[0] != 0x0b || h[1] != 0x77) return false;
    const unsigned bsid = h[5] >> 3, fscod = h[4] >> 6;
    if (bsid > 16) return false;
    if (bsid <= 10) {
      const unsigned code = h[4] & 0x3f;
      if (fscod == 3 || code / 2 >= ac3_rates.size()) return false;
      const unsigned rate = ac3_rates[code / 2];
      const unsigned words = fscod == 0 ? rate * 2 : fscod == 2 ? rate * 3 : rate * 320 / 147 + (code & 1);
      out = {size_t{words} * 2, 1536, ac3_sampling[fscod], 1};
      return true;
    }
    static constexpr unsigned blocks[4] = {1, 2, 3, 6};
    const unsigned type = h[2] >> 6, substream = h[2] >> 3 & 7;
    out.bytes = (size_t{(h[2] & 7u) << 8 | h[3]} + 1) * 2;
    out.rate = fscod == 3 ? ac3_sampling[std::min(h[4] >> 4 & 3, 2)] / 2 : ac3_sampling[fscod];
    out.samples = type == 1 || substream != 0 ? 0 : 256 * static_cast<int64_t>(fscod == 3 ? 6 : blocks[h[4] >> 4 & 3]);
    out.family = 2;
    return type != 3 && out.bytes >= 8;
  }
  case codec::mpeg_audio: {
    if (h[0] != 0xff || (h[1] & 0xe0) != 0xe0) return false;
    const unsigned version = h[1] >> 3 & 3, layer = 4 - (h[1] >> 1 & 3), rate = h[2] >> 4, sampling = h[2] >> 2 & 3;
    if (version == 1 || layer == 4 || rate == 0 || rate == 15 || sampling == 3) return false;
    const bool low = version != 3;
    const int64_t bits = mpeg_rates[low ? (layer == 1 ? 3 : 4) : layer - 1][rate] * int64_t{1000};
    out.rate = mpeg_sampling[sampling] / (version == 3 ? 1 : version == 2 ? 2 : 4);
    const unsigned padding = h[2] >> 1 & 1;
    out.samples = layer == 1 ? 384 : layer == 3 && low ? 576 : 1152;
    out.bytes = layer == 1 ? static_cast<size_t>(12 * bits / out.rate + padding) * 4 : static_cast<size_t>(out.samples / 8 * bits / out.rate + padding);
    out.family = (h[1] & 0x1eu) << 8 | (h[2] & 0x0cu);
    return out.bytes > 4;
  }
  case codec::adts: {
    if (h[0] != 0xff || (h[1] & 0xf6) != 0xf0) return false;
    const unsigned sampling = h[2] >> 2 & 15;
    if (sampling >= 13) return false;
    out.bytes = (h[3] & 3u) << 11 | h[4] << 3 | h[5] >> 5;
    out.rate = adts_sampling[sampling];
    out.samples = 1024 * ((h[6] & 3) + 1);
    out.family = (h[1] & 0x0eu) << 8 | (h[2] & 0xfcu);
    return out.bytes > 7;
  }
  case codec::latm:
    if (h[0] != 0x56 || (h[1] & 0xe0) != 0xe0) return false;
    out.bytes = ((h[1] & 0x1fu) << 8 | h[2]) + 3;
    return out.bytes > 3;
  default: return false;
  }
}

void audio_check::lost() {
  head_got_ = 0;
  left_ = 0;
  good_ = 0;
  pes_pts_.reset();
  frame_pts_.reset();
}

check_outcome audio_check::pes_start(const pes_header& head) {
  now_ = {};
  pes_pts_ = head.pts;
  return now_;
}

void audio_check::frame_begin() {
  ++good_;
  left_ = current_.bytes - header_bytes();
  if (kind_ == codec::ac3) {
    crc_ = crc16_ac3(0, std::span(head_).subspan(2, header_bytes() - 2));
  }
  if (pes_pts_) {
    if (frame_pts_ && current_.rate > 0) {
      const int64_t length = current_.samples > 0 ? current_.samples : 1536;
      const int64_t expected = elapsed_ * pts_hz / current_.rate;
      const int64_t off = std::llabs(pts_step(*frame_pts_, *pes_pts_) - expected);
      if (off * 2 <= length * pts_hz / current_.rate) {
        if (pts_good_ < frames_to_arm) ++pts_good_;
      } else {
        if (pts_good_ >= frames_to_arm) now_.failed = true;
        pts_good_ = 0;
      }
    }
    frame_pts_ = pes_pts_;
    elapsed_ = 0;
    pes_pts_.reset();
  }
  elapsed_ += current_.samples;
  if (!now_.failed) now_.sync = true;
  if (left_ == 0) frame_end();
}

void audio_check::frame_end() {
  head_got_ = 0;
  if (kind_ != codec::ac3) return;
  if (crc_ == 0) {
    if (crc_good_ < crc_to_arm) ++crc_good_;
  } else {
    if (crc_good_ >= crc_to_arm) now_.failed = true;
    crc_good_ = 0;
  }
}

check_outcome audio_check::payload(std::span<const uint8_t> in) {
  now_ = {};
  if (kind_ == codec::other_audio || kind_ == codec::none) {
    now_.sync = true;
    return now_;
  }
  const size_t want = header_bytes();
  while (!in.empty()) {
    if (left_ > 0) {
      const size_t n = std::min(left_, in.size());
      if (kind_ == codec::ac3) crc_ = crc16_ac3(crc_, in.first(n));
      left_ -= n;
      in = in.subspan(n);
      if (left_ == 0) frame_end();
      continue;
    }
    head_[head_got_++] = in[0];
    in = in.subspan(1);
    if (head_got_ < want) continue;
    frame next;
    if (parse(next) && next.bytes > want && (good_ == 0 || next.family == current_.family)) {
      current_ = next;
      frame_begin();
      continue;
    }
    if (good_ >= frames_to_arm) now_.failed = true;
    good_ = 0;
    frame_pts_.reset();
    // Hunt: try again one byte further on.
    std::copy(head_.begin() + 1, head_.begin() + static_cast<ptrdiff_t>(want), head_.begin());
    head_got_ = want - 1;
  }
  if (good_ < frames_to_arm) now_.sync = true; // nothing to hold it against yet
  return now_;
}

} // namespace ec::ts::internal
