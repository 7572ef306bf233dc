#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "quic/internal/http3.hpp"
#include "quic/webtransport.hpp"

namespace ec::quic::internal {

/// The session and what tells its streams from HTTP/3's: every stream that the peer opens is known by its first varint, before the codec
/// sees a byte of it.
class webtransport_session : public webtransport {
public:
  webtransport_session(webtransport_config config, bool server, connection_events* user);

  // webtransport
  void attach(connection& below) override { below_ = &below; }
  void drain() override;
  webtransport_counters counters() const override { return counters_; }

  // connection
  std::optional<uint64_t> open_uni() override { return open(false); }
  std::optional<uint64_t> open_bidi() override { return open(true); }
  write_result write(uint64_t id, base::bytes data, bool fin) override;
  void reset(uint64_t id, uint64_t code) override;
  void stop_sending(uint64_t id, uint64_t code) override;
  void set_priority(uint64_t id, uint64_t urgency) override;
  size_t unsent(uint64_t id) const override { return below_ ? below_->unsent(id) : 0; }
  size_t unsent() const override { return below_ ? below_->unsent() : 0; }
  size_t unacked() const override { return below_ ? below_->unacked() : 0; }
  void consumed(uint64_t id, uint64_t bytes) override;
  bool send_datagram(base::bytes data) override;
  size_t datagram_bytes_max() const override;
  void set_keep_alive(base::mono_duration quiet) override;
  void close(uint64_t app_code, std::string_view reason) override;
  bool server() const override { return server_; }
  bool connected() const override { return state_ == state::open; }
  socket_address peer() const override { return below_ ? below_->peer() : socket_address{}; }
  std::string_view alpn() const override { return protocol_; }
  std::optional<quic::client_certificate> client_certificate() const override { return below_ ? below_->client_certificate() : std::nullopt; }
  std::optional<spki_digest> peer_spki() const override { return below_ ? below_->peer_spki() : std::nullopt; }
  connection_stats stats() const override { return below_ ? below_->stats() : connection_stats{}; }

  // connection_events, of the connection below
  void on_connected(std::string_view alpn, const socket_address& peer) override;
  void on_stream_data(uint64_t id, base::bytes data, bool fin) override;
  void on_stream_reset(uint64_t id, uint64_t code) override;
  void on_stop_sending(uint64_t id, uint64_t code) override;
  void on_datagram(base::bytes data) override;
  void on_streams_available() override;
  void on_send_space() override;
  void on_stream_closed(uint64_t id) override;
  void on_closed(const close_reason& why) override;

protected:
  enum class state {
    waiting, ///< no session yet
    open,
    over, ///< ended or refused, by either side: the user hears only the end
  };

  /// The codec has its streams.
  virtual void on_started() {}
  virtual void on_settings() {}
  /// A request, or its answer.
  virtual void on_fields(uint64_t id, const http3_fields& fields) = 0;
  /// More fields than are taken.
  virtual void on_fields_refused(uint64_t id) = 0;
  /// Last of all.
  virtual void on_ended() {}

  /// The session is there: tells its user, then what came before.
  void opened(uint64_t session, std::string protocol, connection_events* user);
  /// Ends everything without a session, or in breach of HTTP/3: `why` is what the user hears.
  void give_up(uint64_t h3_code, close_reason why);
  void refuse_stream(uint64_t id, uint64_t h3_code);
  /// One that this side opened for the codec.
  void give_to_codec(uint64_t id);
  void flush();

  const webtransport_config config_;
  connection* below_ = nullptr;
  std::unique_ptr<http3_codec> codec_;
  state state_ = state::waiting;
  std::optional<uint64_t> session_; ///< the CONNECT stream
  webtransport_counters counters_;

private:
  enum class kind {
    unknown, ///< the peer's, its first varints are not whole
    http,
    early,   ///< names a session that is not there yet
    session,
    refused,
  };
  struct stream {
    kind what = kind::unknown;
    bool prefix_due = false;        ///< ours, nothing sent yet
    bool request = false;           ///< counts among the peer's requests
    std::vector<uint8_t> held{};    ///< unknown: its first bytes
    uint64_t named = 0;             ///< early: the session
    std::vector<base::bytes> data{}; ///< early
    bool fin = false;               ///< early
  };

  std::optional<uint64_t> open(bool bidi);
  void start();
  void classify(uint64_t id, stream& s, base::bytes data, bool fin);
  void names_session(uint64_t id, stream& s, uint64_t session, base::bytes data, bool fin);
  void keep_early(uint64_t id, stream& s, base::bytes data, bool fin);
  void drop_early(stream& s);
  void to_codec(uint64_t id, std::span<const uint8_t> bytes, bool fin);
  void handle_events();
  void on_body(uint64_t id, std::span<const uint8_t> bytes);
  /// The peer ended the session.
  void ended(uint64_t code, std::string text);
  /// Streams of the session go with it.
  void drop_streams();
  bool is_session(uint64_t id) const;
  bool peers(uint64_t id) const { return ((id & 1) == 0) == server_; }

  const bool server_;
  connection_events* user_;
  std::string protocol_;
  std::unordered_map<uint64_t, stream> streams_;
  size_t early_streams_ = 0;
  size_t early_bytes_ = 0;
  size_t requests_ = 0; ///< of the peer, open
  std::vector<uint64_t> own_; ///< control and QPACK
  capsule_reader capsules_;
  std::optional<close_reason> why_; ///< in place of what the connection below says
};

} // namespace ec::quic::internal
