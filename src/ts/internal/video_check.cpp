#include <algorithm>
#include <cstring>

#include "ts/internal/checks.hpp"
#include "ts/internal/scan.hpp"
#include "ts/time.hpp"

namespace ec::ts::internal {
namespace {

/// Exp-Golomb codes off a NAL unit; emulation prevention bytes are stepped over [14496-10 7.3.1, 9.1].
class bit_reader {
public:
  explicit bit_reader(std::span<const uint8_t> in) : in_(in) {}

  std::optional<uint32_t> bit() {
    if (bits_ == 0) {
      if (at_ >= in_.size()) return std::nullopt;
      uint8_t b = in_[at_++];
      if (zeros_ >= 2 && b == 3) {
        zeros_ = 0;
        if (at_ >= in_.size()) return std::nullopt;
        b = in_[at_++];
      }
      zeros_ = b == 0 ? zeros_ + 1 : 0;
      byte_ = b;
      bits_ = 8;
    }
    return byte_ >> --bits_ & 1u;
  }
  std::optional<uint32_t> ue() {
    unsigned leading = 0;
    for (;;) {
      const auto b = bit();
      if (!b || leading > 24) return std::nullopt;
      if (*b) break;
      ++leading;
    }
    uint32_t v = 1;
    for (; leading > 0; --leading) {
      const auto b = bit();
      if (!b) return std::nullopt;
      v = v << 1 | *b;
    }
    return v - 1;
  }

private:
  std::span<const uint8_t> in_;
  size_t at_ = 0;
  unsigned zeros_ = 0, bits_ = 0;
  uint8_t byte_ = 0;
};

/// True if an SEI unit holds a message of this type, as far as its beginning was kept [14496-10 7.3.2.3].
bool has_sei(std::span<const uint8_t> unit, unsigned wanted) {
  size_t at = 1;
  while (at + 1 < unit.size() && unit[at] != 0x80) {
    unsigned type = 0, size = 0;
    while (at < unit.size() && unit[at] == 0xff) type += 255, ++at;
    if (at >= unit.size()) return false;
    type += unit[at++];
    while (at < unit.size() && unit[at] == 0xff) size += 255, ++at;
    if (at >= unit.size()) return false;
    size += unit[at++];
    if (type == wanted) return true;
    at += size;
  }
  return false;
}

constexpr unsigned pictures_to_arm = 4;
constexpr unsigned same_slices_to_arm = 24;

} // namespace

bool step_check::accept(int64_t step, unsigned units) {
  if (units == 0) units = 1;
  const int64_t n = units;
  if (samples_ >= samples_min) {
    const int64_t half = std::max<int64_t>(min_ / 2, 1);
    if (step >= min_ * n - half && step <= max_ * n + half) {
      return true;
    }
    samples_ = 0;
    return false;
  }
  if (step <= 0 || step > pts_hz * 2 * n) { // no rule to learn from this
    samples_ = 0;
    return true;
  }
  const int64_t each = step / n;
  if (samples_ == 0) min_ = max_ = each;
  // Learning from a loss would blunt the check: among the first samples nothing may be twice another.
  if (each >= min_ * 2 - min_ / 4 || each * 2 - each / 4 <= max_) {
    const bool more = each > max_;
    samples_ = 1;
    min_ = max_ = more ? std::min(min_, each) : each;
    return true;
  }
  min_ = std::min(min_, each);
  max_ = std::max(max_, each);
  ++samples_;
  return true;
}

void video_check::lost() {
  zeros_ = 0;
  capturing_ = false;
  first_unit_open_ = false;
  stamped_ = false;
  last_dts_.reset();
  units_ = 0;
  in_picture_ = picture_known_ = false;
  last_mb_ = -1;
  slices_ = 0;
}

void video_check::decide(bool random_access) {
  if (!first_unit_open_) return;
  first_unit_open_ = false;
  now_.decided = true;
  now_.random_access = random_access || random_access_;
}

check_outcome video_check::pes_start(const pes_header& head, bool random_access) {
  now_ = {};
  if (first_unit_open_) decide(false); // a PES packet in which no picture began
  now_ = {};
  first_unit_open_ = true;
  random_access_ = random_access;
  sequence_ = recovery_ = false;
  const auto dts = head.decode_time();
  stamped_ = dts.has_value();
  if (dts) dts_ = *dts;
  if (kind_ != codec::mpeg_video) {
    // One access unit per PES packet: broadcast H.264 and HEVC are sent so [TS 101 154 5.5, 5.14].
    capturing_ = false;
    zeros_ = 0;
    ++units_;
    if (stamped_) {
      if (last_dts_ && !steps_.accept(pts_step(*last_dts_, dts_), units_)) now_.failed = true;
      last_dts_ = dts_;
      units_ = 0;
    }
    if (kind_ == codec::h264 && slices_ > 0) {
      if (slices_ == slices_usual_) {
        ++slices_same_;
      } else {
        if (slices_same_ >= same_slices_to_arm) now_.failed = true;
        slices_usual_ = slices_;
        slices_same_ = 1;
      }
    }
    last_mb_ = -1;
    slices_ = 0;
    now_.sync = !now_.failed;
  }
  if (random_access) decide(true);
  return now_;
}

check_outcome video_check::payload(std::span<const uint8_t> in) {
  now_ = {};
  const uint8_t* p = in.data();
  const uint8_t* const end = p + in.size();
  if (capturing_) {
    const size_t n = std::min(in.size(), want_ - got_);
    if (got_ == 0 && n > 0) {
      start_code(p, end);
    } else {
      std::memcpy(unit_.data() + got_, p, n);
      got_ += n;
      if (got_ == want_) interpret();
    }
  }
  // A start code may lie across the border between two packets.
  if (zeros_ >= 2 && in.size() >= 1 && p[0] == 1) start_code(p + 1, end);
  else if (zeros_ >= 1 && in.size() >= 2 && p[0] == 0 && p[1] == 1) start_code(p + 2, end);
  for (const uint8_t* q = find_start_code(p, end); q != end; q = find_start_code(q + 3, end)) start_code(q + 3, end);
  unsigned zeros = 0;
  while (zeros < 2 && zeros < in.size() && end[-1 - static_cast<ptrdiff_t>(zeros)] == 0) ++zeros;
  if (in.size() < 2 && zeros == in.size()) zeros = std::min(2u, zeros + zeros_);
  zeros_ = zeros;
  return now_;
}

void video_check::start_code(const uint8_t* at, const uint8_t* end) {
  if (capturing_ && got_ > 0) interpret(); // a short unit
  capturing_ = true;
  got_ = 0;
  want_ = 1;
  if (at >= end) return; // the code itself is in the next packet
  const uint8_t code = *at;
  if (kind_ == codec::mpeg_video) {
    want_ = code == 0x00 ? 4 : code == 0xb3 ? 5 : code == 0xb5 ? 7 : 1;
  } else if (kind_ == codec::h264) {
    const unsigned type = code & 0x1f;
    want_ = type == 1 || type == 5 ? 10 : type == 6 ? unit_.size() : 1;
  } else {
    want_ = 4;
  }
  got_ = std::min<size_t>(want_, static_cast<size_t>(end - at));
  std::memcpy(unit_.data(), at, got_);
  if (got_ == want_) interpret();
}

void video_check::interpret() {
  capturing_ = false;
  if (kind_ == codec::mpeg_video) mpeg_unit();
  else if (kind_ == codec::h264) h264_unit();
  else hevc_unit();
}

void video_check::picture_end() {
  if (!in_picture_) return;
  in_picture_ = false;
  if (!picture_known_ || rows_ == 0) return;
  if (row_ == rows_) {
    if (good_pictures_ < pictures_to_arm) ++good_pictures_;
  } else {
    if (good_pictures_ >= pictures_to_arm) now_.failed = true;
    good_pictures_ = 0;
  }
}

void video_check::mpeg_unit() {
  const uint8_t code = unit_[0];
  if (code >= 0x01 && code <= 0xaf) {
    if (!in_picture_ || !picture_known_) return;
    const unsigned row = code; // tall pictures (over 2,800 lines) extend it elsewhere and never arm the check
    if (row != row_ && row != row_ + 1) {
      if (good_pictures_ >= pictures_to_arm) now_.failed = true;
      good_pictures_ = 0;
      picture_known_ = false;
      return;
    }
    row_ = row;
    return;
  }
  if (code == 0xb2) return; // user data
  if (code == 0xb5) {
    if (got_ < 2) return;
    const unsigned id = unit_[1] >> 4;
    if (id == 1 && got_ >= 3) {
      extension_ = true;
      progressive_ = unit_[2] & 0x08;
    } else if (id == 8 && got_ >= 4 && in_picture_) {
      const unsigned structure = unit_[3] & 3;
      if (structure != 3) rows_ = (height_ + 31) / 32;
    }
    return;
  }
  picture_end();
  if (code == 0xb3) {
    if (got_ < 4) return;
    height_ = static_cast<unsigned>((unit_[2] & 0x0f) << 8 | unit_[3]);
    progressive_ = true;
    extension_ = false;
    sequence_ = true;
    return;
  }
  if (code != 0x00 || got_ < 3) return;
  const unsigned type = unit_[2] >> 3 & 7;
  in_picture_ = true;
  picture_known_ = height_ > 0 && height_ <= 2800;
  row_ = 0;
  rows_ = extension_ && !progressive_ ? 2 * ((height_ + 31) / 32) : (height_ + 15) / 16;
  ++units_;
  if (first_unit_open_ && stamped_) {
    if (last_dts_ && !steps_.accept(pts_step(*last_dts_, dts_), units_)) now_.failed = true;
    last_dts_ = dts_;
    units_ = 0;
    if (!now_.failed) now_.sync = true;
  }
  stamped_ = false;
  decide(sequence_ && type == 1);
}

void video_check::h264_unit() {
  const unsigned type = unit_[0] & 0x1f;
  if (type == 7) sequence_ = true;
  if (type == 6 && has_sei({unit_.data(), got_}, 6)) recovery_ = true;
  if (type != 1 && type != 5) return;
  bit_reader bits({unit_.data() + 1, got_ > 0 ? got_ - 1 : 0});
  const auto mb = bits.ue(), slice = bits.ue();
  if (!mb || !slice) {
    decide(false);
    return;
  }
  const bool first = first_unit_open_;
  decide(sequence_ && (type == 5 || recovery_ || *slice % 5 == 2));
  ++slices_;
  const bool in_order = *mb == 0 || static_cast<int64_t>(*mb) > last_mb_;
  last_mb_ = *mb;
  if (in_order && (!first || *mb == 0)) {
    if (good_starts_ < pictures_to_arm && first) ++good_starts_;
    return;
  }
  if (good_starts_ >= pictures_to_arm) now_.failed = true;
  good_starts_ = 0;
}

void video_check::hevc_unit() {
  const unsigned type = unit_[0] >> 1 & 0x3f;
  if (type == 33) sequence_ = true;
  if (type > 31) return;
  const bool first_slice = got_ >= 3 && unit_[2] & 0x80;
  const bool first = first_unit_open_;
  decide(type >= 16 && type <= 21);
  if (!first) return;
  if (first_slice) {
    if (good_starts_ < pictures_to_arm) ++good_starts_;
    return;
  }
  if (good_starts_ >= pictures_to_arm) now_.failed = true;
  good_starts_ = 0;
}

} // namespace ec::ts::internal
