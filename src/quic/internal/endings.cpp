// How a connection ends, and in which words.
#include <algorithm>
#include <cstring>

#include "quic/internal/connection.hpp"
#include "quic/internal/reasons.hpp"

namespace ec::quic::internal {
namespace limits = base::limits;

void connection_impl::unreachable(int system_error) {
  // An off-path attacker can forge ICMP: only an attempt that nobody has answered ends by it.
  if (server_ || !handshaking() || stats_.received_datagrams > 0) return;
  end(close_reason::kind::refused, 0, std::string("nobody answers at ") + remote_.to_string() + " (" + std::strerror(system_error) + ")");
}

step connection_impl::end(close_reason::kind what, uint64_t code, std::string text) {
  if (state_ == state::ended) return step::ended;
  // Nobody saw the ticket: it is as good as before.
  if (known_ && stats_.received_datagrams == 0) host_.remember(known_as_, *std::exchange(known_, std::nullopt));
  reason_ = {what, code, std::move(text)};
  state_ = state::ended;
  host_.wake(*this);
  return step::ended;
}

std::string connection_impl::answer_text(const char* outcome) const {
  const auto wait = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(host_.config().handshake_timeout).count());
  const auto shown = wait.size() > 3 && wait.ends_with("000") ? wait.substr(0, wait.size() - 3) + " s" : wait + " ms";
  return std::string(outcome) + remote_.to_string() + " within " + shown;
}

step connection_impl::fail(int code) {
  if (state_ == state::ended) return step::ended;
  using kind = close_reason::kind;
  const auto& peer_name = remote_;
  switch (code) {
  case NGTCP2_ERR_RETRY: return step::send_retry;
  case NGTCP2_ERR_DROP_CONN:
    end(kind::violation, NGTCP2_PROTOCOL_VIOLATION, "the first packets were not acceptable");
    return step::drop;
  case NGTCP2_ERR_IDLE_CLOSE:
    if (state_ == state::open && !early_) {
      const auto s = std::chrono::duration<double>(host_.config().idle_timeout).count();
      return end(kind::idle_timeout, 0, "nothing from " + peer_name.to_string() + " for " + decimal_text(s) + " s (idle timeout)");
    }
    [[fallthrough]];
  case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    return end(kind::handshake_timeout, 0,
               stats_.received_datagrams == 0 ? answer_text("no answer from ") : answer_text("no complete handshake with "));
  case NGTCP2_ERR_CLOSING:
  case NGTCP2_ERR_DRAINING: {
    if (stateless_reset_) {
      return end(kind::stateless_reset, 0, peer_name.to_string() + " no longer knows this connection (restarted?)");
    }
    const auto* theirs = ngtcp2_conn_get_ccerr(conn_);
    const auto text = printable({reinterpret_cast<const char*>(theirs->reason), theirs->reasonlen});
    if (theirs->type == NGTCP2_CCERR_TYPE_APPLICATION) return end(kind::application, theirs->error_code, text);
    auto said = peer_transport_text(theirs->error_code, tls_ ? tls_->offered() : std::string{}, server_);
    if (!text.empty()) said += ": " + text;
    return end(theirs->error_code == NGTCP2_CONNECTION_REFUSED ? kind::refused : kind::transport, theirs->error_code, std::move(said));
  }
  case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
  case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE:
    return end(kind::transport, NGTCP2_VERSION_NEGOTIATION_ERROR, peer_name.to_string() + " does not speak QUIC version 1");
  case NGTCP2_ERR_NO_VIABLE_PATH: return end(kind::idle_timeout, 0, "the path to " + peer_name.to_string() + " is gone");
  case NGTCP2_ERR_CRYPTO: {
    std::string text = tls_ ? tls_->failure() : std::string{};
    const uint8_t alert = tls_ && tls_->alert() ? *tls_->alert() : ngtcp2_conn_get_tls_alert(conn_);
    // A client that was refused is told why: it has the subject from its own file.
    farewell_text_ = server_ ? text.substr(0, limits::quic_close_reason_bytes_max) : std::string{};
    ngtcp2_ccerr_set_tls_alert(&farewell_, alert, reinterpret_cast<const uint8_t*>(farewell_text_.data()), farewell_text_.size());
    farewell_due_ = true;
    if (text.empty() && alert == 120) text = no_alpn_text(tls_->offered(), server_);
    if (text.empty()) text = "the TLS handshake failed: " + alert_text(alert);
    return end(kind::tls, farewell_.error_code, std::move(text));
  }
  case NGTCP2_ERR_NOMEM:
    ngtcp2_ccerr_set_liberr(&farewell_, code, nullptr, 0);
    farewell_due_ = true;
    return end(kind::internal, farewell_.error_code, "out of memory");
  case NGTCP2_ERR_CALLBACK_FAILURE:
    if (crypto_flood_) {
      ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_CRYPTO_BUFFER_EXCEEDED, nullptr, 0);
      farewell_due_ = true;
      return end(kind::violation, NGTCP2_CRYPTO_BUFFER_EXCEEDED, "the peer sent too many handshake bytes");
    }
    if (early_answer_) {
      ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_PROTOCOL_VIOLATION, nullptr, 0);
      farewell_due_ = true;
      return end(kind::violation, NGTCP2_PROTOCOL_VIOLATION, "early data on a stream that this side opened");
    }
    [[fallthrough]];
  case NGTCP2_ERR_INTERNAL:
  case NGTCP2_ERR_INVALID_ARGUMENT:
  case NGTCP2_ERR_INVALID_STATE:
    ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_INTERNAL_ERROR, nullptr, 0);
    farewell_due_ = true;
    return end(kind::internal, NGTCP2_INTERNAL_ERROR, std::string("QUIC: ") + ngtcp2_strerror(code));
  default:
    ngtcp2_ccerr_set_liberr(&farewell_, code, nullptr, 0);
    farewell_due_ = true;
    return end(kind::violation, farewell_.error_code, "the peer broke the protocol: " + std::string(ngtcp2_strerror(code)));
  }
}

std::vector<uint8_t> connection_impl::farewell(base::mono_time now) {
  if (!farewell_due_ || !conn_) return {};
  farewell_due_ = false;
  std::vector<uint8_t> packet(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const auto n = ngtcp2_conn_write_connection_close(conn_, &path.path, &info, packet.data(), packet.size(), &farewell_, stamp(now));
  if (n <= 0) return {};
  packet.resize(static_cast<size_t>(n));
  return packet;
}

} // namespace ec::quic::internal
