#include "media/test_broadcast.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <optional>

#include "media/internal/sound_loop.hpp"
#include "media/internal/tables.hpp"
#include "media/internal/video_writer.hpp"

namespace ec::media {
namespace {

using base::errc;
using base::fail;
using internal::section;

constexpr uint64_t ticks = 300; ///< 27 MHz ticks in one of 90 kHz
constexpr uint64_t ms = 27'000;
/// By so much a picture is on the way before it is decoded; at 10 Mbit/s it fills half of the VBV buffer.
constexpr uint64_t video_lead = 500 * ms;
/// Little, as on the air: the buffer of the system target decoder for AC-3 holds 2,592 bytes.
constexpr uint64_t audio_lead = 30 * ms;
constexpr uint64_t pcr_period = 30 * ms; ///< the first video packet of each takes a PCR along
constexpr uint64_t pcr_alone = 6 * ms;   ///< so far into a period without one, it goes alone
constexpr uint64_t psi_period = 100 * ms;
constexpr uint64_t mgt_period = 150 * ms;
constexpr uint64_t tvct_period = 400 * ms;
/// The multiplexer runs for so long before the first packet that is handed out. What it holds at a moment is forgotten when it
/// next has nothing to send, and it has time to spare in each group of pictures: so what it sends depends on the time of day alone.
constexpr uint64_t warm_up = 2000 * ms;

/// A PES packet on its way into TS packets.
struct unit {
  std::vector<uint8_t> bytes;
  size_t sent = 0;
  bool random_access = false;
  bool ends_group = false;
};

/// How many packets a unit with a random access point takes that is sent without a PCR.
uint64_t packets_for(size_t bytes) {
  return bytes <= 182 ? 1 : 1 + (bytes - 182 + 183) / 184;
}

void append_stamp(std::vector<uint8_t>& out, uint8_t prefix, uint64_t stamp) {
  out.push_back(static_cast<uint8_t>(prefix << 4 | (stamp >> 30 & 7) << 1 | 1));
  out.push_back(static_cast<uint8_t>(stamp >> 22));
  out.push_back(static_cast<uint8_t>((stamp >> 15 & 0x7f) << 1 | 1));
  out.push_back(static_cast<uint8_t>(stamp >> 7));
  out.push_back(static_cast<uint8_t>((stamp & 0x7f) << 1 | 1));
}

unit make_pes(uint8_t stream_id, const std::vector<uint8_t>& payload, uint64_t pts, uint64_t dts, bool bounded) {
  unit out;
  auto& b = out.bytes;
  const uint8_t header = pts == dts ? 5 : 10;
  b.reserve(payload.size() + 9 + header);
  const size_t length = bounded ? payload.size() + 3u + header : 0;
  b = {0, 0, 1, stream_id, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0x84,
    static_cast<uint8_t>(pts == dts ? 0x80 : 0xc0), header};
  append_stamp(b, pts == dts ? 2 : 3, pts);
  if (pts != dts) append_stamp(b, 1, dts);
  b.insert(b.end(), payload.begin(), payload.end());
  return out;
}

/// A table that is sent again and again; small enough for one packet.
struct table {
  uint16_t pid = 0;
  uint64_t period = 0;
  uint64_t next = 0;
  section bytes;
};

bool good_callsign(const std::string& text) {
  return !text.empty() && text.size() <= 7 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; });
}

} // namespace

struct test_broadcast::state {
  test_broadcast_config config;
  internal::sound_loop sound;
  std::unique_ptr<internal::video_writer> video;
  std::optional<internal::coded_picture> coming; ///< coded, not yet due
  std::deque<unit> pictures;                     ///< on their way
  std::optional<unit> sounding;
  uint64_t sound_frame = 0;                      ///< number of the next frame since the Unix epoch
  uint64_t packets = 0;                          ///< number of the next packet since the Unix epoch
  uint64_t pcr_slot = 0;                         ///< the period of the last PCR
  bool picture_begun = false;                    ///< nothing is handed out of a group of pictures, or sound, that began earlier
  bool sound_begun = false;
  uint64_t sound_spacing = 0;                    ///< packets between two of sound: 2 Mbit/s into the transport buffer
  uint64_t sound_next = 0;
  uint64_t last_stt_s = 0;
  std::vector<table> tables;
  std::array<uint8_t, 0x2000> counters{};

  /// When packet `n` leaves, in 27 MHz ticks since the Unix epoch; seconds and rest apart, so that nothing overflows.
  uint64_t time_of(uint64_t n) const {
    const uint64_t bits = n * 1504;
    const uint64_t rate = config.bit_rate;
    return bits / rate * 27'000'000 + bits % rate * 27'000'000 / rate;
  }

  /// The first packet that leaves at `time` or later.
  uint64_t packet_at(uint64_t time) const {
    const uint64_t rate = config.bit_rate;
    const uint64_t bits = time / 27'000'000 * rate + (time % 27'000'000 * rate + 26'999'999) / 27'000'000;
    return (bits + 1503) / 1504;
  }

  uint8_t* begin_packet(uint8_t* p, uint16_t pid, bool start) {
    p[0] = 0x47;
    p[1] = static_cast<uint8_t>((start ? 0x40 : 0) | pid >> 8);
    p[2] = static_cast<uint8_t>(pid);
    p[3] = static_cast<uint8_t>(0x10 | counters[pid]);
    counters[pid] = (counters[pid] + 1) & 15;
    return p + 4;
  }

  static void write_pcr(uint8_t* at, uint64_t now) {
    const uint64_t base = now / ticks & 0x1ffffffff;
    const uint64_t rest = now % ticks;
    at[0] = static_cast<uint8_t>(base >> 25);
    at[1] = static_cast<uint8_t>(base >> 17);
    at[2] = static_cast<uint8_t>(base >> 9);
    at[3] = static_cast<uint8_t>(base >> 1);
    at[4] = static_cast<uint8_t>((base & 1) << 7 | 0x7e | rest >> 8);
    at[5] = static_cast<uint8_t>(rest);
  }

  static void null_packet(uint8_t* p) {
    p[0] = 0x47;
    p[1] = 0x1f;
    p[2] = 0xff;
    p[3] = 0x10;
    std::memset(p + 4, 0xff, 184);
  }

  void pcr_packet(uint8_t* p, uint64_t now) {
    p[0] = 0x47;
    p[1] = internal::video_pid >> 8;
    p[2] = internal::video_pid & 0xff;
    p[3] = static_cast<uint8_t>(0x20 | ((counters[internal::video_pid] + 15) & 15)); // without payload the counter stands still
    p[4] = 183;
    p[5] = 0x10;
    write_pcr(p + 6, now);
    std::memset(p + 12, 0xff, 176);
    pcr_slot = now / pcr_period;
  }

  void section_packet(uint8_t* p, uint16_t pid, const section& s) {
    uint8_t* at = begin_packet(p, pid, true);
    *at++ = 0; // pointer
    at = std::copy(s.begin(), s.end(), at);
    std::fill(at, p + 188, uint8_t{0xff});
  }

  /// The next part of a PES packet; true once it is all sent. The last picture of a group is spread so that the counter comes
  /// round with its end: each group begins with counter 0.
  bool unit_packet(uint8_t* p, uint16_t pid, unit& u, uint64_t now, bool with_pcr) {
    const bool start = u.sent == 0;
    const size_t to_go = 16u - counters[pid];
    uint8_t* at = begin_packet(p, pid, start);
    size_t left = u.bytes.size() - u.sent;
    const bool random_access = start && u.random_access;
    size_t part = std::min<size_t>(left, with_pcr ? 176 : random_access ? 182 : 184);
    if (u.ends_group && left <= to_go * 176) { // beside a PCR there is room for 176
      if (left < to_go) u.bytes.resize(u.bytes.size() + (to_go - left), 0); // zeros may follow a picture [13818-2 5.2.3, H.264 B.1]
      left = std::max(left, to_go);
      part = (left + to_go - 1) / to_go;
    }
    const size_t adaptation = 184 - part; // length byte included
    if (adaptation > 0) {
      p[3] |= 0x20;
      *at++ = static_cast<uint8_t>(adaptation - 1);
      if (adaptation > 1) {
        *at++ = static_cast<uint8_t>((random_access ? 0x40 : 0) | (with_pcr ? 0x10 : 0));
        if (with_pcr) {
          write_pcr(at, now);
          at += 6;
          pcr_slot = now / pcr_period;
        }
        const size_t stuffing = static_cast<size_t>(p + 4 + adaptation - at);
        at = std::fill_n(at, stuffing, uint8_t{0xff});
      }
    }
    std::copy_n(u.bytes.begin() + static_cast<ptrdiff_t>(u.sent), part, at);
    u.sent += part;
    return u.sent == u.bytes.size();
  }

  uint64_t sound_pts(uint64_t frame) const { return (frame * sound.samples - sound.delay) * 15 / 8; }

  void fetch(uint64_t now) {
    while (true) {
      if (!coming) coming = video->next();
      if (coming->dts * ticks > now + video_lead) break;
      auto u = make_pes(0xe0, coming->bytes, coming->pts & 0x1ffffffff, coming->dts & 0x1ffffffff, false);
      u.random_access = coming->random_access;
      u.ends_group = coming->ends_group;
      pictures.push_back(std::move(u));
      coming.reset();
    }
    if (!sounding && sound_pts(sound_frame) * ticks <= now + audio_lead) {
      const auto pts = sound_pts(sound_frame) & 0x1ffffffff;
      sounding = make_pes(config.codec == test_codec::mpeg2 ? 0xbd : 0xc0, sound.frames[sound_frame % sound.frames.size()], pts, pts, true);
      sounding->random_access = true;
      ++sound_frame;
    }
  }

  void packet(uint8_t* p) {
    const uint64_t now = time_of(packets);
    fetch(now);
    const bool pcr_wanted = now / pcr_period != pcr_slot;
    if (pcr_wanted && now % pcr_period >= pcr_alone) return pcr_packet(p, now);
    if (const uint64_t second = now / 27'000'000; second != last_stt_s) {
      last_stt_s = second; // the first packet of each second
      return section_packet(p, internal::psip_pid, internal::make_stt(static_cast<int64_t>(second)));
    }
    for (auto& t : tables)
      if (now >= t.next) {
        t.next += t.period;
        return section_packet(p, t.pid, t.bytes);
      }
    if (sounding && packets >= sound_next) {
      sound_next = packets + sound_spacing;
      if (unit_packet(p, internal::audio_pid, *sounding, now, false)) sounding.reset();
      return;
    }
    if (!pictures.empty()) {
      if (unit_packet(p, internal::video_pid, pictures.front(), now, pcr_wanted)) pictures.pop_front();
      return;
    }
    null_packet(p);
  }

  /// Brings the multiplexer to packet `first` from a group of pictures that began earlier.
  void tune_in(uint64_t first) {
    const uint64_t from = coming->dts * ticks - video_lead; // when that group is due
    packets = packet_at(from);
    const uint64_t now = time_of(packets);
    sound_frame = (now + audio_lead) / ticks * 8 / 15 / sound.samples; // about; then the first that is not due
    while (sound_pts(sound_frame) * ticks <= now + audio_lead) ++sound_frame;
    // Counters say how many packets there were since the Unix epoch.
    uint64_t in_round = 0, before = 0;
    for (size_t i = 0; i < sound.frames.size(); ++i) {
      const auto count = packets_for(sound.frames[i].size() + 14);
      in_round += count;
      if (i < sound_frame % sound.frames.size()) before += count;
    }
    counters[internal::audio_pid] = static_cast<uint8_t>((sound_frame / sound.frames.size() * in_round + before) & 15);
    last_stt_s = time_of(packets - 1) / 27'000'000;
    uint64_t psip = last_stt_s;
    for (auto& t : tables) {
      const uint64_t due = (now + t.period - 1) / t.period;
      t.next = due * t.period;
      counters[t.pid] = static_cast<uint8_t>(due & 15);
      if (t.pid == internal::psip_pid) psip += due;
    }
    counters[internal::psip_pid] = static_cast<uint8_t>(psip & 15);
    std::array<uint8_t, 188> unheard{};
    for (; packets < first; ++packets) packet(unheard.data());
  }

  /// A receiver that hears this from its first packet on must find whole units only: what is on its way at the beginning is
  /// left out, as if the station had gone on the air at this moment.
  void leave_out_begun(uint8_t* p) {
    const auto pid = static_cast<uint16_t>((p[1] & 0x1f) << 8 | p[2]);
    const bool starts = (p[1] & 0x40) != 0;
    const bool random_access = (p[3] & 0x20) != 0 && p[4] > 0 && (p[5] & 0x40) != 0;
    if (pid == internal::audio_pid && !sound_begun) {
      sound_begun = starts;
      if (!starts) null_packet(p);
    } else if (pid == internal::video_pid && !picture_begun) {
      picture_begun = starts && random_access;
      if (picture_begun) return;
      const bool with_pcr = (p[3] & 0x20) != 0 && p[4] > 0 && (p[5] & 0x10) != 0;
      if (!with_pcr) return null_packet(p);
      pcr_packet(p, time_of(packets));
      p[3] = 0x20 | 15; // the group begins with counter 0
    }
  }
};

test_broadcast::test_broadcast(std::unique_ptr<state> s) : state_(std::move(s)) {}
test_broadcast::test_broadcast(test_broadcast&&) noexcept = default;
test_broadcast& test_broadcast::operator=(test_broadcast&&) noexcept = default;
test_broadcast::~test_broadcast() = default;

base::result<test_broadcast> test_broadcast::create(test_broadcast_config config) {
  const bool mpeg2 = config.codec == test_codec::mpeg2;
  if (config.bit_rate == 0) config.bit_rate = mpeg2 ? 19'392'658 : 8'000'000;
  if (config.video_bit_rate == 0) config.video_bit_rate = mpeg2 ? 10'000'000 : 2'400'000;
  if (!good_callsign(config.callsign)) return fail(errc::invalid_argument, "a callsign has 1..7 of A-Z, 0-9 and -", config.callsign);
  if (config.major < 1 || config.major > 1023 || config.minor > 999) return fail(errc::invalid_argument, "a virtual channel is 1..1023 and 0..999");
  if (config.program_number == 0) return fail(errc::invalid_argument, "program number 0 is the network's");
  const uint64_t floor_rate = mpeg2 ? 5'000'000 : 4'000'000;
  if (config.bit_rate < floor_rate || config.bit_rate > 80'000'000)
    return fail(errc::invalid_argument, "the rate of the multiplex must be " + std::to_string(floor_rate) + "..80000000 bit/s");
  if (mpeg2 && config.video_bit_rate + config.video_bit_rate / 8 + 1'000'000 > config.bit_rate)
    return fail(errc::invalid_argument, "the picture does not fit into the multiplex: lower the video rate or raise the other");
  const auto start_ms = base::unix_ms(config.start);
  if (start_ms < 315'964'800'000 || start_ms > 4'102'444'800'000)
    return fail(errc::invalid_argument, "the broadcast must start between 1980 and 2100");

  auto s = std::make_unique<state>();
  EC_TRY(s->sound, internal::make_sound(config.codec, config.surround));
  s->config = config;
  const auto title = config.callsign + (config.callsign.size() <= 5 ? " " + std::to_string(config.major) + "." + std::to_string(config.minor) : "");
  const uint64_t start = static_cast<uint64_t>(start_ms) * ms;
  const uint64_t gop = picture_at((start - warm_up + video_lead) / ticks) / internal::gop_pictures;
  s->video = mpeg2 ? internal::make_mpeg2_writer(gop, title, config.video_bit_rate) : internal::make_h264_writer(gop, title);
  s->coming = s->video->next();
  s->sound_spacing = config.bit_rate / 2'000'000 + 1;
  auto tvct = internal::make_tvct(s->config);
  const auto tvct_bytes = tvct.size();
  s->tables = {
    {0, psi_period, 0, internal::make_pat(s->config)},
    {internal::pmt_pid, psi_period, 0, internal::make_pmt(s->config)},
    {internal::psip_pid, mgt_period, 0, internal::make_mgt(tvct_bytes)},
    {internal::psip_pid, tvct_period, 0, std::move(tvct)},
  };
  s->tune_in(s->packet_at(start));
  return test_broadcast(std::move(s));
}

base::bytes test_broadcast::next(size_t packets) {
  std::vector<uint8_t> out(packets * 188);
  for (size_t i = 0; i < packets; ++i, ++state_->packets) {
    state_->packet(out.data() + i * 188);
    if (!state_->picture_begun || !state_->sound_begun) state_->leave_out_begun(out.data() + i * 188);
  }
  return base::bytes::adopt(std::move(out));
}

uint64_t test_broadcast::bit_rate() const {
  return state_->config.bit_rate;
}

const test_broadcast_config& test_broadcast::config() const {
  return state_->config;
}

} // namespace ec::media
