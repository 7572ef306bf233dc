// Datagrams that belong to no connection: beginnings, and what is answered without keeping anything.
#include "quic/internal/endpoint_impl.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;

constexpr size_t resets_per_second_max = 200;
constexpr auto retry_token_life = std::chrono::seconds(10);

} // namespace

bool endpoint_impl::reset_for_client(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now) {
  bool ours = false;
  for (auto* c : dialled_) {
    if (c->ended() || c->closing() || !(c->peer() == arrival.remote)) continue;
    ours = true;
    if (!std::exchange(c->touched, true)) touched_.push_back(c);
    handle(*c, c->read(arrival.local, arrival.remote, arrival.ecn, bytes, now), now);
  }
  return ours;
}

void endpoint_impl::stranger(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now) {
  if (!serving()) {
    ++counters_.dropped_datagrams;
    return;
  }
  ngtcp2_pkt_hd header{};
  if (ngtcp2_accept(&header, bytes.data(), bytes.size()) == 0) {
    initial(header, arrival, bytes, now);
  } else if ((bytes[0] & 0x80) == 0) {
    send_stateless_reset(arrival, bytes, now);
  } else {
    ++counters_.dropped_datagrams;
  }
}

void endpoint_impl::initial(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now) {
  ngtcp2_cid original{};
  bool validated = false;
  if (header.tokenlen > 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    const int rc = ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, token_secret_.data(), token_secret_.size(),
                                                     header.version, arrival.remote.data(), arrival.remote.size(), &header.dcid,
                                                     static_cast<ngtcp2_duration>(std::chrono::nanoseconds(retry_token_life).count()),
                                                     to_tstamp(now));
    if (rc != 0) {
      ++counters_.invalid_tokens;
      refuse(header, arrival, NGTCP2_INVALID_TOKEN, now);
      return;
    }
    validated = true;
  }
  if (!validated && (config_.retry_always || half_open_ >= config_.retry_threshold)) {
    send_retry(header, arrival, now);
    return;
  }
  const std::string address(arrival.remote.host_bytes());
  const auto known = per_address_.find(address);
  if (connections_.size() >= config_.connections_max || half_open_ >= config_.half_open_max ||
      (known != per_address_.end() && known->second >= config_.connections_per_address_max)) {
    ++counters_.refused;
    refuse(header, arrival, NGTCP2_CONNECTION_REFUSED, now);
    return;
  }
  auto owned = std::make_unique<connection_impl>(*this, true);
  auto& c = *owned;
  connections_.emplace(&c, std::move(owned));
  c.half_open = true;
  ++half_open_;
  c.address_key = address;
  ++per_address_[address];
  connection_impl::server_start start;
  start.header = &header;
  start.original_dcid = validated ? &original : nullptr;
  start.token = validated ? header.token : nullptr;
  start.token_bytes = validated ? header.tokenlen : 0;
  start.local = arrival.local.specified() ? arrival.local : port_->local();
  start.remote = arrival.remote;
  start.tls = server_tls_;
  if (const auto started = c.start_server(start, now); !started) {
    ++counters_.handshakes_failed;
    destroy(c);
    return;
  }
  // Until it knows ours, the client uses the id that it chose.
  routes_[key_of(header.dcid.data, header.dcid.datalen)] = {&c, nullptr};
  c.add_cid(header.dcid);
  c.touched = true;
  touched_.push_back(&c);
  const auto what = c.read(start.local, arrival.remote, arrival.ecn, bytes, now);
  if (what == step::send_retry) {
    destroy(c);
    send_retry(header, arrival, now);
  } else {
    handle(c, what, now);
  }
}

void endpoint_impl::answer(const udp_arrival& to, std::span<const uint8_t> packet, mono_time now) {
  auto space = batcher_.space(packet.size());
  if (space.empty()) {
    if (!batcher_.flush(*port_, now)) return; // answers to strangers may be lost
    space = batcher_.space(packet.size());
    if (space.empty()) return;
  }
  std::memcpy(space.data(), packet.data(), packet.size());
  batcher_.add(to.local, to.remote, 0, packet.size());
}

void endpoint_impl::send_retry(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, mono_time now) {
  ngtcp2_cid scid{};
  scid.datalen = 18;
  if (!random_bytes(scid.data, scid.datalen)) return;
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
  const auto token_bytes = ngtcp2_crypto_generate_retry_token2(token, token_secret_.data(), token_secret_.size(), header.version,
                                                               arrival.remote.data(), arrival.remote.size(), &scid, &header.dcid, to_tstamp(now));
  if (token_bytes < 0) return;
  uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
  const auto n = ngtcp2_crypto_write_retry(packet, sizeof packet, header.version, &header.scid, &scid, &header.dcid, token,
                                           static_cast<size_t>(token_bytes));
  if (n <= 0) return;
  ++counters_.retries_sent;
  answer(arrival, {packet, static_cast<size_t>(n)}, now);
}

void endpoint_impl::refuse(const ngtcp2_pkt_hd& header, const udp_arrival& arrival, uint64_t code, mono_time now) {
  uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
  const auto n = ngtcp2_crypto_write_connection_close(packet, sizeof packet, header.version, &header.scid, &header.dcid, code, nullptr, 0);
  if (n > 0) answer(arrival, {packet, static_cast<size_t>(n)}, now);
}

void endpoint_impl::send_stateless_reset(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now) {
  // Smaller than what it answers, so that two endpoints cannot answer each other for ever [RFC 9000 10.3.3].
  constexpr size_t smallest = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  if (bytes.size() <= smallest + 1) {
    ++counters_.dropped_datagrams;
    return;
  }
  if (now - reset_window_ >= std::chrono::seconds(1)) {
    reset_window_ = now;
    resets_in_window_ = 0;
  }
  if (++resets_in_window_ > resets_per_second_max) {
    ++counters_.dropped_datagrams;
    return;
  }
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, bytes.data() + 1, cid_bytes);
  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
  uint8_t noise[64];
  const size_t noise_bytes = std::min<size_t>(bytes.size() - 1 - NGTCP2_STATELESS_RESET_TOKENLEN, 27);
  if (!random_bytes(noise, noise_bytes)) return;
  if (ngtcp2_crypto_generate_stateless_reset_token(token, reset_secret_.data(), reset_secret_.size(), &cid) != 0) return;
  uint8_t packet[128];
  const auto n = ngtcp2_pkt_write_stateless_reset(packet, sizeof packet, token, noise, noise_bytes);
  if (n <= 0) return;
  ++counters_.stateless_resets_sent;
  answer(arrival, {packet, static_cast<size_t>(n)}, now);
}

} // namespace ec::quic::internal
