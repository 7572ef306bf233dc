#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "discovery/announcement.hpp"

/// Announcements for the tests of this room.
namespace ec::test {

inline const std::string wptv = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv/profile-ts-v1/variant-main";
inline constexpr int64_t noon_ms = 1'795'262'400'000; ///< 2026-11-21 12:00 UTC
inline const base::wall_time noon{std::chrono::milliseconds(noon_ms)};

inline crypto::signing_key key_of(uint32_t number) {
  std::array<uint8_t, 32> seed{};
  for (size_t i = 0; i < 4; ++i) seed[i] = static_cast<uint8_t>(number >> (8 * i));
  return crypto::signing_key::from_seed(seed);
}

/// What the node of key `number` says of a stream at noon, under sequence 1, for a minute. Not signed.
inline discovery::announcement draft(uint32_t number, const std::string& stream = wptv) {
  discovery::announcement a{.stream_id = identity::stream_id::parse(stream).value(), .aliases = {}, .chunks = true, .manifests = false,
    .transports = {discovery::direct_transport{"192.0.2.7:4443", "moqt-18", key_of(number).public_key().bytes()}}, .source_node = "roof", .signer = key_of(number).public_key()};
  a.sequence = 1;
  a.updated_unix_ms = noon_ms;
  a.ttl_ms = 60'000;
  return a;
}

inline std::string signed_by(uint32_t number, discovery::announcement a) {
  discovery::sign(a, key_of(number));
  return discovery::encode(a);
}

} // namespace ec::test
