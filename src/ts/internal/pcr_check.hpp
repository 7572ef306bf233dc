#pragma once

#include <cstdint>
#include <optional>
#include <vector>

/// Losses that no continuity counter shows, found by the program clock.
namespace ec::ts::internal {

/// Two rules, each armed only while the broadcast keeps it exactly:
/// - *rate*: in a multiplex of constant rate, null packets included, PCR counts packets [13818-1 2.4.2.2]. What is missing
///   there and in no counter is a multiple of 16 packets of one PID, or null packets;
/// - *cadence*: where PCRs come at equal intervals in packets with payload, an interval of two or more is a lost packet.
/// A PID filter takes the nulls and with them the first rule; the second stays. What breaks a rule twice running has a new
/// habit, which is learned.
class pcr_check {
public:
  /// The next PCR of the program. `number`: packets of the whole multiplex so far, with those that counters showed as lost;
  /// `position`: carried packets before this one. False if packets are missing since proven().
  bool push(uint64_t pcr, uint64_t number, uint64_t position, bool with_payload);
  /// A packet of the PCR's PID is known to be lost or marked: the interval under way says nothing.
  void gap() { gap_ = true; }
  /// Nobody knows how much was lost: the next PCR begins anew. Habits stay.
  void lost();
  /// Another clock: habits go too.
  void restart() { *this = {}; }

  /// True if a rule holds: then nothing behind proven() is certain yet.
  bool armed() const { return rate_packets_ > 0 || steps_ >= equal_steps_to_arm; }
  /// Position up to which the clock vouches for the streams.
  uint64_t proven() const { return proven_; }

  static constexpr size_t steps_to_arm = 32; ///< of the rate
  static constexpr size_t equal_steps_to_arm = 16;

private:
  struct point {
    uint64_t pcr = 0, number = 0;
  };
  enum class verdict { fine, open, lost };
  verdict judge_rate(point now);
  bool judge_cadence(int64_t step, bool with_payload);
  /// What the clock says was sent between two points, less what was counted; in packets times rate_ticks_.
  int64_t missing(point from, point to) const;
  void learn_rate(point now);

  std::optional<uint64_t> last_;
  uint64_t proven_ = 0;
  bool gap_ = false;
  // Rate: rate_ticks_ of 27 MHz per rate_packets_; 0 of both while not armed.
  std::vector<point> line_; ///< the latest points that lie on one line, the newest at the back
  int64_t rate_ticks_ = 0, rate_packets_ = 0;
  unsigned off_line_ = 0;   ///< points since the last that was on it
  bool rate_doubted_ = false; ///< the last verdict was a loss: another at once is a new habit
  // Cadence
  size_t steps_ = 0;
  int64_t shortest_ = 0, longest_ = 0;
  bool cadence_doubted_ = false;
};

} // namespace ec::ts::internal
