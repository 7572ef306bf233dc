#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "base/byte_io.hpp"
#include "tests/support/virtual_net.hpp"

namespace ec::test {

/// A QUIC client that handshakes as any other and then sends packets of whatever frames a test writes, properly encrypted. The library below
/// believes that it sends datagrams; what they would have carried is exchanged when it asks for their encryption.
class hostile_client final : public quic::endpoint {
public:
  hostile_client(virtual_net& net, const std::string& local, const std::string& remote) :
    net_(net), port_(net.open(local)), remote_(quic::socket_address::parse(remote).value()), local_(quic::socket_address::parse(local).value()) {
    ref_ = {[](ngtcp2_crypto_conn_ref* ref) { return static_cast<hostile_client*>(ref->user_data)->conn_; }, this};
    gnutls_certificate_allocate_credentials(&credentials_);
    gnutls_init(&tls_, GNUTLS_CLIENT | GNUTLS_NO_TICKETS);
    gnutls_priority_set_direct(tls_, "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE", nullptr);
    gnutls_credentials_set(tls_, GNUTLS_CRD_CERTIFICATE, credentials_);
    static char protocol[] = "moqt-18";
    const gnutls_datum_t alpn{reinterpret_cast<unsigned char*>(protocol), sizeof protocol - 1};
    gnutls_alpn_set_protocols(tls_, &alpn, 1, GNUTLS_ALPN_MANDATORY);
    ngtcp2_crypto_gnutls_configure_client_session(tls_);
    gnutls_session_set_ptr(tls_, &ref_);
    ngtcp2_callbacks cb{};
    cb.client_initial = ngtcp2_crypto_client_initial_cb;
    cb.recv_retry = ngtcp2_crypto_recv_retry_cb;
    cb.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    cb.encrypt = encrypt;
    cb.decrypt = ngtcp2_crypto_decrypt_cb;
    cb.hp_mask = ngtcp2_crypto_hp_mask_cb;
    cb.update_key = ngtcp2_crypto_update_key_cb;
    cb.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    cb.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    cb.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    cb.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    cb.rand = [](uint8_t* out, size_t size, const ngtcp2_rand_ctx*) { std::memset(out, 7, size); };
    cb.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t size, void* user) {
      cid->datalen = size;
      std::memset(cid->data, ++static_cast<hostile_client*>(user)->ids_, size);
      std::memset(token, 9, NGTCP2_STATELESS_RESET_TOKENLEN);
      return 0;
    };
    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = stamp();
    settings.no_pmtud = 1;
    ngtcp2_transport_params params;
    ngtcp2_transport_params_default(&params);
    params.initial_max_streams_bidi = params.initial_max_streams_uni = 1000;
    params.initial_max_data = params.initial_max_stream_data_bidi_local = params.initial_max_stream_data_bidi_remote = params.initial_max_stream_data_uni = window;
    params.active_connection_id_limit = 4;
    params.max_datagram_frame_size = 65535;
    ngtcp2_cid dcid, scid;
    uint8_t theirs[18] = {1, 2, 3};
    const uint8_t mine[8] = {4, 5, 6};
    std::ranges::copy(std::string_view(local).substr(local.size() - std::min<size_t>(local.size(), 15)), theirs + 3); // what a client chose for another must not be it
    ngtcp2_cid_init(&dcid, theirs, sizeof theirs);
    ngtcp2_cid_init(&scid, mine, sizeof mine);
    const ngtcp2_path path = way();
    REQUIRE(ngtcp2_conn_client_new(&conn_, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &cb, &settings, &params, nullptr, this) == 0);
    ngtcp2_conn_set_tls_native_handle(conn_, tls_);
    net_.attach(*this);
  }
  ~hostile_client() override {
    net_.detach(*this);
    ngtcp2_conn_del(conn_);
    gnutls_deinit(tls_);
    gnutls_certificate_free_credentials(credentials_);
  }

  static constexpr uint64_t window = 1u << 20;
  static constexpr size_t room = 1100; ///< bytes of frames in one packet

  bool ready() const { return ngtcp2_conn_get_handshake_completed(conn_) != 0 && ngtcp2_conn_get_remote_transport_params(conn_) != nullptr; }
  /// One packet of these frames, when the congestion window lets it go.
  void send(std::vector<uint8_t> frames) {
    REQUIRE(frames.size() <= room);
    waiting_.push_back(std::move(frames));
  }
  size_t waiting() const { return waiting_.size(); }
  /// What its own acknowledgements would have said is left out from now on: packets without frames of a test's are PADDING alone.
  void mute() { mute_ = true; }
  /// The code of the CONNECTION_CLOSE that came; nothing: none.
  std::optional<uint64_t> closed() const { return closed_; }
  uint64_t packets_in = 0;

  // endpoint: only what a network needs
  int fd() const override { return -1; }
  quic::socket_address local() const override { return local_; }
  void on_readable(base::mono_time) override {
    for (const auto& a : port_->receive()) {
      ++packets_in;
      if (closed_) continue;
      const ngtcp2_path path = way();
      const ngtcp2_pkt_info info{};
      const int rc = ngtcp2_conn_read_pkt(conn_, &path, &info, a.bytes.data(), a.bytes.size(), stamp());
      if (rc == NGTCP2_ERR_DRAINING) closed_ = ngtcp2_conn_get_ccerr(conn_)->error_code;
    }
    flush(net_.now);
  }
  std::optional<base::mono_time> deadline() const override {
    if (closed_) return std::nullopt;
    const auto at = ngtcp2_conn_get_expiry(conn_);
    if (at == UINT64_MAX) return std::nullopt;
    return std::max(net_.now, base::mono_time(base::mono_duration(static_cast<int64_t>(at))));
  }
  void on_timer(base::mono_time now) override {
    if (!closed_) ngtcp2_conn_handle_expiry(conn_, stamp());
    flush(now);
  }
  void flush(base::mono_time now) override {
    if (closed_) return;
    static const std::vector<uint8_t> carrier(room);
    for (;;) {
      ngtcp2_path_storage path;
      ngtcp2_path_storage_zero(&path);
      ngtcp2_pkt_info info{};
      uint8_t packet[1452];
      ngtcp2_ssize n = 0;
      current = this;
      if (ready() && !waiting_.empty()) {
        ngtcp2_vec vec{const_cast<uint8_t*>(carrier.data()), carrier.size()};
        int taken = 0;
        exchange_ = true;
        n = ngtcp2_conn_writev_datagram(conn_, &path.path, &info, packet, sizeof packet, &taken, 0, 0, &vec, 1, stamp());
        exchange_ = false;
        if (taken) waiting_.erase(waiting_.begin());
      } else {
        n = ngtcp2_conn_write_pkt(conn_, &path.path, &info, packet, sizeof packet, stamp());
      }
      current = nullptr;
      if (n <= 0) break;
      const quic::udp_batch batch{local_, remote_, 0, {packet, static_cast<size_t>(n)}, static_cast<size_t>(n)};
      port_->send({&batch, 1}, now);
    }
    ngtcp2_conn_update_pkt_tx_time(conn_, stamp());
  }
  bool blocked() const override { return false; }
  base::result<quic::connection*> connect(const quic::socket_address&, const std::string&, const quic::client_verification&, const std::vector<std::string>&,
                                          quic::connection_events&, base::mono_time) override {
    return base::fail(base::errc::unsupported, "it has its one connection");
  }
  void close_all(uint64_t, std::string_view, base::mono_time) override {}
  base::result<void> set_identity(std::shared_ptr<const crypto::certificate_pair>) override { return base::ok(); }
  size_t connections() const override { return 1; }
  quic::endpoint_counters counters() const override { return {}; }

private:
  ngtcp2_tstamp stamp() const { return static_cast<ngtcp2_tstamp>(net_.now.time_since_epoch().count()); }
  ngtcp2_path way() const {
    ngtcp2_path out{};
    out.local = {const_cast<sockaddr*>(local_.data()), local_.size()};
    out.remote = {const_cast<sockaddr*>(remote_.data()), remote_.size()};
    return out;
  }
  /// The library gives no user here: it calls within `flush` only.
  static int encrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* ctx, const uint8_t* plain, size_t size, const uint8_t* nonce,
                     size_t nonce_size, const uint8_t* aad, size_t aad_size) {
    std::vector<uint8_t> frames(plain, plain + size);
    const bool short_header = (aad[0] & 0x80) == 0;
    if (current != nullptr && short_header && current->ready() && (current->mute_ || (current->exchange_ && size >= room))) {
      frames.assign(size, 0); // PADDING
      if (current->exchange_ && size >= room) std::ranges::copy(current->waiting_.front(), frames.begin());
    }
    return ngtcp2_crypto_encrypt_cb(dest, aead, ctx, frames.data(), frames.size(), nonce, nonce_size, aad, aad_size);
  }

  static inline hostile_client* current = nullptr;
  virtual_net& net_;
  std::unique_ptr<quic::udp_port> port_;
  quic::socket_address remote_, local_;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_session_t tls_ = nullptr;
  ngtcp2_crypto_conn_ref ref_{};
  ngtcp2_conn* conn_ = nullptr;
  std::vector<std::vector<uint8_t>> waiting_;
  bool exchange_ = false;
  bool mute_ = false;
  uint8_t ids_ = 0;
  std::optional<uint64_t> closed_;
};

} // namespace ec::test
