#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace ec::media {

/// Codecs of the test broadcast.
enum class test_codec {
  mpeg2, ///< MPEG-2 video and AC-3, as ATSC stations send
  h264,  ///< H.264 and AAC (ADTS), which every browser plays
};

struct test_broadcast_config {
  test_codec codec = test_codec::mpeg2;
  uint64_t bit_rate = 0;           ///< of the whole multiplex in bit/s; 0: 19,392,658 (ATSC) for MPEG-2, 8,000,000 for H.264
  uint64_t video_bit_rate = 0;     ///< MPEG-2: about so much picture, filled up with snow; 0: 10,000,000. H.264 takes 2.4 Mbit/s
  uint16_t major = 5;              ///< virtual channel, 1..1023
  uint16_t minor = 1;              ///< 0..999
  std::string callsign = "EC-DT";  ///< 1..7 characters of A-Z, 0-9 and '-'
  uint16_t transport_stream_id = 0x0ec1;
  uint16_t program_number = 3;     ///< 1..65535
  bool surround = true;            ///< AC-3 in 5.1; otherwise (and for AAC) stereo
  base::wall_time start{};         ///< time of day of the first packet, up to one packet's time
};

/// An endless test broadcast, 1280x720 at 60000/1001 pictures/s: a running clock and frame count in the picture, a beep and
/// a flash at every full second, PAT and PMT, PCR, PSIP with MGT, TVCT and STT, null packets up to a constant rate.
///
/// Its system time clock is the wall clock: at each moment the 90 kHz count is the Unix time in ms * 90 mod 2^33, PCR says
/// so, and a picture whose PTS is that count shows that time of day (UTC). STT says the same in GPS seconds.
///
/// **All of it is a function of the time of day**: packets are numbered from the Unix epoch on, and so are the continuity counters,
/// the tables and the places of PCR. Two broadcasts of one config that were started at different moments give the same packets,
/// but that a later one leaves out what of picture and sound began before its first packet.
///
/// Every picture can be read back by a program: see read_bars in test_picture.hpp. Closed GOPs of 30 pictures; MPEG-2 has B
/// pictures, H.264 has none.
/// The picture is coded here, cell by cell, which costs 1.5 % of a core and so can run for ever; the sound comes from
/// libavcodec, in its bit-exact mode, and repeats every 4 or 8 s. Pure: the same config gives the same bytes.
class test_broadcast {
public:
  /// Encodes the sound, and two seconds of the broadcast that are thrown away (a fraction of a second). Errors: invalid_argument (config), unsupported (no encoder in this build of
  /// libavcodec).
  [[nodiscard]] static base::result<test_broadcast> create(test_broadcast_config config);
  test_broadcast(test_broadcast&&) noexcept;
  test_broadcast& operator=(test_broadcast&&) noexcept;
  ~test_broadcast();

  /// The next `packets` packets of the multiplex: packets x 188 bytes.
  base::bytes next(size_t packets = 128);
  /// Rate of the multiplex in bit/s: packet n since the Unix epoch leaves n * 1504 / bit_rate seconds after it.
  uint64_t bit_rate() const;
  /// The config with its defaults filled in.
  const test_broadcast_config& config() const;

private:
  struct state;
  explicit test_broadcast(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace ec::media
