#pragma once

#include <variant>
#include <vector>

#include "base/limits_parts.hpp"
#include "moq/internal/growing_payload.hpp"
#include "moq/internal/seen_objects.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"

namespace ec::moq {

using base::mono_time;

/// What an open request of the peer is charged with, bytes: its names stand here and in the tables of the relay.
constexpr size_t charge_of(size_t message_bytes) { return 832 + 6 * message_bytes; }
/// And a namespace that the peer was told of, or that it announces, beside its bytes.
inline constexpr size_t name_charge = 96;

/// A request that changes what others see: early data may be somebody's copy of it, so it is neither sent nor taken before the transport's
/// handshake is complete. All others ask, and may be asked twice.
inline bool waits_for_handshake(const message& m) {
  return std::holds_alternative<publish>(m) || std::holds_alternative<publish_namespace>(m);
}

/// What a session does in one family of drafts: the state machine behind `session`. Two exist, the IETF's (session_impl.hpp; moqt16_session.hpp is its
/// heir) and moq-lite (lite_session.hpp); the agreed protocol chooses, never bytes. Store and layers know neither.
class session::family : public track_observer, public store_observer {
public:
  ~family() override = default;

  virtual void on_connected(mono_time now) = 0;
  virtual void on_handshake_done(mono_time) {}
  virtual void on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) = 0;
  virtual void on_stream_reset(uint64_t stream, uint64_t code, mono_time now) = 0;
  virtual void on_stop_sending(uint64_t stream, uint64_t code, mono_time now) = 0;
  virtual void on_datagram(base::bytes data, mono_time now) = 0;
  virtual void on_streams_available(mono_time now) = 0;
  virtual void on_writable(uint64_t stream, mono_time now) = 0;
  virtual void on_transport_closed(uint64_t code, std::string_view reason) = 0;
  virtual void on_tick(mono_time now) = 0;
  virtual std::optional<mono_time> deadline() const = 0;

  virtual request_id subscribe(const full_track_name& track, const subscribe_options& options) = 0;
  virtual void update(request_id id, const update_options& options) = 0;
  /// Ends one of our own requests if it is of `kind`; nothing more is told of it.
  virtual void cancel(request_id id, request_kind kind) = 0;
  virtual request_id fetch_track(moq::fetch m, const fetch_options& options, request_id joined) = 0;
  virtual request_id publish(const full_track_name& track, const publish_options& options) = 0;
  virtual void end_subscription(request_id id, uint64_t status, std::string_view reason) = 0;
  virtual request_id publish_ns(const track_namespace& ns, const hop_path& hops) = 0;
  virtual request_id subscribe_ns(const track_namespace& prefix) = 0;
  virtual void revoke_namespace(request_id peer_request) = 0;
  virtual request_id subscribe_tracks(const track_namespace& prefix, bool forward) = 0;
  virtual request_id track_status(const full_track_name& track) = 0;
  virtual void update_prefix(request_id id, const track_namespace& prefix) = 0;
  virtual bool pad(size_t count, bool as_datagram) = 0;
  virtual void goaway(std::string_view uri, uint64_t timeout_ms) = 0;
  virtual void goaway_request(request_id id, std::string_view uri, uint64_t timeout_ms) = 0;
  virtual void use_tokens(std::vector<auth_token> tokens) = 0;
  virtual void close(uint64_t code, std::string_view reason) = 0;
  virtual hop_path hops(request_id, const track_namespace&) const { return {}; }
  virtual bool is_open(request_id) const { return true; }
  virtual size_t open_requests() const = 0;
  virtual size_t serving() const = 0;
  virtual session_memory memory() const = 0;
  /// Bytes of a stream came and were read as far as they go: what is left of all streams is held within its bound.
  void weigh(size_t arrived);
  size_t held_bytes_max() const;
  /// Of that, by requests of the peer.
  size_t held_for_requests_max() const;
  /// What the session was made upon; `lower_` may be something that the family put between.
  virtual lower_layer& transport() { return lower_; }

  mono_time now_{};
  session_config config_;
  lower_layer& lower_;
  upper_layer& upper_;
  track_store* store_;
  session_counters counters_;
  bool connected_ = false;
  bool closed_ = false;
  bool peer_setup_ = false;

protected:
  /// A stream of the peer of which a part is held.
  struct part {
    uint64_t stream = 0;
    size_t bytes = 0;
  };
  virtual std::vector<part> parts() const = 0;
  /// Stops it: it was too much.
  virtual void stop_part(uint64_t stream) = 0;

  /// True if what came of an object of `whole` bytes is to be told above now. Otherwise `parts_due_` says when to ask again.
  bool is_part_due(const part_clock& c, size_t came, uint64_t whole);
  /// When objects under way are to be looked at: more of one may be told.
  std::optional<mono_time> parts_due_;

  size_t unweighed_ = 0; ///< bytes that came since what is held was last looked at

  family(session_config config, lower_layer& lower, upper_layer& upper, track_store* published) :
    config_(std::move(config)), lower_(lower), upper_(upper), store_(published) {}
};

} // namespace ec::moq
