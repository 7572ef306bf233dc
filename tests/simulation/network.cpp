#include "tests/simulation/network.hpp"

#include <algorithm>

namespace ec::simulation {
namespace {

using namespace std::chrono_literals;

constexpr size_t packet_bytes_max = 4 * 1200; // a burst travels as one
constexpr base::mono_duration retry_max = 2s; // new data, once a chunk, shows what was lost before it
constexpr uint64_t stream_unidirectional = 2;

} // namespace

quic::socket_address network::address_of(host_id host) {
  return quic::socket_address::parse("10.0.0." + std::to_string(host) + ":4443").value();
}

std::unique_ptr<quic::endpoint> network::open(host_id host, quic::endpoint_config config, quic::acceptor* accept, sim_loop& loop) {
  auto made = std::make_unique<sim_endpoint>(*this, host, loop, std::move(config), accept);
  endpoints_[host] = made.get();
  return made;
}

void network::silence(host_id host) {
  down_.insert(host);
  const auto at = endpoints_.find(host);
  if (at == endpoints_.end()) return;
  at->second->silent_ = true;
  for (auto& c : at->second->connections_) {
    c->closing_ = true;
    c->wire_->ends[c->side_] = nullptr;
    *c->alive_ = false;
  }
  endpoints_.erase(at);
}

bool network::reliable(packet::kind k) {
  using kind = packet::kind;
  return k == kind::hello || k == kind::welcome || k == kind::finished || k == kind::data || k == kind::reset || k == kind::stop;
}

void network::send(const std::shared_ptr<wire>& w, unsigned from, packet p, unsigned attempt) {
  auto& rng = world_.rng();
  const auto& way = between(w->hosts[from], w->hosts[1 - from]);
  ++packets_;
  if (way.cut || down_.contains(w->hosts[1 - from]) || rng.chance(way.lost_per_mille)) {
    if (!reliable(p.what) || (forgets && p.what == packet::kind::data)) return;
    const auto wait = std::min<base::mono_duration>((2 * (way.delay + way.jitter) + 50ms) * (1u << std::min(attempt, 10u)), retry_max);
    world_.after(wait, [this, w, from, p = std::move(p), attempt] {
      if (w->ends[from] != nullptr) send(w, from, p, attempt + 1);
    });
    return;
  }
  const auto jitter = [&] { return base::mono_duration(static_cast<int64_t>(rng.below(static_cast<uint64_t>(way.jitter.count()) + 1))); };
  const auto first = way.delay + jitter();
  if (rng.chance(way.twice_per_mille)) world_.after(way.delay + jitter() + way.jitter, [this, w, from, p] { arrive(w, 1 - from, p, 0); });
  world_.after(first, [this, w, from, p = std::move(p), attempt] { arrive(w, 1 - from, p, attempt); });
}

void network::arrive(const std::shared_ptr<wire>& w, unsigned to, const packet& p, unsigned attempt) {
  using kind = packet::kind;
  const unsigned from = 1 - to;
  if (down_.contains(w->hosts[to])) {
    // Nobody says that it came: the sender tries again.
    if (reliable(p.what) && w->ends[from] != nullptr) send(w, from, p, attempt + 1);
    return;
  }
  auto& log = world_.log();
  log.add(w->id << 8 | static_cast<uint64_t>(p.what) << 1 | to);
  log.add(p.stream ^ p.offset << 24 ^ static_cast<uint64_t>(p.bytes.size()) << 48 ^ static_cast<uint64_t>(p.fin));
  auto* end = w->ends[to];
  if (end == nullptr && p.what == kind::hello) {
    const auto at = endpoints_.find(w->hosts[to]);
    if (w->ends[from] == nullptr) return;
    if (at == endpoints_.end() || at->second->accept_ == nullptr) return send(w, to, {.what = kind::refused});
    if (w->alpn = at->second->choose(w->offered); w->alpn.empty()) return send(w, to, {.what = kind::refused});
    end = &at->second->add(w, to, nullptr);
    send(w, to, {.what = kind::welcome});
    return;
  }
  if (end == nullptr) {
    // The host is there and knows nothing of this connection.
    if (p.what != kind::unknown && p.what != kind::close && p.what != kind::refused && endpoints_.contains(w->hosts[to]))
      send(w, to, {.what = kind::unknown});
    return;
  }
  if (end->closing_) return;
  end->heard();
  // What came is acknowledged, if the way back is open.
  if (reliable(p.what) && w->ends[from] != nullptr && !between(w->hosts[to], w->hosts[from]).cut) w->ends[from]->heard();
  end->on(p);
  end->at_.touch();
}

// --- one end

sim_connection::sim_connection(sim_endpoint& at, std::shared_ptr<network::wire> on, unsigned side, quic::connection_events* events) :
  at_(at), wire_(std::move(on)), side_(side), events_(events), heard_at_(at.net_.world_.now()) {
  wire_->ends[side_] = this;
  watch();
  keep_alive();
}

sim_connection::~sim_connection() {
  *alive_ = false;
  if (wire_->ends[side_] == this) wire_->ends[side_] = nullptr;
}

void sim_connection::send(packet p) {
  at_.net_.send(wire_, side_, std::move(p));
}

void sim_connection::heard() { heard_at_ = at_.net_.world_.now(); }

/// Gives the peer up when nothing came for too long.
void sim_connection::watch() {
  auto& world = at_.net_.world_;
  const auto patience = connected_ ? at_.config_.idle_timeout : at_.config_.handshake_timeout;
  world.at(heard_at_ + patience, [this, alive = alive_, patience] {
    if (!*alive || closing_) return;
    if (at_.net_.world_.now() - heard_at_ < patience) return watch();
    if (connected_) end({quic::close_reason::kind::idle_timeout, 0, "the peer went silent"});
    else end({quic::close_reason::kind::handshake_timeout, 0, "no answer"});
  });
}

void sim_connection::keep_alive() {
  const auto quiet = quiet_.value_or(at_.config_.keep_alive);
  if (quiet.count() == 0) return;
  at_.net_.world_.after(quiet, [this, alive = alive_, quiet] {
    if (!*alive || closing_) return;
    // Who hears something acknowledges it, and needs no PING.
    if (connected_ && at_.net_.world_.now() - heard_at_ >= quiet) send({.what = packet::kind::ping});
    keep_alive();
  });
}

std::optional<uint64_t> sim_connection::open_uni() {
  if (!connected()) return std::nullopt;
  if (unis_open_ >= at_.config_.peer_streams_uni_max) {
    starved_ = true;
    return std::nullopt;
  }
  ++unis_open_;
  return 4 * unis_++ + stream_unidirectional + side_;
}

std::optional<uint64_t> sim_connection::open_bidi() {
  if (!connected()) return std::nullopt;
  return 4 * bidis_++ + side_;
}

quic::write_result sim_connection::write(uint64_t id, base::bytes data, bool fin) {
  if (!connected()) return quic::write_result::gone;
  if ((id & stream_unidirectional) != 0 && !is_ours(id)) return quic::write_result::gone;
  auto& s = out_[id];
  if (s.ended || s.stopped) return quic::write_result::gone;
  if (queued_ + data.size() > at_.config_.send_queue_bytes_max) return quic::write_result::full;
  size_t at = 0;
  do {
    const auto count = std::min(packet_bytes_max, data.size() - at);
    const bool last = at + count == data.size();
    s.queue.push_back({.what = packet::kind::data, .stream = id, .offset = s.offset, .bytes = data.slice(at, count), .fin = fin && last});
    s.offset += count;
    at += count;
  } while (at < data.size());
  s.queued += data.size();
  queued_ += data.size();
  s.ended = fin;
  pump();
  return quic::write_result::queued;
}

/// Sends what the path takes now, the most urgent stream first.
void sim_connection::pump() {
  auto& world = at_.net_.world_;
  const auto rate = at_.net_.between(wire_->hosts[side_], wire_->hosts[1 - side_]).bytes_per_second;
  for (;;) {
    if (rate > 0 && busy_until_ > world.now()) {
      if (pumping_) return;
      pumping_ = true;
      world.at(busy_until_, [this, alive = alive_] {
        if (!*alive) return;
        pumping_ = false;
        if (!closing_) pump();
        at_.touch();
      });
      return;
    }
    outgoing* first = nullptr;
    for (auto& [id, s] : out_)
      if (!s.queue.empty() && (first == nullptr || s.urgency < first->urgency)) first = &s;
    if (first == nullptr) break;
    auto p = std::move(first->queue.front());
    first->queue.pop_front();
    first->queued -= p.bytes.size();
    queued_ -= p.bytes.size();
    if (rate > 0) busy_until_ = world.now() + base::mono_duration(static_cast<int64_t>((static_cast<double>(p.bytes.size()) + 50) / rate * 1e9));
    send(std::move(p));
  }
  std::erase_if(out_, [](const auto& s) { return s.second.ended && s.second.queue.empty() && (s.first & stream_unidirectional) != 0; });
}

void sim_connection::reset(uint64_t id, uint64_t code) {
  if (!connected()) return;
  const auto at = out_.find(id);
  const bool whole = (id & stream_unidirectional) != 0 && is_ours(id) && at == out_.end() && id / 4 < unis_;
  if (whole) return; // all of it was sent, with its end
  auto& s = out_[id];
  queued_ -= s.queued;
  s.queued = 0;
  s.queue.clear();
  if (s.stopped) return;
  s.ended = true;
  send({.what = packet::kind::reset, .stream = id, .code = code});
}

void sim_connection::stop_sending(uint64_t id, uint64_t code) {
  if (!connected() || in_over_.contains(id)) return;
  in_[id].stopped = true;
  in_[id].early.clear();
  send({.what = packet::kind::stop, .stream = id, .code = code});
}

void sim_connection::set_priority(uint64_t id, uint64_t urgency) {
  if (connected()) out_[id].urgency = urgency;
}

size_t sim_connection::unsent(uint64_t id) const {
  const auto at = out_.find(id);
  return at == out_.end() ? 0 : at->second.queued;
}

void sim_connection::close(uint64_t app_code, std::string_view reason) {
  if (closing_) return;
  send({.what = packet::kind::close, .code = app_code, .text = std::string(reason)});
  end({quic::close_reason::kind::local, app_code, std::string(reason)});
}

void sim_connection::end(quic::close_reason why) {
  if (closing_) return;
  closing_ = true;
  wire_->ends[side_] = nullptr;
  at_.net_.world_.after({}, [this, alive = alive_, why = std::move(why)] {
    if (!*alive) return;
    auto& at = at_;
    if (events_ != nullptr) events_->on_closed(why);
    at.touch();
    at.drop(this);
  });
}

void sim_connection::in_done(uint64_t id) {
  in_.erase(id);
  in_over_.insert(id);
  auto* peer = wire_->ends[1 - side_];
  if ((id & stream_unidirectional) == 0 || peer == nullptr) return;
  --peer->unis_open_;
  if (!peer->starved_) return;
  peer->starved_ = false;
  at_.net_.world_.after(at_.net_.between(wire_->hosts[side_], wire_->hosts[1 - side_]).delay, [peer, alive = peer->alive_] {
    if (!*alive || peer->closing_) return;
    peer->events_->on_streams_available();
    peer->at_.touch();
  });
}

void sim_connection::on(const packet& p) {
  using kind = packet::kind;
  switch (p.what) {
  case kind::welcome:
    if (connected_) return;
    connected_ = true;
    watch();
    send({.what = kind::finished});
    events_->on_connected(alpn(), peer());
    return;
  case kind::finished: {
    if (connected_) return;
    connected_ = true;
    events_ = at_.accept_->on_accept(*this, alpn(), peer());
    if (events_ == nullptr) return close(0, "not wanted");
    watch();
    events_->on_connected(alpn(), peer());
    const auto held = std::move(before_finished_);
    for (const auto& early : held)
      if (!closing_) on(early);
    return;
  }
  case kind::refused: return end({quic::close_reason::kind::refused, 0, "nobody listens there"});
  case kind::unknown: return end({quic::close_reason::kind::stateless_reset, 0, "the peer no longer knows this connection"});
  case kind::close: return end({quic::close_reason::kind::application, p.code, p.text});
  case kind::ping: return send({.what = kind::pong});
  case kind::hello:
  case kind::pong: return;
  case kind::data:
  case kind::reset:
  case kind::stop: break;
  }
  if (!connected_) {
    before_finished_.push_back(p);
    return;
  }
  if (p.what == kind::data) return on_data(p);
  if (p.what == kind::reset) {
    if (in_over_.contains(p.stream)) return;
    in_done(p.stream);
    events_->on_stream_reset(p.stream, p.code);
    return;
  }
  if (const auto at = out_.find(p.stream); at != out_.end() && !at->second.stopped && !at->second.ended) {
    auto& s = at->second;
    s.stopped = s.ended = true;
    queued_ -= s.queued;
    s.queued = 0;
    s.queue.clear();
    send({.what = kind::reset, .stream = p.stream, .code = p.code});
    events_->on_stop_sending(p.stream, p.code);
  }
}

void sim_connection::on_data(const packet& p) {
  if (in_over_.contains(p.stream)) return;
  auto& s = in_[p.stream];
  if (p.offset < s.next || (p.offset == s.next && p.bytes.size() == 0 && !p.fin)) return; // it came before
  s.early.emplace(p.offset, p);
  while (!closing_) {
    const auto at = in_.find(p.stream);
    if (at == in_.end()) return;
    auto& now = at->second;
    const auto first = now.early.find(now.next);
    if (first == now.early.end()) return;
    const auto ready = std::move(first->second);
    now.early.erase(first);
    now.next += ready.bytes.size();
    const bool wanted = !now.stopped;
    if (ready.fin) in_done(p.stream);
    if (wanted) events_->on_stream_data(p.stream, ready.bytes, ready.fin);
    if (ready.fin) return;
  }
}

// --- an endpoint

sim_endpoint::sim_endpoint(network& net, host_id host, sim_loop& loop, quic::endpoint_config config, quic::acceptor* accept) :
  net_(net), host_(host), config_(std::move(config)), accept_(accept), loop_(loop) {}

sim_endpoint::~sim_endpoint() {
  if (!silent_) {
    for (auto& c : connections_)
      if (!c->closing_) c->send({.what = network::packet::kind::close});
    if (const auto at = net_.endpoints_.find(host_); at != net_.endpoints_.end() && at->second == this) net_.endpoints_.erase(at);
  }
  connections_.clear();
}

sim_connection& sim_endpoint::add(std::shared_ptr<network::wire> w, unsigned side, quic::connection_events* events) {
  return *connections_.emplace_back(std::make_unique<sim_connection>(*this, std::move(w), side, events));
}

void sim_endpoint::drop(sim_connection* c) {
  std::erase_if(connections_, [c](const auto& held) { return held.get() == c; });
}

std::string sim_endpoint::choose(const std::vector<std::string>& offered) const {
  const auto at = std::ranges::find_first_of(config_.alpns, offered);
  return at == config_.alpns.end() ? std::string{} : *at;
}

base::result<quic::connection*> sim_endpoint::connect(const quic::socket_address& peer, const std::string&, const quic::client_verification&,
  const std::vector<std::string>& alpns, quic::connection_events& events, base::mono_time) {
  auto w = std::make_shared<network::wire>();
  w->offered = alpns;
  w->id = ++net_.wires_;
  w->hosts[0] = host_;
  w->hosts[1] = static_cast<uint8_t>(peer.host_bytes().back());
  auto& made = add(w, 0, &events);
  if (silent_) made.closing_ = true;
  else made.send({.what = network::packet::kind::hello});
  return &made;
}

void sim_endpoint::close_all(uint64_t app_code, std::string_view reason, base::mono_time) {
  for (auto& c : connections_) c->close(app_code, reason);
}

} // namespace ec::simulation
