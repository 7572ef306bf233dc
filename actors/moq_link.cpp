#include "actors/moq_link.hpp"

#include "base/log.hpp"

namespace ec::actors {

const std::vector<std::string>& moq_protocols() {
  static const std::vector<std::string> all{moq_protocol, "moq-lite-05", "moq-lite-04", "moq-lite-03", "moqt-16"};
  return all;
}

moq::session_config client_config(const quic::endpoint_address& address, const std::string& implementation) {
  moq::session_config out;
  out.role = moq::session_role::client;
  if (address.by == quic::endpoint_address::scheme::https) out.transport = moq::transport_kind::webtransport;
  out.implementation = implementation;
  out.path = address.path;
  out.authority = address.authority();
  return out;
}

moq_link::moq_link(const net_loop& loop, moq::session_config config, moq::upper_layer& upper, moq::track_store* published,
  std::function<void(const quic::close_reason&)> on_gone) :
  loop_(loop), session_(std::move(config), *this, upper, published), on_gone_(std::move(on_gone)) {}

base::result<void> moq_link::dial(quic::endpoint& from, const quic::endpoint_address& address, const quic::socket_address& peer,
  const quic::client_verification& verification, const std::vector<std::string>& protocols) {
  if (address.by == quic::endpoint_address::scheme::moqt) {
    EC_TRY(connection_, from.connect(peer, address.host, verification, protocols, *this, loop_.now()));
    return base::ok();
  }
  auto web = quic::webtransport::dial({.protocols = protocols}, address.authority(), address.path, *this);
  EC_TRY(auto* below, from.connect(peer, address.host, verification, {std::string(quic::webtransport_alpn)}, *web, loop_.now()));
  web->attach(*below);
  below_ = std::move(web);
  connection_ = below_.get();
  return base::ok();
}

void moq_link::orphan(std::function<void(const quic::close_reason&)> on_gone) {
  orphan_ = true;
  on_gone_ = std::move(on_gone);
}

void moq_link::time_by(timers* list) {
  if (timers_ != nullptr) timers_->remove(*this);
  timers_ = list;
  if (timers_ != nullptr) timers_->add(*this);
}

void moq_link::hold_credit(bool hold) {
  held_ = hold;
  if (hold || connection_ == nullptr) return;
  for (const auto& [stream, count] : owed_) connection_->consumed(stream, count);
  owed_.clear();
}

std::optional<uint64_t> moq_link::open_uni() {
  return connection_ == nullptr ? std::nullopt : connection_->open_uni();
}

std::optional<uint64_t> moq_link::open_bidi() {
  return connection_ == nullptr ? std::nullopt : connection_->open_bidi();
}

void moq_link::write(uint64_t stream, base::bytes data, bool fin) {
  if (connection_ == nullptr) return;
  // The session bounds what it queues for each subscription; the connection's bound is the last line. A stream that lost bytes
  // cannot be continued.
  if (connection_->write(stream, std::move(data), fin) == quic::write_result::full) {
    base::log::warn("moq_link", "send-queue-full", {{"peer", connection_->peer().to_string()}, {"stream", stream}});
    connection_->reset(stream, moq::reset_code::too_far_behind);
  }
}

void moq_link::set_priority(uint64_t stream, uint64_t urgency) {
  if (connection_ != nullptr) connection_->set_priority(stream, urgency);
}

void moq_link::reset(uint64_t stream, uint64_t code) {
  // The first group that a slow peer loses is told, and then each time that their number has doubled.
  if (const auto lost = session_.counters().groups_too_far_behind; code == moq::reset_code::too_far_behind && lost >= tell_at_) {
    tell_at_ = 2 * lost;
    base::log::warn("moq_link", "peer-too-slow", {{"peer", connection_ == nullptr ? "" : connection_->peer().to_string()}, {"groups", lost}});
  }
  if (connection_ != nullptr) connection_->reset(stream, code);
}

void moq_link::stop_sending(uint64_t stream, uint64_t code) {
  if (connection_ != nullptr) connection_->stop_sending(stream, code);
}

size_t moq_link::unsent(uint64_t stream) const {
  return connection_ == nullptr ? 0 : connection_->unsent(stream);
}

size_t moq_link::datagram_bytes_max() const {
  return connection_ == nullptr ? 0 : connection_->datagram_bytes_max();
}

bool moq_link::send_datagram(base::bytes data) {
  return connection_ != nullptr && connection_->send_datagram(std::move(data));
}

void moq_link::close(uint64_t code, std::string_view reason) {
  if (connection_ != nullptr) connection_->close(code, reason);
}

void moq_link::on_connected(std::string_view protocol, const quic::socket_address&) {
  if (orphan_) return;
  session_.use(protocol);
  session_.on_connected(loop_.now());
}

void moq_link::on_handshake_done() {
  if (connection_ != nullptr && !connection_->server()) {
    const auto stats = connection_->stats();
    base::log::info("moq_link", stats.resumed ? "resumed" : "not-resumed", {{"peer", connection_->peer().to_string()}, {"early_data", stats.early_data_accepted ? "accepted" : "rejected"}});
  }
  if (!orphan_) session_.on_handshake_done(loop_.now());
}

void moq_link::on_stream_data(uint64_t id, base::bytes data, bool fin) {
  const auto count = data.size();
  if (orphan_) return;
  session_.on_stream_data(id, std::move(data), fin, loop_.now());
  if (connection_ == nullptr || count == 0) return;
  if (held_) owed_[id] += count;
  else connection_->consumed(id, count);
}

void moq_link::on_stream_reset(uint64_t id, uint64_t code) {
  if (!orphan_) session_.on_stream_reset(id, code, loop_.now());
}

void moq_link::on_stop_sending(uint64_t id, uint64_t code) {
  if (!orphan_) session_.on_stop_sending(id, code, loop_.now());
}

void moq_link::on_datagram(base::bytes data) {
  if (!orphan_) session_.on_datagram(std::move(data), loop_.now());
}

void moq_link::on_streams_available() {
  if (!orphan_) session_.on_streams_available(loop_.now());
}

void moq_link::on_closed(const quic::close_reason& why) {
  connection_ = nullptr;
  on_gone_(why);
}

} // namespace ec::actors
