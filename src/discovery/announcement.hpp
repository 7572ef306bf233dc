#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "identity/stream_id.hpp"

/// Who has which stream, and how to reach them. Format: docs/formats/announcement.md.
namespace ec::discovery {

/// SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER): what a pin names. It outlives the certificate.
using spki_digest = std::array<uint8_t, 32>;

/// The node itself, over QUIC.
struct direct_transport {
  std::string address; ///< "host:port", one that can be dialled
  std::string alpn;    ///< "moqt-18"
  spki_digest spki{};

  friend bool operator==(const direct_transport&, const direct_transport&) = default;
};

/// A relay at which the node's tracks are to be had.
struct relay_transport {
  std::string url;                 ///< moqt or https; no user information, no query, no fragment
  std::string broadcast;           ///< its name there: visible ASCII, 1 to 512 bytes
  std::vector<std::string> tracks; ///< visible ASCII, 1 to 64 bytes each, rising; at most announcement_tracks_max
  std::optional<spki_digest> spki; ///< unset: by its certificate authority

  friend bool operator==(const relay_transport&, const relay_transport&) = default;
};

using transport = std::variant<direct_transport, relay_transport>;

/// What one node says of one stream. Of the same signer, node and stream the highest sequence counts.
struct announcement {
  identity::stream_id stream_id;
  std::vector<std::string> aliases; ///< keys of other names of the broadcast, rising; at most announcement_aliases_max
  bool chunks = false;
  bool manifests = false;
  std::vector<transport> transports; ///< best first; none: the stream is there no more
  std::string source_node;           ///< which of the signer's nodes: 1 to 64 of [a-z0-9.-]
  crypto::verifying_key signer;
  uint64_t sequence = 0; ///< from 1
  uint64_t updated_unix_ms = 0;
  uint64_t ttl_ms = 0;   ///< it counts for so long; announcement_ttl_ms_min to _max
  crypto::signature signature = {};

  friend bool operator==(const announcement&, const announcement&) = default;
};

/// What is wrong with the fields of `a`, for a person; empty if nothing is. The signature is not looked at.
std::string fault(const announcement& a);

/// Signs `a` in place; `by` must be the key of a.signer.
void sign(announcement& a, const crypto::signing_key& by);

/// True if its signer signed exactly this.
[[nodiscard]] bool genuine(const announcement& a);

/// Canonical JSON [RFC 8785]. The value must have no fault().
std::string encode(const announcement& a);

/// The same as a value, for documents that hold several.
base::json::value to_json(const announcement& a);

/// Reads an announcement. Limits come first; encoding the result gives `text` again, byte for byte. No signature is checked: genuine().
/// Errors: too_large, malformed, unsupported (another version).
[[nodiscard]] base::result<announcement> decode(std::string_view text);

/// The ids by which the stream is known: its own, and those of its aliases, with its profile and variant.
std::vector<std::string> names(const announcement& a);

/// Who it is, whatever it is called: the TLS key at its first direct transport, which no other node can answer with; where there is none,
/// its signer and node. Two announcements of one key are no two nodes.
std::string node_of(const announcement& a);

/// True if it fits into an item of the DHT as it is.
bool fits_dht(std::string_view encoded);

/// A kind of transport, as the format spells it: "direct", "relay_moq".
std::string_view kind(const transport& t);

/// As a person or quic::endpoint_address reads it: "moqt://192.0.2.7:4443#spki=..."; the relay's URL with its pin.
std::string full_address(const transport& t);

} // namespace ec::discovery
