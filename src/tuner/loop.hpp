#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "tuner/broadcast.hpp"

namespace ec::tuner {

/// What was found out about a capture and how it is looped.
struct loop_facts {
  uint64_t packets = 0;         ///< packets of one round
  uint64_t resyncs = 0;         ///< places where the capture's packet grid was lost
  uint16_t video_pid = 0;       ///< the PID that is cut at its random access points; of audio if there is no video
  uint8_t video_stream_type = 0;
  uint16_t pcr_pid = 0;
  uint16_t program_number = 0;
  int64_t round_pts = 0;        ///< length of a round in 90 kHz ticks: a whole number of video frames
  int64_t frame_pts = 0;        ///< usual step from frame to frame in 90 kHz ticks
  uint64_t bit_rate = 0;        ///< mean rate of a round in bit/s
  bool ends_at_random_access = false; ///< false: the round had to end before an ordinary picture
  bool frames_join = false;     ///< PTS steps on at the seam as inside
  int64_t audio_step_pts = 0;   ///< largest deviation of an audio PTS step at the seam, in 90 kHz ticks: up to half a PES packet
};

/// Plays a capture round after round as one unbroken broadcast. A round begins at the first random access point of the video
/// and ends before the last; other PIDs are cut at their own PES packets and sections near by. PCR, PTS, DTS and OPCR grow by
/// a whole number of frames each round, continuity counters go on, STT, TDT and TOT advance with the rounds (their
/// CRC is computed anew). Losses and damage inside the capture stay as they are. What is cut away of a PID becomes null
/// packets, so that the rate stays about the same. At the seam the rests of two PCR intervals add up; a section that shares
/// its packet with the rest of another may be lost there; sound steps by up to half a PES packet more or less.
/// Pure: the same capture gives the same bytes.
class loop {
public:
  /// `capture` holds TS packets of 188, 192 or 204 bytes, which come out as 188; it is kept and never copied.
  /// Errors: malformed (no packet grid, no program), unsupported (no PCR, too short for one round).
  [[nodiscard]] static base::result<loop> open(base::bytes capture);
  /// The same for a file, which is mapped into memory and must not change while it plays. Errors also: io, not_found.
  [[nodiscard]] static base::result<loop> open_file(const std::string& path);

  loop(loop&&) noexcept;
  loop& operator=(loop&&) noexcept;
  ~loop();

  const loop_facts& facts() const;
  /// The next packets, some 10 ms of them, paced by PCR.
  broadcast_burst next();
  /// `next` as a simulator wants it; takes the loop over.
  static broadcast as_broadcast(loop&& l);

private:
  struct state;
  explicit loop(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace ec::tuner
