#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

/// Transport packets as they lie in memory [13818-1 2.4.3.2].
namespace ec::ts {

inline constexpr size_t packet_bytes = 188;
inline constexpr uint8_t sync_byte = 0x47;
inline constexpr uint16_t null_pid = 0x1fff;
inline constexpr size_t pid_count = 8192;

/// Borrowed view of one packet of 188 bytes that starts with the sync byte; reads its header, checks nothing.
class packet_view {
public:
  explicit packet_view(const uint8_t* at) : p_(at) {}

  const uint8_t* data() const { return p_; }
  bool transport_error() const { return p_[1] & 0x80; }
  bool payload_unit_start() const { return p_[1] & 0x40; }
  uint16_t pid() const { return static_cast<uint16_t>((p_[1] & 0x1f) << 8 | p_[2]); }
  /// transport_scrambling_control: 0 is clear.
  uint8_t scrambling() const { return p_[3] >> 6; }
  bool has_adaptation() const { return p_[3] & 0x20; }
  /// True if adaptation_field_control promises payload; see payload_offset().
  bool has_payload() const { return p_[3] & 0x10; }
  uint8_t continuity_counter() const { return p_[3] & 0x0f; }

  /// Length of the adaptation field without its length byte; 0 without one. May exceed the packet in corrupt input.
  uint8_t adaptation_length() const { return has_adaptation() ? p_[4] : 0; }
  /// Adaptation flags; 0 if the field is absent, empty or reaches past the packet.
  uint8_t adaptation_flags() const {
    return has_adaptation() && p_[4] > 0 && p_[4] <= 183 ? p_[5] : 0;
  }
  bool discontinuity_indicator() const { return adaptation_flags() & 0x80; }
  bool random_access_indicator() const { return adaptation_flags() & 0x40; }
  /// Where the payload begins, 4..188; 188 means that there is none.
  size_t payload_offset() const {
    if (!has_payload()) return packet_bytes;
    const size_t at = has_adaptation() ? size_t{5} + p_[4] : 4;
    return at < packet_bytes ? at : packet_bytes;
  }
  bool has_pcr() const { return (adaptation_flags() & 0x10) && p_[4] >= 7; }
  /// Program clock reference in 27 MHz ticks, 0..2^33*300-1; nothing without one [13818-1 2.4.3.5].
  std::optional<uint64_t> pcr() const {
    if (!has_pcr()) return std::nullopt;
    const uint64_t base = uint64_t{p_[6]} << 25 | uint64_t{p_[7]} << 17 | uint64_t{p_[8]} << 9 | uint64_t{p_[9]} << 1 | p_[10] >> 7;
    return base * 300 + (static_cast<uint64_t>(p_[10] & 1) << 8 | p_[11]);
  }

private:
  const uint8_t* p_;
};

/// True if `a` repeats `b`: equal in every byte but the PCR, which a repeat may renew [13818-1 2.4.3.3].
inline bool is_repeat(packet_view a, packet_view b) {
  if (!a.has_pcr() || !b.has_pcr()) return std::memcmp(a.data(), b.data(), packet_bytes) == 0;
  return std::memcmp(a.data(), b.data(), 6) == 0 && std::memcmp(a.data() + 12, b.data() + 12, packet_bytes - 12) == 0;
}

} // namespace ec::ts
