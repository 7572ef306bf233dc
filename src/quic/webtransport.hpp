#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quic/endpoint.hpp"

/// WebTransport over HTTP/3 [draft-ietf-webtrans-http3]: one session on one QUIC connection of ALPN "h3". To its user a session is a
/// `connection` like any other: the same calls, the same events, its own application codes (32 bits).
namespace ec::quic {

/// The ALPN of a connection that carries a session.
inline constexpr std::string_view webtransport_alpn = "h3";

struct webtransport_config {
  /// Application protocols. Server: what it speaks. Client: what it offers, the best first; the answer must be one of them.
  std::vector<std::string> protocols;
  /// Server: the pages whose scripts may open a session ("https://tv.example"). Empty: any. Who sends no origin is no browser. Client: the first is sent as its page, if there is one.
  std::vector<std::string> origins{};
  /// Told in SETTINGS besides HTTP/3's own. The default names WebTransport in the way of every draft that peers still look for.
  std::vector<std::pair<uint64_t, uint64_t>> settings = default_settings();
  /// Server: the answer to a plain GET of "/".
  std::string about = "An every.channel endpoint. It speaks Media over QUIC, raw or in WebTransport.\n";

  static std::vector<std::pair<uint64_t, uint64_t>> default_settings();
};

/// What a client asked for; all of it is the peer's word.
struct webtransport_request {
  std::string path;      ///< with query
  std::string authority;
  std::string origin;    ///< empty: none was sent
  std::string protocol;  ///< of the server's, the first that the client named
};

struct webtransport_counters {
  uint64_t sessions = 0;
  uint64_t requests_refused = 0;  ///< CONNECTs that were answered with an error
  uint64_t streams_refused = 0;   ///< that named no session of this connection, or came too early in too great number
  uint64_t datagrams_dropped = 0; ///< that named no session of this connection
};

class webtransport;

/// Says who gets the events of a session that a peer opened.
class webtransport_acceptor {
public:
  virtual ~webtransport_acceptor() = default;
  /// The answer must live until its `on_closed` returned; null refuses the session (503). `session` lives as long.
  virtual connection_events* on_session(connection& session, const webtransport_request& request) = 0;
  /// The connection below is gone, with or without a session; last of all. `gone` may be destroyed after this returned, not within.
  virtual void on_gone(webtransport& gone) = 0;
};

/// One connection of ALPN "h3": events of the QUIC connection in, one session out. `on_closed` of the session's user comes when the
/// connection has closed; both live until then.
class webtransport : public connection, public connection_events {
public:
  /// `settings.identity` and the rest of the connection are the endpoint's affair.
  static std::unique_ptr<webtransport> serve(webtransport_config config, webtransport_acceptor& accept);
  /// Asks for `path` at `authority` ("host:port") as soon as the connection is there. The user hears on_connected with the protocol, or
  /// on_closed: kind refused with the HTTP status.
  static std::unique_ptr<webtransport> dial(webtransport_config config, std::string authority, std::string path, connection_events& user);

  /// The connection below, whose events this object gets. Before its first event.
  virtual void attach(connection& below) = 0;
  /// Asks the peer to end the session soon and to begin nothing more.
  virtual void drain() = 0;
  virtual webtransport_counters counters() const = 0;
};

} // namespace ec::quic
