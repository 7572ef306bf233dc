#pragma once

#include <cstdint>
#include <optional>

#include "ts/time.hpp"

namespace ec::ts {

/// Lifts PTS (33 bits, 90 kHz) to one absolute count T that every receiver of the broadcast arrives at:
/// T = PTS + n * quantum. The quantum divides the PTS wrap, so that a wrap changes n and never T modulo the quantum: a
/// receiver that locked before a wrap and one that locks after it agree. docs/adr/0002-broadcast-clock.md. Pure.
class broadcast_clock {
public:
  /// 2^28 ticks, 2,982.6 s: a 32nd of the PTS wrap.
  static constexpr int64_t quantum = int64_t{1} << 28;
  /// A PTS further back than this is a jump of the station's clock; less is reordering or a splice.
  static constexpr int64_t backward_max = pts_hz / 2;
  /// The input of another node may be so far ahead of this one's.
  static constexpr int64_t lead_max = 120 * pts_hz;
  /// The broadcast's time may move this far against T before the node believes that it missed a jump.
  static constexpr int64_t drift_max = 120 * pts_hz;

  /// Two readings that part from each other by more than this against PTS: the station set its clock. They jitter by about a second.
  static constexpr int64_t station_step_ms = 5000;

  enum class event {
    none,
    locked,
    jumped,
    station_set, ///< the station set its own clock; the lift is kept
  };

  /// Next PTS of the stream that gives the boundaries, in decoding order of random access points. `gap`: input was
  /// interrupted since the last one, so that a step forward is no jump.
  event on_pts(uint64_t pts, bool gap = false);
  /// A reading of STT, TDT or TOT, and the PTS that the stream had reached when it came. Under a kept lift a reading that
  /// steps is told, and changes nothing.
  event on_broadcast_time(int64_t unix_ms, uint64_t pts);
  /// T of `pts`, the first PTS of chunk `index`, chunks lasting `duration_ticks`: what that chunk says of the lift. Nothing if it is no chunk of
  /// this clock, whatever the lift.
  static std::optional<int64_t> lift_of(uint64_t index, uint64_t pts, int64_t duration_ticks);
  /// Takes the lift from a chunk of the stream as others publish it: `index` began with `pts`, chunks last `duration`. Of two
  /// lifts of one stream the greater is kept: ids never fall, and no signer signs an epoch twice. A clock without broadcast time takes any.
  event adopt(uint64_t index, uint64_t pts, int64_t duration_ticks);
  /// Without broadcast time: counts from the PTS as it is.
  void lock_unsynced();

  bool locked() const { return locked_; }
  /// Locked by broadcast time or adoption.
  bool synced() const { return synced_; }
  uint32_t era() const { return era_; }
  /// T of `pts`, which lies within half a wrap of the last PTS seen. Only if locked.
  int64_t lift(uint64_t pts) const { return last_t_ + pts_step(last_pts_, pts); }
  /// The last reading brought to `pts`; nothing before any.
  std::optional<int64_t> unix_ms_at(uint64_t pts) const;

private:
  void set_lift(int64_t n) { last_t_ = static_cast<int64_t>(last_pts_) + n * quantum; }

  bool locked_ = false;
  bool synced_ = false;
  bool have_pts_ = false; ///< last_pts_ is set
  bool heard_ = false;    ///< by the stream's own PTS
  uint32_t era_ = 0;
  uint64_t last_pts_ = 0;
  int64_t last_t_ = 0; ///< T of last_pts_
  struct reading {
    int64_t unix_ms = 0;
    uint64_t pts = 0;
  };
  std::optional<reading> reading_;
  std::optional<int64_t> offset_; ///< broadcast time minus T, 90 kHz, as first read under this lift
};

} // namespace ec::ts
