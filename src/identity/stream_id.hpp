#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

/// What a stream is called: the same broadcast has the same name everywhere. Format: docs/formats/stream-id.md.
namespace ec::identity {

/// A stream that is what one device of one node delivers: never claimed to be the same elsewhere.
struct source_scope {
  std::string kind;    ///< hdhomerun, http, file, stdin, udp, ...
  std::string device;  ///< device id, host, or digest of a path
  std::string channel; ///< what was picked there

  friend auto operator<=>(const source_scope&, const source_scope&) = default;
};

/// A stream that is a broadcast, named by what is on the air. `standard` and at least one other field are set. Which of them make a
/// name that is one broadcast's only: broadcast.hpp.
struct broadcast_scope {
  std::string standard;                    ///< atsc, dvb, ...: 1 to 16 of [a-z0-9]
  std::optional<uint16_t> network;         ///< original_network_id (DVB)
  std::optional<uint16_t> tsid;            ///< transport_stream_id
  std::optional<uint16_t> program_number;  ///< service_id in DVB
  std::optional<std::string> virtual_channel; ///< major or major.minor in digits: "9.10" is not "9.1"
  std::optional<std::string> callsign;     ///< normalised by whoever derives it

  friend auto operator<=>(const broadcast_scope&, const broadcast_scope&) = default;
};

using scope = std::variant<broadcast_scope, source_scope>;

/// A valid stream id. There is one text for one id: parse(x.text()) == x, and parse(s).text() == s.
class stream_id {
public:
  /// Errors: malformed (with the reason), too_large (over stream_id_bytes_max).
  [[nodiscard]] static base::result<stream_id> parse(std::string_view text);
  /// `profile` and `variant` are 1 to 64 of [a-z0-9.-]. Errors: invalid_argument, too_large.
  [[nodiscard]] static base::result<stream_id> make(identity::scope of, std::string profile, std::string variant = "main");

  /// `ec/stream/v1/source/kind-file/device-.../channel-1/profile-ts-v1/variant-main`
  const std::string& text() const { return text_; }
  /// The text without profile and variant: names the broadcast or source, in every form in which it is passed on.
  std::string_view key() const { return std::string_view(text_).substr(0, key_bytes_); }
  const identity::scope& scope() const { return scope_; }
  bool is_broadcast() const { return std::holds_alternative<broadcast_scope>(scope_); }
  const std::string& profile() const { return profile_; }
  const std::string& variant() const { return variant_; }

  friend bool operator==(const stream_id& a, const stream_id& b) { return a.text_ == b.text_; }
  friend auto operator<=>(const stream_id& a, const stream_id& b) { return a.text_ <=> b.text_; }

private:
  stream_id() = default;

  std::string text_;
  size_t key_bytes_ = 0;
  identity::scope scope_;
  std::string profile_;
  std::string variant_;
};

/// The default for an input whose broadcast identity is not known. Errors: invalid_argument, too_large.
[[nodiscard]] base::result<stream_id> source_stream_id(std::string kind, std::string device, std::string channel, std::string profile,
                                                       std::string variant = "main");

/// The path elements of an id: the fields of its MoQ track namespace, still percent-encoded.
std::vector<std::string> namespace_fields(const stream_id& id);

/// The id whose track namespace this is. Errors: malformed, too_large.
[[nodiscard]] base::result<stream_id> from_namespace_fields(std::span<const std::string> fields);

} // namespace ec::identity
