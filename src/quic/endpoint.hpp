#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "quic/address.hpp"
#include "quic/qlog.hpp"
#include "quic/tickets.hpp"
#include "quic/udp.hpp"

/// A QUIC endpoint [RFC 9000, 9001, 9002, 9221]: one UDP socket, any number of connections that it accepts and dials.
/// Single-threaded: every call comes from the thread that owns it. Drive it from an event loop:
///
///     poll fd() for reading (and for writing while blocked()), at most until deadline()
///     readable -> on_readable(now)     deadline reached -> on_timer(now)     after queueing writes -> flush(now)
///
/// Deadlines are as fine as microseconds (pacing): wait with epoll_pwait2 or a timerfd; whole milliseconds cap the rate.
namespace ec::quic {

/// How a client knows that the server is the right one. There is no default: every caller chooses.
struct client_verification {
  enum class method {
    pin,      ///< the server's key has the digest `pin`; names and dates do not matter
    ca,       ///< a chain to a trusted CA and the server name [RFC 9525]
    insecure, ///< not at all: only when a person asked for it by name
  };
  method how = method::ca;
  spki_digest pin{};
  std::string ca_file; ///< PEM; empty: the system's CAs

  static client_verification pinned(const spki_digest& digest) { return {method::pin, digest, {}}; }
  static client_verification system_ca() { return {}; }
  static client_verification ca(std::string file) { return {method::ca, {}, std::move(file)}; }
  static client_verification insecure() { return {method::insecure, {}, {}}; }
};

struct endpoint_config {
  /// Where to listen or to dial from; unset: a free port on all addresses.
  std::optional<socket_address> listen;
  /// Certificate and key of a server; without it (or without an acceptor) nothing is accepted.
  std::shared_ptr<const crypto::certificate_pair> identity;
  /// Certificate authorities, PEM text: a client is asked for a certificate, and one that it shows must be of these and be valid now. Empty: none is
  /// asked for. A client without one is let in all the same; who that is, `connection::client_certificate` says.
  std::string client_ca_pem;
  /// What is shown to servers that ask; null: nothing.
  std::shared_ptr<const crypto::certificate_pair> client_identity;
  /// What a server speaks, in its order of preference.
  std::vector<std::string> alpns;
  /// Servers: with what tickets are made, so that clients which come back may send with their first packet (`connection::early`). Null: no
  /// tickets. None either over "h3", nor where clients are asked for certificates.
  std::shared_ptr<ticket_keys> tickets;
  /// Clients: the servers that gave tickets. Null: every connection begins anew.
  std::shared_ptr<known_servers> known;

  base::mono_duration handshake_timeout = std::chrono::seconds(10);
  base::mono_duration idle_timeout = std::chrono::seconds(30);
  /// How long a dialled connection may be quiet before it sends a PING; zero: never. The dialler is who waits for data, and nobody
  /// else notices that it stopped: a sender does not know a NAT's new port before it hears from there. A peer that was killed and
  /// is back answers the PING with a stateless reset.
  base::mono_duration keep_alive = std::chrono::milliseconds(250);
  /// The same for accepted connections: only so that a peer which sends no PING keeps its connection.
  base::mono_duration accepted_keep_alive = std::chrono::seconds(10);
  /// How late a timer may fire when nothing is in flight, so that an ACK rides on the next data. Below max_ack_delay.
  base::mono_duration timer_slack = std::chrono::milliseconds(20);

  // Address validation [RFC 9000 8.1]: Retry from this many half-open connections on, or always.
  size_t retry_threshold = 64;
  bool retry_always = false;

  // Limits of accepted and dialled connections; limits::quic_* are the defaults.
  size_t connections_max = base::limits::quic_connections_max;
  size_t connections_per_address_max = base::limits::quic_connections_per_address_max;
  size_t half_open_max = base::limits::quic_half_open_max;
  uint64_t peer_streams_bidi_max = base::limits::quic_peer_streams_bidi_max; ///< open at once
  uint64_t peer_streams_uni_max = base::limits::quic_peer_streams_uni_max;   ///< open at once
  uint64_t stream_window = 1u << 20;                                         ///< receive window of a stream at first, bytes
  uint64_t stream_window_max = 4u << 20;                                     ///< what it may grow to
  uint64_t connection_window = 2u << 20;
  uint64_t connection_window_max = 8u << 20;
  size_t send_queue_bytes_max = base::limits::quic_send_queue_bytes_max;
  /// What the QUIC library holds for all connections, beyond limits::quic_connection_free_bytes of each, in bytes: over it, connections are
  /// ended, of the address that has the most of it first. Not what waits in send queues.
  size_t held_bytes_max = base::limits::quic_held_bytes_max;
  bool datagrams = true; ///< [RFC 9221]

  enum class congestion { bbr, cubic };
  congestion congestion_control = congestion::bbr;
  /// Largest UDP payload to probe for: 1200 (no probes) to 9000.
  uint16_t udp_payload_bytes_max = 1452;
  udp_options udp;
  /// Where connections note what happens to them; nothing: nowhere.
  std::shared_ptr<qlog> notes;
};

/// Why a connection ended.
struct close_reason {
  enum class kind {
    local,            ///< `close` was called here
    application,      ///< the peer's application closed: `code` is its own
    transport,        ///< the peer's QUIC or TLS closed: `code` is a transport error [RFC 9000 20.1]
    violation,        ///< this side closed because the peer broke the protocol: `code` is a transport error
    tls,              ///< the handshake failed here: certificate, pin, ALPN
    handshake_timeout,///< no answer, or none that led to a connection
    idle_timeout,     ///< the peer went silent
    refused,          ///< nobody listens there (ICMP), or the server takes no more connections
    stateless_reset,  ///< the peer no longer knows this connection (it restarted)
    internal,         ///< our own bug, or out of memory
  };
  kind what = kind::internal;
  uint64_t code = 0;
  std::string text; ///< a sentence for a person, without a full stop

  /// True if dialling again may help (time-outs, refusals, a restarted peer, an orderly close).
  bool retryable() const;
};

/// Stable lower-case name, for logs: "idle-timeout".
std::string_view name(close_reason::kind k);

/// What happens on a connection; implemented by its user. Called only from endpoint::on_readable and endpoint::on_timer,
/// never from within a call on the connection or endpoint. Every call on them is allowed from here, except destroying
/// the endpoint.
class connection_events {
public:
  virtual ~connection_events() = default;

  /// The handshake is complete and the peer verified, or there is early data (`connection::early`); first of all events. Servers: right
  /// after `on_accept`.
  virtual void on_connected(std::string_view alpn, const socket_address& peer) = 0;
  /// The connection was early, and now the handshake is complete. What went early and was not taken is sent again by itself.
  virtual void on_handshake_done() {}
  /// In order, without holes. `data` may be empty when `fin`. Give the credit back with `consumed` when it is used up.
  virtual void on_stream_data(uint64_t id, base::bytes data, bool fin) = 0;
  /// The peer gave up sending on this stream [RFC 9000 19.4].
  virtual void on_stream_reset(uint64_t id, uint64_t code) = 0;
  /// The peer does not want what we send here [RFC 9000 19.5]; it was reset with the same code. Told when the peer has
  /// confirmed the reset (about one round trip later), or with the stream's end for bidirectional streams; until then
  /// `write` answers `gone` where it is known.
  virtual void on_stop_sending(uint64_t id, uint64_t code) = 0;
  /// An unreliable datagram [RFC 9221].
  virtual void on_datagram(base::bytes) {}
  /// More streams may be opened after `open_uni` or `open_bidi` had answered nothing.
  virtual void on_streams_available() {}
  /// There is room again after `write` had answered `full`: at most half of the bound is used.
  virtual void on_send_space() {}
  /// The peer asks that this ends soon and that nothing more is begun (WebTransport's drain, HTTP/3's GOAWAY).
  virtual void on_draining() {}
  /// Both directions are done: all our bytes are acknowledged or given up. The id is not used again.
  virtual void on_stream_closed(uint64_t) {}
  /// Last of all events; the connection is destroyed when it returns.
  virtual void on_closed(const close_reason& why) = 0;
};

enum class write_result {
  queued,
  full, ///< over the send queue's bound: nothing was taken; wait for on_send_space, or reset an older stream
  gone, ///< the stream is closed, reset, stopped by the peer, or not ours to write; or the connection is closing
};

struct connection_stats {
  base::mono_duration smoothed_rtt{};
  base::mono_duration min_rtt{};
  uint64_t congestion_window = 0; ///< bytes
  uint64_t bytes_in_flight = 0;
  uint64_t sent_bytes = 0; ///< UDP payload
  uint64_t sent_datagrams = 0;
  uint64_t received_bytes = 0;
  uint64_t received_datagrams = 0;
  uint64_t lost_packets = 0; ///< packets with stream data that were declared lost, of streams that have ended
  size_t path_mtu = 0;       ///< UDP payload in bytes
  size_t held_bytes = 0;     ///< by the QUIC library for this connection: what came out of order, what is in flight, streams, paths
  bool resumed = false;             ///< the TLS session goes on from an earlier one
  bool early_data_accepted = false; ///< the client sent early data, and the server took it
  bool early_data_rejected = false; ///< it offered some, and the server did not
};

/// Whether `endpoint_config::client_ca_pem` may be this text. Errors: malformed.
[[nodiscard]] base::result<void> check_authorities(const std::string& pem);

/// What a client proved of itself to a server with `endpoint_config::client_ca_pem`.
struct client_certificate {
  std::string subject; ///< "CN=relay-2,O=Example" [RFC 4514]
  spki_digest spki{};
  base::wall_time not_after{};
};

/// One connection. Owned by the endpoint; valid from `on_accept`/`connect` until `on_closed` has returned.
/// No call here sends anything by itself: `endpoint::flush` does (on_readable and on_timer flush at their end).
class connection {
public:
  virtual ~connection() = default;

  /// A new stream's id, or nothing: the peer allows no more now (on_streams_available follows), or not connected.
  virtual std::optional<uint64_t> open_uni() = 0;
  virtual std::optional<uint64_t> open_bidi() = 0;
  /// Queues `data` by reference until the peer has acknowledged it. After `fin` nothing may follow.
  virtual write_result write(uint64_t id, base::bytes data, bool fin) = 0;
  /// Gives up sending: what is unsent is dropped [RFC 9000 3.1]. `code` below 2^62.
  virtual void reset(uint64_t id, uint64_t code) = 0;
  /// Asks the peer to stop; no more data of this stream is delivered [RFC 9000 3.5]. `code` below 2^62.
  virtual void stop_sending(uint64_t id, uint64_t code) = 0;
  /// Lower goes first, strictly; equals take turns packet by packet. A stream starts with 2^32.
  virtual void set_priority(uint64_t id, uint64_t urgency) = 0;
  /// Bytes of one stream, of all streams, not sent yet.
  virtual size_t unsent(uint64_t id) const = 0;
  virtual size_t unsent() const = 0;
  /// Bytes of all streams sent but not acknowledged.
  virtual size_t unacked() const = 0;
  /// Gives flow-control credit for `bytes` received on a stream. Bytes of a stream that was reset or stopped are
  /// credited by themselves.
  virtual void consumed(uint64_t id, uint64_t bytes) = 0;
  /// False if it is larger than `datagram_bytes_max`, or the short queue is full: it is dropped.
  virtual bool send_datagram(base::bytes data) = 0;
  /// Largest datagram that the peer and the path take now; 0: none.
  virtual size_t datagram_bytes_max() const = 0;
  /// How long it may be quiet before it sends a PING, in place of what the endpoint's configuration says; zero: never. For one that carries
  /// little and may notice late that its peer is gone. Counts from the next packet on.
  virtual void set_keep_alive(base::mono_duration quiet) = 0;
  /// Ends the connection [RFC 9000 10.2]; unsent bytes are dropped. `on_closed` follows from the loop.
  virtual void close(uint64_t app_code, std::string_view reason) = 0;
  /// The same as soon as stream `id` is over in both directions: the peer has read what was written on it, and ended its side; of a server, when its
  /// client ends the connection. Who does not is waited for a second, or three probe time-outs [RFC 9002 6.2]. Without streams' ends: at once.
  virtual void close_after(uint64_t /*id*/, uint64_t app_code, std::string_view reason) { close(app_code, reason); }

  virtual bool server() const = 0;
  virtual bool connected() const = 0;
  /// Connected, but the handshake is not complete. A client that was here before writes early data now (0-RTT): an eavesdropper may send that
  /// once more, and whoever learns the server's present ticket secret can read it. A server answers, and knows neither that the client
  /// is where its address says nor that it is there at all. So: nothing that must not happen twice.
  virtual bool early() const { return false; }
  virtual socket_address peer() const = 0;
  virtual std::string_view alpn() const = 0;
  /// The digest of the server's key, on the dialling side and once connected.
  virtual std::optional<spki_digest> peer_spki() const = 0;
  virtual connection_stats stats() const = 0;
  /// Of an accepted connection whose peer showed one that counts; nothing otherwise.
  virtual std::optional<quic::client_certificate> client_certificate() const { return std::nullopt; }
};

/// Says who gets the events of a connection that was accepted.
class acceptor {
public:
  virtual ~acceptor() = default;
  /// The handshake is complete, or there is early data. The answer must live until its `on_closed` returned; null refuses the connection.
  virtual connection_events* on_accept(connection& accepted, std::string_view alpn, const socket_address& peer) = 0;
  /// A client was turned away during its handshake for the certificate that it showed (`endpoint_config::client_ca_pem`). `subject`: its word.
  virtual void on_certificate_refused(const socket_address& /*peer*/, const std::string& /*subject*/, const std::string& /*why*/) {}
};

struct endpoint_counters {
  uint64_t accepted = 0;
  uint64_t dialled = 0;
  uint64_t closed = 0;
  uint64_t handshakes_failed = 0;
  uint64_t certificates_refused = 0; ///< of them, for the certificate that a client showed
  uint64_t resumed = 0;              ///< connections of both sides whose TLS session went on from an earlier one
  uint64_t early_data_accepted = 0;  ///< of them, with early data that was taken
  uint64_t early_data_rejected = 0;  ///< connections with early data that was not, and went again after the handshake
  uint64_t retries_sent = 0;
  uint64_t version_negotiations_sent = 0;
  uint64_t stateless_resets_sent = 0;
  uint64_t refused = 0;            ///< over a connection limit
  uint64_t invalid_tokens = 0;
  uint64_t dropped_datagrams = 0;  ///< that belong to nothing we know
  uint64_t lost_packets = 0;       ///< sum over ended streams
  uint64_t overburdened = 0;       ///< connections ended for what they made this side hold, or for acknowledging nothing
  udp_counters udp;
};

class endpoint {
public:
  /// Opens the socket. invalid_argument for a config that cannot work, io with the system's reason.
  static base::result<std::unique_ptr<endpoint>> create(endpoint_config config, acceptor* accept);
  /// The same over a given port: how tests run on a simulated network and in virtual time.
  static base::result<std::unique_ptr<endpoint>> create(endpoint_config config, std::unique_ptr<udp_port> port,
                                                        acceptor* accept);
  /// Connections that are left are told to their peers (application code 0) and end without further events.
  virtual ~endpoint() = default;

  virtual int fd() const = 0;
  virtual socket_address local() const = 0;
  /// Reads what arrived, delivers events, sends what follows. Returns after a bounded amount of work; a level-triggered
  /// poll calls again.
  virtual void on_readable(base::mono_time now) = 0;
  /// When to call `on_timer`; nothing: never. Ask again after every call on the endpoint.
  virtual std::optional<base::mono_time> deadline() const = 0;
  virtual void on_timer(base::mono_time now) = 0;
  /// Sends what the windows allow of what was queued on any connection.
  virtual void flush(base::mono_time now) = 0;
  /// True while the system's send buffer is full: also poll for writing, then `flush` (deadline() retries by itself).
  virtual bool blocked() const = 0;

  /// Dials. `server_name` is checked against the certificate (method ca) and sent as SNI unless it is numeric. `alpns` in
  /// order of preference, at least one. `events` must live until its on_closed returned. Failures that need the network
  /// come as on_closed; busy at the connection limit.
  virtual base::result<connection*> connect(const socket_address& peer, const std::string& server_name,
                                            const client_verification& verification, const std::vector<std::string>& alpns,
                                            connection_events& events, base::mono_time now) = 0;
  /// Closes every connection with this application code; their on_closed follow from the loop.
  virtual void close_all(uint64_t app_code, std::string_view reason, base::mono_time now) = 0;
  /// New handshakes use this certificate (a renewed one: the key stays).
  virtual base::result<void> set_identity(std::shared_ptr<const crypto::certificate_pair> identity) = 0;

  virtual size_t connections() const = 0;
  virtual endpoint_counters counters() const = 0;
};

} // namespace ec::quic
