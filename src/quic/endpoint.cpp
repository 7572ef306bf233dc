#include "quic/endpoint.hpp"

#include <algorithm>

#include "base/hex.hpp"
#include "quic/internal/endpoint_impl.hpp"
#include "quic/webtransport.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

constexpr size_t read_rounds = 8;
constexpr size_t slice_connections = 64; ///< after so many, read what came back: else the flush delays its own ACKs

/// What must be the same where a ticket is used.
std::string known_name(std::string_view host, uint16_t port, const client_verification& v, const std::vector<std::string>& alpns) {
  std::string out = std::string(host) + ' ' + std::to_string(port) + ' ' + std::to_string(static_cast<int>(v.how)) + ' ' + base::to_hex(v.pin) + ' ' + v.ca_file;
  for (const auto& alpn : alpns) out += '\n' + alpn;
  return out;
}

} // namespace

result<void> endpoint_impl::set_up() {
  if (config_.alpns.size() > limits::quic_alpns_max) return fail(errc::invalid_argument, "too many ALPNs");
  if (config_.udp_payload_bytes_max > 9000) return fail(errc::invalid_argument, "udp_payload_bytes_max is over 9000");
  cid_hash hash;
  if (!random_bytes(token_secret_.data(), token_secret_.size()) || !random_bytes(reset_secret_.data(), reset_secret_.size()) ||
      !random_bytes(hash.secret.data(), sizeof hash.secret)) {
    return fail(errc::internal, "no random numbers");
  }
  routes_ = decltype(routes_)(64, hash);
  if (acceptor_) {
    if (!config_.identity) return fail(errc::invalid_argument, "a server needs a certificate and key");
    if (config_.alpns.empty()) return fail(errc::invalid_argument, "a server needs at least one ALPN");
    return set_identity(config_.identity);
  }
  return base::ok();
}

result<void> endpoint_impl::set_identity(std::shared_ptr<const crypto::certificate_pair> identity) {
  if (!identity) return fail(errc::invalid_argument, "no certificate");
  auto made = tls_context::server(*identity, config_.client_ca_pem);
  if (!made) return fail(made.error());
  // From the key, not from chance: a server that starts again can tell its old peers that their connections are gone.
  if (!secret_from_key(identity->key_pem(), "ec-node stateless reset", reset_secret_)) return fail(errc::internal, "cannot derive the reset secret");
  server_tls_ = std::move(made.value());
  config_.identity = std::move(identity);
  return base::ok();
}

endpoint_impl::~endpoint_impl() {
  for (auto& [raw, c] : connections_) {
    c->close(0, "shutting down");
    if (c->closing()) {
      const auto packet = c->farewell(last_now_);
      if (!packet.empty()) answer({c->local(), c->peer(), 0, {}, 0}, packet, last_now_);
    }
  }
  (void)batcher_.flush(*port_, last_now_);
  connections_.clear();
}

bool endpoint_impl::new_cid(connection_impl& owner, ngtcp2_cid& cid, uint8_t* token) {
  cid.datalen = cid_bytes;
  do {
    if (!random_bytes(cid.data, cid.datalen)) return false;
  } while (routes_.contains(key_of(cid.data, cid.datalen)));
  if (ngtcp2_crypto_generate_stateless_reset_token(token, reset_secret_.data(), reset_secret_.size(), &cid) != 0) return false;
  routes_[key_of(cid.data, cid.datalen)] = {&owner, nullptr};
  owner.add_cid(cid);
  return true;
}

void endpoint_impl::arm(connection_impl& c) {
  const auto due = c.due();
  // Lazily: an entry that is early is put right when it fires.
  if (c.timer_set && c.timer_at <= due) return;
  disarm(c);
  if (due == mono_time::max()) return;
  c.timer_at = due;
  c.timer_set = true;
  timers_.emplace(due, &c);
}

void endpoint_impl::disarm(connection_impl& c) {
  if (!std::exchange(c.timer_set, false)) return;
  timers_.erase({c.timer_at, &c});
}

std::optional<mono_time> endpoint_impl::deadline() const {
  if (!dead_.empty() || !eventful_.empty()) return last_now_; // at once
  std::optional<mono_time> first;
  if (!timers_.empty()) first = timers_.begin()->first;
  if (blocked_) first = first ? std::min(*first, retry_send_) : retry_send_;
  else if (!dirty_.empty()) return last_now_; // at once
  return first;
}

void endpoint_impl::on_readable(mono_time now) {
  now = tick(now);
  for (size_t round = 0; round < read_rounds; ++round) {
    const auto arrivals = port_->receive();
    if (arrivals.empty()) break;
    if (round > 0) now = port_->now(now);
    read_round(arrivals, now);
    deliver(now);
    flush(now);
  }
  while (const auto lost = port_->next_unreachable()) {
    for (auto* c : dialled_) {
      if (c->handshaking() && c->peer() == lost->remote) c->unreachable(lost->system_error);
    }
  }
  flush(now);
  deliver(now);
  flush(now);
}

void endpoint_impl::read_round(std::span<const udp_arrival> arrivals, mono_time now) {
  now = tick(now);
  for (const auto& arrival : arrivals) {
    for (size_t at = 0; at < arrival.bytes.size(); at += arrival.segment) {
      datagram(arrival, arrival.bytes.subspan(at, std::min(arrival.segment, arrival.bytes.size() - at)), now);
    }
  }
  after_round(now);
}

void endpoint_impl::after_round(mono_time now) {
  for (auto* c : std::exchange(touched_, {})) {
    c->touched = false;
    if (c->ended()) continue;
    if (c->after_read(now)) wake(*c);
    else arm(*c);
  }
  if (memory_.over > config_.held_bytes_max) lighten(now);
}

void endpoint_impl::datagram(const udp_arrival& arrival, std::span<const uint8_t> bytes, mono_time now) {
  ngtcp2_version_cid id{};
  const int rc = ngtcp2_pkt_decode_version_cid(&id, bytes.data(), bytes.size(), cid_bytes);
  if (rc == NGTCP2_ERR_VERSION_NEGOTIATION) {
    // Only full-size packets are answered: an answer is never larger than the question.
    if (!serving() || bytes.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
      ++counters_.dropped_datagrams;
      return;
    }
    uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
    uint8_t grease = 0;
    if (!random_bytes(&grease, 1)) return;
    const uint32_t versions[] = {0x1a2a3a4a, NGTCP2_PROTO_VER_V1};
    const auto n = ngtcp2_pkt_write_version_negotiation(packet, sizeof packet, grease, id.scid, id.scidlen, id.dcid, id.dcidlen, versions, 2);
    if (n <= 0) return;
    ++counters_.version_negotiations_sent;
    answer(arrival, {packet, static_cast<size_t>(n)}, now);
    return;
  }
  if (rc != 0) {
    ++counters_.dropped_datagrams;
    return;
  }
  const auto at = id.dcidlen <= NGTCP2_MAX_CIDLEN ? routes_.find(key_of(id.dcid, id.dcidlen)) : routes_.end();
  if (at == routes_.end()) {
    if ((bytes[0] & 0x80) == 0 && reset_for_client(arrival, bytes, now)) return;
    stranger(arrival, bytes, now);
    return;
  }
  if (auto* dead = at->second.dead) {
    // The 1st, 2nd, 4th, 8th ... packet is answered [RFC 9000 10.2.1].
    if (!dead->farewell.empty() && std::has_single_bit(++dead->packets)) answer({dead->local, dead->remote, 0, {}, 0}, dead->farewell, now);
    return;
  }
  auto& c = *at->second.live;
  if (!std::exchange(c.touched, true)) touched_.push_back(&c);
  const auto what = c.read(arrival.local, arrival.remote, arrival.ecn, bytes, now);
  if (what != step::go_on) handle(c, what, now);
}

void endpoint_impl::handle(connection_impl& c, step what, mono_time now) {
  switch (what) {
  case step::go_on: return;
  case step::send_retry: // is decided before a connection is made: here it cannot be sent any more
  case step::drop: destroy(c); return;
  case step::ended: bury(c, now); return;
  }
}

void endpoint_impl::bury(connection_impl& c, mono_time now) {
  if (std::exchange(c.listed_dead, true)) return;
  now = tick(now);
  if (std::exchange(c.half_open, false)) {
    --half_open_;
    ++counters_.handshakes_failed;
    if (const auto refused = acceptor_ ? c.refused_certificate() : std::nullopt) {
      ++counters_.certificates_refused;
      acceptor_->on_certificate_refused(c.peer(), refused->first, refused->second);
    }
  } else if (!c.server() && !c.was_complete() && c.reason().what != close_reason::kind::local) {
    ++counters_.handshakes_failed;
  }
  ++counters_.closed;
  disarm(c);
  auto grave = std::make_unique<tombstone>();
  grave->farewell = c.farewell(now);
  grave->local = c.local();
  grave->remote = c.peer();
  grave->until = now + c.close_period();
  if (!grave->farewell.empty()) answer({grave->local, grave->remote, 0, {}, 0}, grave->farewell, now);
  const auto why = c.reason().what;
  if (why != close_reason::kind::stateless_reset && why != close_reason::kind::idle_timeout) {
    while (tombstones_.size() >= limits::quic_tombstones_max) {
      for (const auto& cid : tombstones_.front()->cids) forget_cid(cid);
      tombstones_.pop_front();
    }
    grave->cids = c.cids();
    for (const auto& cid : grave->cids) routes_[key_of(cid.data, cid.datalen)] = {nullptr, grave.get()};
    tombstones_.push_back(std::move(grave));
  } else {
    for (const auto& cid : c.cids()) forget_cid(cid);
  }
  dead_.push_back(&c);
}

/// Without a farewell or a grave: an attempt that never became a connection.
void endpoint_impl::destroy(connection_impl& c) {
  if (std::exchange(c.listed_dead, true)) return;
  if (std::exchange(c.half_open, false)) {
    --half_open_;
    ++counters_.handshakes_failed;
  }
  disarm(c);
  for (const auto& cid : c.cids()) forget_cid(cid);
  if (!c.ended()) c.finish_close();
  dead_.push_back(&c);
}

void endpoint_impl::deliver(mono_time now) {
  if (delivering_) return;
  delivering_ = true;
  // What handlers cause is delivered too, but not without end: the rest waits for the next call.
  for (int pass = 0; pass < 4 && !eventful_.empty(); ++pass) {
    for (auto* c : std::exchange(eventful_, {})) {
      c->eventful = false;
      c->deliver();
    }
  }
  for (auto* c : std::exchange(dead_, {})) {
    if (c->eventful) {
      c->deliver();
      std::erase(eventful_, c);
    }
    c->deliver_closed();
    if (c->dirty) std::erase(dirty_, c);
    if (c->touched) std::erase(touched_, c);
    if (!c->server()) std::erase(dialled_, c);
    if (!c->address_key.empty()) {
      const auto at = per_address_.find(c->address_key);
      if (at != per_address_.end() && --at->second == 0) per_address_.erase(at);
    }
    connections_.erase(c);
  }
  purge(now);
  delivering_ = false;
}

void endpoint_impl::purge(mono_time now) {
  while (!tombstones_.empty() && tombstones_.front()->until <= now) {
    for (const auto& cid : tombstones_.front()->cids) forget_cid(cid);
    tombstones_.pop_front();
  }
}

void endpoint_impl::on_timer(mono_time now) {
  now = tick(now);
  deliver(now);
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto& c = *timers_.begin()->second;
    disarm(c);
    if (c.due() > now) {
      arm(c);
      continue;
    }
    handle(c, c.on_timer(now), now);
  }
  flush(now);
  deliver(now);
  flush(now);
}

bool endpoint_impl::send_now(mono_time now) {
  blocked_ = !batcher_.flush(*port_, now);
  if (blocked_) retry_send_ = now + std::chrono::milliseconds(1);
  return !blocked_;
}

void endpoint_impl::flush(mono_time now) {
  now = tick(now);
  if (!send_now(now)) return;
  size_t in_slice = 0;
  size_t turns = 0;
  // One burst for each in turn; who may go on at once goes to the back. The bound keeps one call from running for ever.
  while (!dirty_.empty() && turns < 4 * (connections_.size() + 16)) {
    auto round = std::exchange(dirty_, {});
    for (size_t i = 0; i < round.size(); ++i) {
      auto& c = *round[i];
      c.dirty = false;
      ++turns;
      if (c.closing()) {
        c.finish_close();
        bury(c, now);
        continue;
      }
      if (c.ended()) {
        bury(c, now);
        continue;
      }
      bool more = false;
      bool stuck = false;
      const auto what = c.write_packets(now, more, stuck);
      if (what != step::go_on) {
        handle(c, what, now);
        continue;
      }
      arm(c);
      if (more) wake(c);
      if (stuck || !(++in_slice < slice_connections)) {
        in_slice = 0;
        const bool sent = !stuck && send_now(now);
        if (!sent) {
          blocked_ = true;
          retry_send_ = now + std::chrono::milliseconds(1);
          for (size_t rest = i + 1; rest < round.size(); ++rest) dirty_.push_back(round[rest]);
          return;
        }
        // Take the ACKs in before the next slice; their events are delivered from the loop.
        now = tick(port_->now(now));
        if (const auto arrivals = port_->receive(); !arrivals.empty()) read_round(arrivals, now);
      }
    }
  }
  (void)send_now(now);
}

result<connection*> endpoint_impl::connect(const socket_address& peer, const std::string& server_name, const client_verification& verification,
                                           const std::vector<std::string>& alpns, connection_events& events, mono_time now) {
  now = tick(now);
  if (!peer.specified() || peer.port() == 0) return fail(errc::invalid_argument, "no address to dial", peer.to_string());
  if (alpns.empty() || alpns.size() > limits::quic_alpns_max) return fail(errc::invalid_argument, "needs 1 to 16 ALPNs");
  if (connections_.size() >= config_.connections_max) return fail(errc::busy, "at the limit of connections");
  const auto bound = port_->local();
  if (bound.v6() != peer.v6() && !(bound.v6() && bound.wildcard())) {
    return fail(errc::invalid_argument, "this endpoint is bound to " + bound.to_string() + ", of the other address family", peer.to_string());
  }
  connection_impl::client_start start;
  start.local = bound.wildcard() ? socket_address::any(peer.v6(), bound.port()) : bound;
  start.remote = peer;
  start.server_name = server_name;
  start.verification = verification;
  start.alpns = alpns;
  start.events = &events;
  if (verification.how == client_verification::method::ca) {
    auto& cached = ca_tls_[verification.ca_file];
    if (!cached) {
      auto made = tls_context::client_ca(verification.ca_file, config_.client_identity.get());
      if (!made) {
        ca_tls_.erase(verification.ca_file);
        return fail(made.error());
      }
      cached = std::move(made.value());
    }
    start.tls = cached;
  } else {
    if (!plain_tls_) {
      auto made = tls_context::client_plain(config_.client_identity.get());
      if (!made) return fail(made.error());
      plain_tls_ = std::move(made.value());
    }
    start.tls = plain_tls_;
  }
  if (config_.known && !(alpns.size() == 1 && alpns.front() == webtransport_alpn)) {
    start.known_as = known_name(server_name.empty() ? peer.host_bytes() : server_name, peer.port(), verification, alpns);
    start.known = config_.known->take(start.known_as, now);
  }
  auto owned = std::make_unique<connection_impl>(*this, false);
  auto& c = *owned;
  connections_.emplace(&c, std::move(owned));
  if (const auto started = c.start_client(start, now); !started) {
    for (const auto& cid : c.cids()) forget_cid(cid);
    connections_.erase(&c);
    return fail(started.error());
  }
  ++counters_.dialled;
  dialled_.push_back(&c);
  if (!c.early()) wake(c); // its first words go with its first packet: they come when it is told that it may speak
  return &c;
}

void endpoint_impl::close_all(uint64_t app_code, std::string_view reason, mono_time now) {
  for (auto& [raw, c] : connections_) c->close(app_code, reason);
  flush(now);
}

} // namespace ec::quic::internal

namespace ec::quic {

using base::fail;
using base::result;
using internal::endpoint_impl;

result<std::unique_ptr<endpoint>> endpoint::create(endpoint_config config, acceptor* accept) {
  auto port = open_udp(config.listen.value_or(socket_address{}), config.udp);
  if (!port) return fail(port.error());
  return create(std::move(config), std::move(port.value()), accept);
}

result<std::unique_ptr<endpoint>> endpoint::create(endpoint_config config, std::unique_ptr<udp_port> port, acceptor* accept) {
  auto made = std::make_unique<endpoint_impl>(std::move(config), std::move(port), accept);
  if (const auto up = made->set_up(); !up) return fail(up.error());
  return std::unique_ptr<endpoint>(std::move(made));
}

} // namespace ec::quic
