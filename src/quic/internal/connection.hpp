#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic/endpoint.hpp"
#include "quic/internal/batcher.hpp"
#include "quic/internal/memory_account.hpp"
#include "quic/internal/send_queue.hpp"
#include "quic/internal/tls.hpp"

namespace ec::quic::internal {

class connection_impl;

/// Length of the connection ids that we choose.
inline constexpr size_t cid_bytes = 8;

inline ngtcp2_tstamp to_tstamp(base::mono_time t) {
  return static_cast<ngtcp2_tstamp>(t.time_since_epoch().count());
}

inline ngtcp2_duration to_duration(base::mono_duration d) {
  return static_cast<ngtcp2_duration>(d.count());
}

/// What a connection needs of the endpoint that owns it.
class connection_host {
public:
  virtual ~connection_host() = default;
  virtual const endpoint_config& config() const = 0;
  virtual send_batcher& batcher() = 0;
  virtual udp_port& port() = 0;
  /// A fresh id that leads to `owner`, with its stateless reset token [RFC 9000 10.3].
  virtual bool new_cid(connection_impl& owner, ngtcp2_cid& cid, uint8_t* token) = 0;
  virtual void forget_cid(const ngtcp2_cid& cid) = 0;
  /// Something is to be sent.
  virtual void wake(connection_impl& c) = 0;
  /// Events wait to be delivered.
  virtual void has_events(connection_impl& c) = 0;
  /// The handshake of an accepted connection is complete (its half-open slot is free).
  virtual void handshake_done(connection_impl& c) = 0;
  /// Of a server: what its tickets are made with now; of a client: a ticket for the next time, under a name.
  virtual server_tickets tickets(base::mono_time now) = 0;
  virtual void remember(const std::string& name, known_server server) = 0;
  virtual connection_events* accept(connection_impl& c) = 0;
  virtual void lost_packets(uint64_t count) = 0;
  /// What all connections hold.
  virtual memory_pool& memory() = 0;
  /// A connection was ended for what it made this side hold.
  virtual void left_for_burden() = 0;
};

/// What becomes of a connection after packets were read or a timer fired.
enum class step {
  go_on,
  ended,      ///< `reason()` says why; a farewell may have to be sent
  send_retry, ///< server: answer with a Retry and forget the connection
  drop,       ///< server: forget the connection silently
};

class connection_impl final : public connection {
public:
  connection_impl(connection_host& host, bool server);
  ~connection_impl() override;

  struct server_start {
    const ngtcp2_pkt_hd* header = nullptr;
    const ngtcp2_cid* original_dcid = nullptr; ///< set when a Retry token was validated
    const uint8_t* token = nullptr;
    size_t token_bytes = 0;
    socket_address local, remote;
    std::shared_ptr<const tls_context> tls;
  };
  base::result<void> start_server(const server_start& start, base::mono_time now);
  struct client_start {
    socket_address local, remote;
    std::string server_name;
    client_verification verification;
    std::vector<std::string> alpns;
    std::shared_ptr<const tls_context> tls;
    connection_events* events = nullptr;
    std::string known_as;              ///< under which a ticket is remembered; empty: none is
    std::optional<known_server> known; ///< it was here before
  };
  base::result<void> start_client(const client_start& start, base::mono_time now);

  // connection
  std::optional<uint64_t> open_uni() override { return open(false); }
  std::optional<uint64_t> open_bidi() override { return open(true); }
  write_result write(uint64_t id, base::bytes data, bool fin) override;
  void reset(uint64_t id, uint64_t code) override;
  void stop_sending(uint64_t id, uint64_t code) override;
  void set_priority(uint64_t id, uint64_t urgency) override;
  size_t unsent(uint64_t id) const override;
  size_t unsent() const override { return unsent_; }
  size_t unacked() const override { return unacked_; }
  void consumed(uint64_t id, uint64_t bytes) override;
  bool send_datagram(base::bytes data) override;
  size_t datagram_bytes_max() const override;
  void set_keep_alive(base::mono_duration quiet) override;
  void close(uint64_t app_code, std::string_view reason) override;
  void close_after(uint64_t id, uint64_t app_code, std::string_view reason) override;
  bool server() const override { return server_; }
  bool connected() const override { return state_ == state::open; }
  bool early() const override { return state_ == state::open && early_; }
  socket_address peer() const override;
  std::string_view alpn() const override;
  std::optional<spki_digest> peer_spki() const override;
  std::optional<quic::client_certificate> client_certificate() const override;
  /// A client that was turned away for its certificate: what it showed, and why; nothing otherwise.
  std::optional<std::pair<std::string, std::string>> refused_certificate() const;
  connection_stats stats() const override;

  // endpoint
  step read(const socket_address& local, const socket_address& remote, uint8_t ecn, std::span<const uint8_t> datagram, base::mono_time now);
  /// After a burst of `read`: true if something should be written now.
  bool after_read(base::mono_time now);
  step on_timer(base::mono_time now);
  /// Writes packets into the batcher: at most one burst. `more` tells whether it would go on at once; `stuck` that the
  /// system's buffer is full.
  step write_packets(base::mono_time now, bool& more, bool& stuck);
  /// Delivers what happened since the last time.
  void deliver();
  /// The network says that the peer cannot be reached.
  void unreachable(int system_error);
  /// The CONNECTION_CLOSE packet to send, empty when none may be sent. Call once, after the connection ended.
  std::vector<uint8_t> farewell(base::mono_time now);
  /// The last event.
  void deliver_closed();
  /// Ends it, as it makes this side hold too much.
  step overburdened();
  /// Bytes held for it beyond what each connection may for nothing.
  size_t over() const { return memory_.over(); }

  bool ended() const { return state_ == state::ended; }
  bool handshaking() const { return state_ == state::handshaking || early(); }
  /// The handshake was complete at some time.
  bool was_complete() const { return complete_; }
  /// True when `close` was called and the farewell is due.
  bool closing() const { return state_ == state::closing; }
  void finish_close() { state_ = state::ended; }
  const close_reason& reason() const { return reason_; }
  /// When to call on_timer.
  base::mono_time due() const { return due_; }
  const std::vector<ngtcp2_cid>& cids() const { return cids_; }
  void add_cid(const ngtcp2_cid& cid) { cids_.push_back(cid); }
  ngtcp2_conn* raw() const { return conn_; }
  tls_session* tls() const { return tls_.get(); }
  base::mono_duration close_period() const;
  const socket_address& local() const { return local_; }

  // Places in the endpoint's lists.
  bool dirty = false;
  bool eventful = false;
  bool touched = false;
  bool half_open = false;
  bool listed_dead = false;
  bool timer_set = false;
  base::mono_time timer_at{};
  std::string address_key; ///< whose connection count it is in

private:
  enum class state { handshaking, open, closing, ended };

  struct stream {
    uint64_t id = 0;
    send_turn turn;
    send_queue out;
    uint64_t uncredited = 0;     ///< received bytes, queued or delivered, without credit given back
    bool writable = false;       ///< we may send on it
    bool remote = false;         ///< the peer opened it
    bool reset_sent = false;     ///< we gave up sending
    bool stopped = false;        ///< the peer does not want it
    bool stop_sent = false;      ///< we do not want it
    bool reset_received = false;
    bool awaited = false;        ///< in awaited_
    uint64_t losses = 0;         ///< packets with its data that were found lost, when last looked at
    bool closed = false;         ///< done for ngtcp2; kept until its bytes are consumed
    uint64_t reset_code = 0, stop_code = 0; ///< of reset_sent and stop_sent
  };

  struct event {
    enum class kind { connected, handshake, data, reset, stop, datagram, streams, space, closed };
    kind what;
    uint64_t id = 0;
    uint64_t code = 0;
    bool fin = false;
    std::vector<uint8_t> bytes;
  };

  struct callbacks;
  friend struct callbacks;
  friend tls_session* session_of(ngtcp2_crypto_conn_ref* ref);

  uint64_t window(uint64_t wanted) const;
  size_t held() const;
  size_t own_streams() const;
  ngtcp2_settings settings(base::mono_time now) const;
  /// `first`: the destination id that the client chose first.
  void begin_notes(ngtcp2_settings& s, const ngtcp2_cid& first);
  ngtcp2_transport_params params() const;
  std::optional<uint64_t> open(bool bidi);
  stream* find(uint64_t id) const;
  stream& add_stream(uint64_t id, bool writable, bool remote);
  void push(event e);
  void drop_unsent(stream& s);
  void credit(stream& s, uint64_t bytes);
  void forget_if_done(stream& s);
  void stream_closed(stream& s, bool with_code, uint64_t code);
  void space_freed();
  void streams_freed();

  // early.cpp
  /// Early data may flow: for the user it is a connection.
  void begin_early();
  void handshake_completed();
  /// Of a client, after a packet was read: takes what came with the end of the handshake.
  step settle_handshake(base::mono_time now);
  /// What went early and was not taken begins again, on the same streams.
  bool send_again();
  void keep_ticket(base::mono_time now);
  bool room_for_early(const stream& s) const;
  /// One packet. > 0: its size; 0: nothing to write or not allowed to; < 0: a fatal ngtcp2 error.
  ngtcp2_ssize write_packet(ngtcp2_path_storage& path, ngtcp2_pkt_info& info, std::span<uint8_t> space, ngtcp2_tstamp ts);
  /// ngtcp2's clock: ours, put forward by `ahead_`.
  ngtcp2_tstamp stamp(base::mono_time now) const { return to_tstamp(now + ahead_); }
  /// A packet of the peer was read. If it had been silent, what we have in flight is probably lost: probe_early has work.
  void heard(base::mono_time now);
  /// True if ngtcp2's clock was put forward to its next timer, which is to be handled then. Probes double their distance while nothing is
  /// acknowledged [RFC 9002 6.2.1], so after a path was dark for seconds the next may be seconds away, and a full window lets nothing
  /// else go. ngtcp2 has no call that sends one now.
  bool probe_early(base::mono_time now);
  size_t bytes_in_flight() const;
  bool lost_some();
  bool outstanding() const { return unacked_ > 0 || fins_ > 0 || control_; }
  void rearm(base::mono_time now, ngtcp2_tstamp expiry);
  void apply_keep_alive();
  /// True if `close_after` has waited long enough: the connection is closing.
  bool last_words_said(base::mono_time now);
  step fail(int code);
  step burden(base::mono_time now);
  step leave_for(std::string_view why);
  step end(close_reason::kind what, uint64_t code, std::string text);
  std::string answer_text(const char* outcome) const;

  connection_host& host_;
  const bool server_;
  state state_ = state::handshaking;
  bool early_ = false;    ///< open before the handshake is complete
  bool complete_ = false; ///< the handshake is
  bool early_answer_ = false; ///< early data came where none can
  bool rejected_ = false; ///< the library has forgotten the streams that were opened early
  std::string early_alpn_; ///< what early data of a client is of
  std::string known_as_;
  std::optional<known_server> known_; ///< the ticket in use, until somebody has answered
  std::optional<base::mono_duration> keep_alive_; ///< in place of the endpoint's
  memory_account memory_; ///< of conn_, which it outlives
  std::unique_ptr<qlog_trace> notes_; ///< conn_ writes to it until it is gone
  ngtcp2_conn* conn_ = nullptr;
  ngtcp2_crypto_conn_ref ref_{};
  std::unique_ptr<tls_session> tls_;
  connection_events* events_ = nullptr;
  socket_address local_;
  socket_address remote_;
  std::vector<ngtcp2_cid> cids_;

  std::unordered_map<uint64_t, std::unique_ptr<stream>> streams_;
  send_schedule schedule_;
  std::vector<stream*> blocked_; ///< while one packet is written
  std::vector<stream*> awaited_; ///< with data or FIN that is sent and, when last looked at, not acknowledged
  mutable stream* recent_ = nullptr; ///< found last: a fan-out asks for one stream many times
  std::deque<base::bytes> datagrams_;
  size_t unsent_ = 0;
  size_t unacked_ = 0;
  size_t sent_most_ = 0; ///< the most that unacked_ was of late
  base::mono_time sent_most_at_{};
  size_t fins_ = 0;       ///< streams whose FIN is sent and that are not closed
  bool control_ = false;  ///< a frame that no counter above covers may be in flight
  bool repairing_ = false; ///< something was lost, and not all that is sent has arrived since
  bool fresh_ = false;    ///< what was read asks for an answer
  bool want_bidi_ = false; ///< open_bidi had answered nothing
  bool want_uni_ = false;
  bool want_space_ = false;
  uint64_t crypto_bytes_ = 0;
  std::optional<base::mono_time> unacked_since_; ///< bytes of streams are in flight, and none of any was acknowledged since

  base::mono_duration ahead_{0};
  base::mono_time heard_at_ = base::mono_time::max(); ///< the last packet of the peer
  int probe_tries_ = 0;                                ///< timers that probe_early may still bring forward
  size_t in_flight_when_heard_ = 0;

  struct last_words {
    uint64_t stream;
    uint64_t code;
    std::string text;
    std::optional<base::mono_time> until; ///< set when it is first looked at
  };
  std::optional<last_words> last_words_;

  std::vector<event> queue_;
  base::mono_time due_ = base::mono_time::max();
  close_reason reason_;
  ngtcp2_ccerr farewell_{};
  std::string farewell_text_;
  bool farewell_due_ = false;
  bool stateless_reset_ = false;
  bool crypto_flood_ = false;
  connection_stats stats_;
};

} // namespace ec::quic::internal
