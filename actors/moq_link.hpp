#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/net_loop.hpp"
#include "base/deadline_list.hpp"
#include "moq/session.hpp"
#include "quic/endpoint.hpp"
#include "quic/webtransport.hpp"

namespace ec::actors {

/// The version of MoQ that the nodes of this project speak among themselves: an ALPN of QUIC, a protocol of WebTransport.
inline constexpr const char* moq_protocol = "moqt-18";

/// All versions that sessions speak, the best first.
const std::vector<std::string>& moq_protocols();

/// For the side that dials `address`.
moq::session_config client_config(const quic::endpoint_address& address, const std::string& implementation);

/// Joins one MoQ session to one QUIC connection: bytes and events up, actions down. Lives on the loop's thread.
class moq_link final : public moq::lower_layer, public quic::connection_events {
public:
  /// `on_gone` is the last call; the link may be destroyed after it returned, not within.
  moq_link(const net_loop& loop, moq::session_config config, moq::upper_layer& upper, moq::track_store* published,
    std::function<void(const quic::close_reason&)> on_gone);
  ~moq_link() override { time_by(nullptr); }

  void attach(quic::connection& c) { connection_ = &c; }
  /// Dials `address`, which was looked up as `peer`: by QUIC itself, or by WebTransport where it says https.
  /// `protocols`: versions that are offered, the best first.
  base::result<void> dial(quic::endpoint& from, const quic::endpoint_address& address, const quic::socket_address& peer, const quic::client_verification& verification,
    const std::vector<std::string>& protocols = {moq_protocol});
  moq::session& session() { return session_; }
  quic::connection* connection() { return connection_; }

  /// The session is over for its owner, who goes away: nothing is called above any more but `on_gone`, once the connection has
  /// ended too.
  void orphan(std::function<void(const quic::close_reason&)> on_gone);

  base::deadline_place place;
  using timers = base::deadline_list<moq_link, &moq_link::place>;
  /// Lists the session's deadline there, and nowhere else; null: nowhere.
  void time_by(timers* list);

  /// While held, received bytes give the peer no new credit: it stops sending when the windows are full.
  void hold_credit(bool hold);

  // moq::lower_layer
  std::optional<uint64_t> open_uni() override;
  std::optional<uint64_t> open_bidi() override;
  void write(uint64_t stream, base::bytes data, bool fin) override;
  void set_priority(uint64_t stream, uint64_t urgency) override;
  void reset(uint64_t stream, uint64_t code) override;
  void stop_sending(uint64_t stream, uint64_t code) override;
  size_t unsent(uint64_t stream) const override;
  size_t datagram_bytes_max() const override;
  bool send_datagram(base::bytes data) override;
  void close(uint64_t code, std::string_view reason) override;
  bool early() const override { return connection_ != nullptr && connection_->early(); }
  void deadline_moved() override {
    if (timers_ != nullptr) timers_->touch(*this);
  }

  // quic::connection_events
  void on_connected(std::string_view alpn, const quic::socket_address& peer) override;
  void on_handshake_done() override;
  void on_stream_data(uint64_t id, base::bytes data, bool fin) override;
  void on_stream_reset(uint64_t id, uint64_t code) override;
  void on_stop_sending(uint64_t id, uint64_t code) override;
  void on_datagram(base::bytes data) override;
  void on_streams_available() override;
  void on_closed(const quic::close_reason& why) override;

private:
  const net_loop& loop_; ///< tells the time
  timers* timers_ = nullptr;
  std::unique_ptr<quic::webtransport> below_;
  quic::connection* connection_ = nullptr;
  moq::session session_;
  std::function<void(const quic::close_reason&)> on_gone_;
  uint64_t tell_at_ = 1; ///< groups lost by a slow peer at which the next line of log is due
  bool held_ = false;
  bool orphan_ = false;
  std::unordered_map<uint64_t, uint64_t> owed_; ///< credit kept back, by stream
};

} // namespace ec::actors
