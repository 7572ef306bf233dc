// How a connection begins, and what ngtcp2 calls back. Callbacks note events; they are delivered after the library has
// returned, so that no call of the application's reaches it from within.
#include <algorithm>
#include <cstring>

#include "base/hex.hpp"
#include "base/limits_attacker.hpp"
#include "quic/internal/connection.hpp"

namespace ec::quic::internal {
namespace limits = base::limits;
using base::errc;
using base::result;

struct connection_impl::callbacks {
  static connection_impl& self(void* user) { return *static_cast<connection_impl*>(user); }

  static int handshake_completed(ngtcp2_conn*, void* user) {
    self(user).handshake_completed();
    return 0;
  }

  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, uint64_t offset, const uint8_t* data, size_t size,
                              void* user) {
    auto& c = self(user);
    c.fresh_ = true;
    c.crypto_bytes_ += size;
    if (c.crypto_bytes_ > limits::quic_crypto_bytes_max) {
      c.crypto_flood_ = true;
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
  }

  static int stream_open(ngtcp2_conn* conn, int64_t id, void* user) {
    auto& c = self(user);
    auto& s = c.add_stream(static_cast<uint64_t>(id), ngtcp2_is_bidi_stream(id) != 0, true);
    return ngtcp2_conn_set_stream_user_data(conn, id, &s) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
  }

  static int recv_stream_data(ngtcp2_conn*, uint32_t flags, int64_t id, uint64_t, const uint8_t* data, size_t size, void* user,
                              void* stream_user) {
    auto& c = self(user);
    auto* s = static_cast<stream*>(stream_user);
    if (!s) return 0;
    c.fresh_ = true;
    if ((flags & NGTCP2_STREAM_DATA_FLAG_0RTT) != 0) {
      // Who has heard of a stream of ours has the keys of the connection, and sends no early data any more [RFC 9001 4.9.3].
      if (!s->remote) {
        c.early_answer_ = true;
        return NGTCP2_ERR_CALLBACK_FAILURE;
      }
      c.begin_early();
    }
    s->uncredited += size;
    const bool fin = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
    // What follows in the same burst goes into the same buffer.
    if (!c.queue_.empty()) {
      auto& last = c.queue_.back();
      if (last.what == event::kind::data && last.id == s->id && !last.fin) {
        if (last.bytes.capacity() < last.bytes.size() + size) last.bytes.reserve(std::max<size_t>(16384, 2 * (last.bytes.size() + size)));
        last.bytes.insert(last.bytes.end(), data, data + size);
        last.fin = fin;
        return 0;
      }
    }
    c.push({event::kind::data, static_cast<uint64_t>(id), 0, fin, std::vector<uint8_t>(data, data + size)});
    return 0;
  }

  static int acked_stream_data_offset(ngtcp2_conn*, int64_t, uint64_t offset, uint64_t size, void* user, void* stream_user) {
    auto& c = self(user);
    if (auto* s = static_cast<stream*>(stream_user)) {
      c.unacked_ -= s->out.acked(offset + size);
      c.unacked_since_.reset();
      c.space_freed();
    }
    return 0;
  }

  static int stream_close(ngtcp2_conn*, uint32_t flags, int64_t, uint64_t code, void* user, void* stream_user) {
    if (auto* s = static_cast<stream*>(stream_user)) {
      self(user).stream_closed(*s, (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0, code);
    }
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, int64_t id, uint64_t, uint64_t code, void* user, void* stream_user) {
    auto& c = self(user);
    auto* s = static_cast<stream*>(stream_user);
    if (!s) return 0;
    s->reset_received = true;
    c.fresh_ = true;
    c.credit(*s, s->uncredited);
    if (!s->stop_sent) c.push({event::kind::reset, static_cast<uint64_t>(id), code, false, {}});
    return 0;
  }

  static int extend_max_streams(ngtcp2_conn*, uint64_t, void* user) {
    self(user).streams_freed();
    return 0;
  }

  static int extend_max_stream_data(ngtcp2_conn*, int64_t, uint64_t, void* user, void* stream_user) {
    auto& c = self(user);
    auto* s = static_cast<stream*>(stream_user);
    if (s && s->out.sendable() && !s->stopped && !s->reset_sent) c.schedule_.add(s->turn);
    return 0;
  }

  static int recv_datagram(ngtcp2_conn*, uint32_t flags, const uint8_t* data, size_t size, void* user) {
    auto& c = self(user);
    c.fresh_ = true;
    if ((flags & NGTCP2_DATAGRAM_FLAG_0RTT) != 0) c.begin_early();
    c.push({event::kind::datagram, 0, 0, false, std::vector<uint8_t>(data, data + size)});
    return 0;
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    self(user).stateless_reset_ = true;
    return 0;
  }

  static void qlog_write(void* user, uint32_t, const void* data, size_t size) {
    self(user).notes_->write({static_cast<const char*>(data), size});
  }

  static void rand(uint8_t* out, size_t size, const ngtcp2_rand_ctx*) {
    // Grease and probe timing only; ids and tokens come from new_cid, which checks.
    if (!random_bytes(out, size)) std::memset(out, 0, size);
  }

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t, void* user) {
    auto& c = self(user);
    return c.host_.new_cid(c, *cid, token) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    auto& c = self(user);
    c.host_.forget_cid(*cid);
    std::erase_if(c.cids_, [&](const ngtcp2_cid& mine) { return ngtcp2_cid_eq(&mine, cid) != 0; });
    return 0;
  }

  static ngtcp2_callbacks all(bool server) {
    ngtcp2_callbacks cb{};
    if (server) {
      cb.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
      cb.client_initial = ngtcp2_crypto_client_initial_cb;
      cb.recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    cb.recv_crypto_data = recv_crypto_data;
    cb.handshake_completed = handshake_completed;
    cb.encrypt = ngtcp2_crypto_encrypt_cb;
    cb.decrypt = ngtcp2_crypto_decrypt_cb;
    cb.hp_mask = ngtcp2_crypto_hp_mask_cb;
    cb.recv_stream_data = recv_stream_data;
    cb.acked_stream_data_offset = acked_stream_data_offset;
    cb.stream_open = stream_open;
    cb.stream_close = stream_close;
    cb.stream_reset = stream_reset;
    cb.recv_stateless_reset = recv_stateless_reset;
    cb.extend_max_local_streams_bidi = extend_max_streams;
    cb.extend_max_local_streams_uni = extend_max_streams;
    cb.extend_max_stream_data = extend_max_stream_data;
    cb.recv_datagram = recv_datagram;
    cb.rand = rand;
    cb.get_new_connection_id = get_new_connection_id;
    cb.remove_connection_id = remove_connection_id;
    cb.update_key = ngtcp2_crypto_update_key_cb;
    cb.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    cb.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    cb.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    cb.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    return cb;
  }

  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return self(ref->user_data).conn_; }
};

tls_session* session_of(ngtcp2_crypto_conn_ref* ref) {
  return static_cast<connection_impl*>(ref->user_data)->tls_.get();
}

namespace {
// Sizes to probe for beyond what one Ethernet frame carries; the library's own list ends there.
constexpr uint16_t jumbo_probes[] = {1404, 1452, 4404, 8904};
} // namespace

/// Who dialled may fill his receive window behind a hole: it counts in what he may make this side hold.
uint64_t connection_impl::window(uint64_t wanted) const {
  return server_ ? std::min<uint64_t>(wanted, limits::quic_accepted_window) : wanted;
}

ngtcp2_settings connection_impl::settings(base::mono_time now) const {
  const auto& config = host_.config();
  ngtcp2_settings s;
  ngtcp2_settings_default(&s);
  s.initial_ts = to_tstamp(now);
  s.cc_algo = config.congestion_control == endpoint_config::congestion::bbr ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
  s.handshake_timeout = static_cast<ngtcp2_duration>(config.handshake_timeout.count());
  s.max_window = window(config.connection_window_max);
  s.max_stream_window = window(config.stream_window_max);
  s.max_tx_udp_payload_size = std::max<size_t>(config.udp_payload_bytes_max, NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  s.no_pmtud = config.udp_payload_bytes_max <= NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  if (config.udp_payload_bytes_max > NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE) {
    s.pmtud_probes = jumbo_probes;
    s.pmtud_probeslen =
      static_cast<size_t>(std::ranges::upper_bound(jumbo_probes, config.udp_payload_bytes_max) - std::begin(jumbo_probes));
  }
  return s;
}

void connection_impl::begin_notes(ngtcp2_settings& s, const ngtcp2_cid& first) {
  const auto& notes = host_.config().notes;
  if (!notes) return;
  notes_ = notes->begin(base::to_hex({first.data, first.datalen}), server_);
  if (notes_) s.qlog_write = callbacks::qlog_write;
}

ngtcp2_transport_params connection_impl::params() const {
  const auto& config = host_.config();
  ngtcp2_transport_params p;
  ngtcp2_transport_params_default(&p);
  p.initial_max_stream_data_bidi_local = window(config.stream_window);
  p.initial_max_stream_data_bidi_remote = window(config.stream_window);
  p.initial_max_stream_data_uni = window(config.stream_window);
  p.initial_max_data = window(config.connection_window);
  p.initial_max_streams_bidi = config.peer_streams_bidi_max;
  p.initial_max_streams_uni = server_ ? std::min<uint64_t>(config.peer_streams_uni_max, limits::quic_accepted_streams_uni_max) : config.peer_streams_uni_max;
  p.max_idle_timeout = static_cast<ngtcp2_duration>(config.idle_timeout.count());
  p.active_connection_id_limit = 4;
  p.max_datagram_frame_size = config.datagrams ? 65535 : 0;
  p.grease_quic_bit = 1;
  return p;
}

result<void> connection_impl::start_server(const server_start& start, base::mono_time now) {
  local_ = start.local;
  remote_ = start.remote;
  auto s = settings(now);
  auto p = params();
  s.token = start.token;
  s.tokenlen = start.token_bytes;
  s.token_type = start.token_bytes > 0 ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_UNKNOWN;
  p.original_dcid_present = 1;
  if (start.original_dcid) {
    p.original_dcid = *start.original_dcid;
    p.retry_scid = start.header->dcid;
    p.retry_scid_present = 1;
  } else {
    p.original_dcid = start.header->dcid;
  }
  begin_notes(s, p.original_dcid);
  ngtcp2_cid scid{};
  p.stateless_reset_token_present = 1;
  if (!host_.new_cid(*this, scid, p.stateless_reset_token)) return base::fail(errc::internal, "no random numbers");
  ngtcp2_path path{};
  path.local = {const_cast<sockaddr*>(local_.data()), local_.size()};
  path.remote = {const_cast<sockaddr*>(remote_.data()), remote_.size()};
  const auto cb = callbacks::all(true);
  const int rc = ngtcp2_conn_server_new(&conn_, &start.header->scid, &scid, &path, start.header->version, &cb, &s, &p, memory_.allocator(), this);
  if (rc != 0) {
    conn_ = nullptr;
    return base::fail(errc::internal, std::string("cannot accept: ") + ngtcp2_strerror(rc));
  }
  ref_ = {callbacks::conn_of, this};
  auto tls = tls_session::server(start.tls, host_.config().alpns, host_.tickets(now), ref_);
  if (!tls) return base::fail(tls.error());
  tls_ = std::move(tls.value());
  ngtcp2_conn_set_tls_native_handle(conn_, tls_->raw());
  return base::ok();
}

result<void> connection_impl::start_client(const client_start& start, base::mono_time now) {
  local_ = start.local;
  remote_ = start.remote;
  events_ = start.events;
  auto s = settings(now);
  const auto p = params();
  ngtcp2_cid scid{};
  ngtcp2_cid dcid{};
  dcid.datalen = 18;
  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
  if (!random_bytes(dcid.data, dcid.datalen) || !host_.new_cid(*this, scid, token)) return base::fail(errc::internal, "no random numbers");
  begin_notes(s, dcid);
  ngtcp2_path path{};
  path.local = {const_cast<sockaddr*>(local_.data()), local_.size()};
  path.remote = {const_cast<sockaddr*>(remote_.data()), remote_.size()};
  const auto cb = callbacks::all(false);
  const int rc = ngtcp2_conn_client_new(&conn_, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &cb, &s, &p, memory_.allocator(), this);
  if (rc != 0) {
    conn_ = nullptr;
    return base::fail(errc::internal, std::string("cannot dial: ") + ngtcp2_strerror(rc));
  }
  ref_ = {callbacks::conn_of, this};
  known_as_ = start.known_as;
  const client_tickets tickets{!start.known_as.empty(), start.known ? &*start.known : nullptr};
  auto tls = tls_session::client(start.tls, start.alpns, start.server_name, start.verification, tickets, ref_);
  if (!tls) return base::fail(tls.error());
  tls_ = std::move(tls.value());
  ngtcp2_conn_set_tls_native_handle(conn_, tls_->raw());
  if (!start.known || !tls_->early_offered()) return base::ok();
  const auto& parameters = start.known->parameters;
  if (ngtcp2_conn_decode_and_set_0rtt_transport_params(conn_, parameters.data(), parameters.size()) != 0) return base::fail(errc::internal, "cannot use what is remembered of the server");
  early_alpn_ = start.known->alpn;
  known_ = start.known;
  begin_early();
  return base::ok();
}

std::optional<quic::client_certificate> connection_impl::client_certificate() const {
  return tls_ && server_ && state_ != state::handshaking ? tls_->client() : std::nullopt;
}

std::optional<std::pair<std::string, std::string>> connection_impl::refused_certificate() const {
  if (!server_ || !tls_ || tls_->failure().empty()) return std::nullopt;
  return std::pair(tls_->client() ? tls_->client()->subject : std::string{}, tls_->failure());
}

void connection_impl::set_keep_alive(base::mono_duration quiet) {
  keep_alive_ = quiet;
  if (connected()) apply_keep_alive();
}

void connection_impl::apply_keep_alive() {
  const auto& config = host_.config();
  const auto quiet = keep_alive_.value_or(server() ? config.accepted_keep_alive : config.keep_alive);
  ngtcp2_conn_set_keep_alive_timeout(conn_, quiet.count() > 0 ? static_cast<ngtcp2_duration>(quiet.count()) : UINT64_MAX);
}

} // namespace ec::quic::internal
