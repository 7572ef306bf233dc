#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "ts/internal/chunk_builder.hpp"
#include "ts/section.hpp"
#include "ts/time.hpp"

/// A small multiplexer: H.264-like video and ADTS-like audio whose headers are right and whose payload is noise, so that
/// tests can say exactly which packet is what.
namespace ec::test {

struct mux_options {
  uint64_t first_pts = 900'000;
  unsigned gop = 15;               ///< pictures
  int64_t frame = 3'000;           ///< 90 kHz, 30 pictures a second
  size_t picture_bytes = 6'000;
  bool audio = true;
  bool pcr_in_video = true;        ///< else on PID 0x200 without payload
  std::optional<int64_t> unix_ms;  ///< STT from this time on, each second
  size_t picture_packets = 0;      ///< over 0: null packets fill each picture's time up to so many, a constant rate
  uint16_t video_pid = 0x100, audio_pid = 0x101;
  uint16_t program = 5;
  unsigned tables_every = 10;      ///< pictures between two PAT and PMT
  unsigned stt_every = 30;         ///< pictures between two STT
};

class ts_mux {
public:
  explicit ts_mux(mux_options o) : o_(o), rng_(11) {}

  mux_options& options() { return o_; }
  size_t packets() const { return out_.size() / ts::packet_bytes; }
  const std::vector<uint8_t>& bytes() const { return out_; }
  ts::packet_view packet(size_t n) const { return ts::packet_view(out_.data() + n * ts::packet_bytes); }
  /// Packet number at which each picture begins.
  const std::vector<size_t>& pictures() const { return pictures_; }
  /// The bytes since the last call.
  std::vector<uint8_t> take() {
    pictures_.clear();
    return std::exchange(out_, {});
  }
  /// PTS moves by this much from the next picture on.
  void jump(int64_t ticks) { shift_ += ticks; }

  void run(unsigned pictures) {
    for (unsigned i = 0; i < pictures; ++i) picture();
  }

private:
  uint8_t noise() { return static_cast<uint8_t>(0x10 + rng_() % 0xe0); }
  uint64_t pts() const { return (o_.first_pts + static_cast<uint64_t>(static_cast<int64_t>(count_) * o_.frame + shift_)) & (static_cast<uint64_t>(ts::pts_wrap) - 1); }

  void picture() {
    if (count_ % o_.tables_every == 0) tables();
    if (o_.unix_ms && count_ % o_.stt_every == 0) stt();
    pictures_.push_back(packets());
    std::vector<uint8_t> es{0, 0, 0, 1, 0x09, 0xf0};
    const bool key = count_ % o_.gop == 0;
    if (key) es.insert(es.end(), {0, 0, 0, 1, 0x67, 0x64, 0x11, 0x22, 0, 0, 0, 1, 0x68, 0xee, 0x3c, 0x80});
    es.insert(es.end(), {0, 0, 1, static_cast<uint8_t>(key ? 0x65 : 0x41), static_cast<uint8_t>(key ? 0x88 : 0x9a)});
    for (size_t i = 0; i < o_.picture_bytes; ++i) es.push_back(noise());
    if (!o_.pcr_in_video) pcr_only();
    pes(o_.video_pid, 0xe0, pts(), es, video_counter_, o_.pcr_in_video);
    if (o_.audio)
      while (audio_samples_ * ts::pts_hz / 48'000 <= static_cast<int64_t>(count_) * o_.frame) audio();
    ++count_;
    while (packets() < count_ * o_.picture_packets) {
      begin(ts::null_pid, false, 0x10, 0);
      out_.resize(out_.size() + 184, 0xff);
    }
  }

  void audio() {
    std::vector<uint8_t> es;
    const auto at = (o_.first_pts + static_cast<uint64_t>(audio_samples_ * ts::pts_hz / 48'000 + shift_)) & (static_cast<uint64_t>(ts::pts_wrap) - 1);
    for (int f = 0; f < 2; ++f) {
      const size_t n = 341 + rng_() % 60;
      es.insert(es.end(), {0xff, 0xf1, 0x4c, static_cast<uint8_t>(0x80 | n >> 11), static_cast<uint8_t>(n >> 3), static_cast<uint8_t>(n << 5 | 0x1f), 0xfc});
      for (size_t i = 7; i < n; ++i) es.push_back(noise());
      audio_samples_ += 1024;
    }
    pes(o_.audio_pid, 0xc0, at, es, audio_counter_, false);
  }

  void pes(uint16_t pid, uint8_t id, uint64_t stamp, const std::vector<uint8_t>& es, uint8_t& counter, bool pcr) {
    std::vector<uint8_t> all{0, 0, 1, id, 0, 0, 0x80, 0x80, 5};
    if (id == 0xc0) {
      const size_t length = es.size() + 8;
      all[4] = static_cast<uint8_t>(length >> 8), all[5] = static_cast<uint8_t>(length);
    }
    all.insert(all.end(), {static_cast<uint8_t>(0x21 | (stamp >> 29 & 0x0e)), static_cast<uint8_t>(stamp >> 22), static_cast<uint8_t>(1 | (stamp >> 14 & 0xfe)),
                 static_cast<uint8_t>(stamp >> 7), static_cast<uint8_t>(1 | stamp << 1)});
    all.insert(all.end(), es.begin(), es.end());
    bool first = true;
    for (size_t at = 0; at < all.size(); first = false) {
      size_t room = 184;
      std::vector<uint8_t> field;
      if (first && pcr) field = pcr_field(0x10);
      const size_t left = all.size() - at;
      room -= field.empty() ? 0 : field.size();
      if (left < room) {
        const size_t pad = room - left;
        if (field.empty()) {
          field.push_back(static_cast<uint8_t>(pad - 1));
          if (pad > 1) field.push_back(0);
          field.resize(pad, 0xff);
        } else {
          field.resize(field.size() + pad, 0xff);
          field[0] = static_cast<uint8_t>(field.size() - 1);
        }
        room = left;
      }
      begin(pid, first, field.empty() ? 0x10 : 0x30, counter);
      counter = (counter + 1) & 15;
      out_.insert(out_.end(), field.begin(), field.end());
      out_.insert(out_.end(), all.begin() + static_cast<ptrdiff_t>(at), all.begin() + static_cast<ptrdiff_t>(at + room));
      at += room;
    }
  }

  std::vector<uint8_t> pcr_field(uint8_t flags) {
    const uint64_t base = (pts() - 45'000) & (static_cast<uint64_t>(ts::pts_wrap) - 1);
    return {7, flags, static_cast<uint8_t>(base >> 25), static_cast<uint8_t>(base >> 17), static_cast<uint8_t>(base >> 9),
            static_cast<uint8_t>(base >> 1), static_cast<uint8_t>((base & 1) << 7 | 0x7e), 0};
  }

  void pcr_only() {
    auto field = pcr_field(0x10);
    field.resize(184, 0xff);
    field[0] = 183;
    begin(0x200, false, 0x20, 0);
    out_.insert(out_.end(), field.begin(), field.end());
  }

  void begin(uint16_t pid, bool start, uint8_t control, uint8_t counter) {
    out_.insert(out_.end(), {0x47, static_cast<uint8_t>((start ? 0x40 : 0) | pid >> 8), static_cast<uint8_t>(pid), static_cast<uint8_t>(control | counter)});
  }

  void tables() {
    ts::program_facts f;
    f.program_number = o_.program;
    f.pcr_pid = o_.pcr_in_video ? o_.video_pid : 0x200;
    f.streams.push_back({o_.video_pid, 0x1b, ts::codec::h264, {}, {}});
    if (o_.audio) f.streams.push_back({o_.audio_pid, 0x0f, ts::codec::adts, {}, {}});
    auto made = ts::internal::make_layout(f).tables;
    for (size_t at = 0; at < made.size(); at += ts::packet_bytes) made[at + 3] = static_cast<uint8_t>((made[at + 3] & 0xf0) | table_counter_);
    table_counter_ = (table_counter_ + 1) & 15;
    out_.insert(out_.end(), made.begin(), made.end());
  }

  void stt() {
    const auto gps = static_cast<uint32_t>((*o_.unix_ms + static_cast<int64_t>(count_) * o_.frame / 90) / 1000 - 315'964'800 + 18);
    std::vector<uint8_t> s{0xcd, 0xf0, 17, 0, 0, 0xc1, 0, 0, 0, static_cast<uint8_t>(gps >> 24), static_cast<uint8_t>(gps >> 16),
                           static_cast<uint8_t>(gps >> 8), static_cast<uint8_t>(gps), 18, 0x60, 0};
    ts::append_crc(s);
    begin(0x1ffb, true, 0x10, stt_counter_);
    stt_counter_ = (stt_counter_ + 1) & 15;
    out_.push_back(0);
    out_.insert(out_.end(), s.begin(), s.end());
    out_.resize((out_.size() + ts::packet_bytes - 1) / ts::packet_bytes * ts::packet_bytes, 0xff);
  }

  mux_options o_;
  std::mt19937_64 rng_;
  std::vector<uint8_t> out_;
  std::vector<size_t> pictures_;
  uint64_t count_ = 0;
  int64_t shift_ = 0, audio_samples_ = 0;
  uint8_t video_counter_ = 0, audio_counter_ = 0, table_counter_ = 0, stt_counter_ = 0;
};

} // namespace ec::test
