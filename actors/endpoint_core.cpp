#include "actors/endpoint_core.hpp"

#include <algorithm>
#include <utility>

#include "actors/guest.hpp"
#include "base/hex.hpp"
#include "base/limits_access.hpp"
#include "base/log.hpp"
#include "crypto/random.hpp"

namespace ec::actors {
namespace {

/// 2^52 to 2^53 - 1: what every peer of moq-lite can read, and all of them of one length, so that chance does not decide how long messages are.
uint64_t new_origin_id() {
  constexpr uint64_t first = uint64_t{1} << 52;
  uint64_t id = 0;
  for (const uint8_t byte : crypto::random_bytes(7)) id = id << 8 | byte;
  return first | (id & (first - 1));
}

std::optional<base::mono_time> session_deadline(moq_link& link) {
  return link.session().deadline();
}

} // namespace

base::result<std::shared_ptr<endpoint_core>> endpoint_core::make(caf::actor_system& sys, quic::endpoint_config config,
  std::string implementation, const machine& on, std::optional<relay_choice> relays) {
  std::shared_ptr<endpoint_core> core(new endpoint_core(sys, on.make_loop(sys), std::move(implementation)));
  core->protocols_ = config.alpns;
  std::erase(core->protocols_, quic::webtransport_alpn);
  if (core->protocols_.empty()) core->protocols_ = moq_protocols(); // it only dials, and nobody chose
  core->origin_id_ = new_origin_id();
  if (relays) {
    core->origins_ = std::move(relays->origins);
    if (relays->access) core->door_ = std::make_unique<relay_door>(std::move(*relays->access), on.wall, relays->observer);
    core->watcher_ = report_relaying(std::move(relays->observer));
    core->relay_ = std::make_unique<moq::relay>(relays->config, core->store_, *core->watcher_);
    core->desk_ = std::make_unique<http_desk>(core->store_, core->door_.get(), core->http_);
  }
  core->identity_->set(config.identity);
  // Without a certificate it only dials.
  quic::acceptor* accept = config.identity ? core.get() : nullptr;
  EC_TRY(core->quic_, on.open_endpoint(std::move(config), accept));
  EC_TRYV(core->loop_->add(core->quic_->fd(), *core));
  core->loop_->start();
  return core;
}

endpoint_core::~endpoint_core() {
  stop_loop();
}

std::shared_ptr<endpoint_core> endpoint_core::lease() {
  const auto held = std::make_shared<const std::shared_ptr<endpoint_core>>(shared_from_this());
  leased_ = held;
  return {held, this};
}

void endpoint_core::stop_loop() {
  loop_->stop();
}

size_t endpoint_core::unsent() const {
  size_t sum = 0;
  const auto add = [&](moq_link& link) {
    if (const auto* c = link.connection()) sum += c->unsent() + c->unacked();
  };
  for (const auto& s : served_) add(*s.link);
  for (auto* link : dialled_) add(*link);
  return sum;
}

moq::session_counters endpoint_core::served_counters() const {
  auto sum = ended_;
  for (const auto& s : served_) sum += s.link->session().counters();
  return sum;
}

void endpoint_core::watch(moq_link& link) {
  dialled_.push_back(&link);
  link.time_by(&timers_);
}

void endpoint_core::forget(moq_link& link) {
  std::erase(dialled_, &link);
  link.time_by(nullptr);
}

void endpoint_core::let_go(std::unique_ptr<moq_link> link) {
  if (!link) return;
  forget(*link);
  auto* c = link->connection();
  if (c == nullptr) return;
  c->close(moq::session_code::no_error, "done");
  auto& kept = orphans_.emplace_back(std::move(link));
  const auto self = std::prev(orphans_.end());
  kept->orphan([this, self](const quic::close_reason&) { dead_.splice(dead_.end(), orphans_, self); });
}

bool endpoint_core::end_guests() {
  wish_.reset();
  for (auto& s : served_)
    if (s.guest) std::exchange(s.guest, nullptr)->on_closed(moq::session_code::no_error, "the node is stopping");
  return guest_lives_.use_count() == 1;
}

void endpoint_core::served_session::on_setup(const moq::peer_setup& setup) {
  const auto& asked = path.empty() ? setup.path : path;
  if (admitted) {
    if (const auto no = admitted->enter(asked, setup.tokens)) {
      home.door_->tell(home.loop_->now(), peer, "session", admitted->who(), no->reason);
      return link->session().close(no->session_code, no->reason);
    }
    home.door_->note(*admitted, home.loop_->now());
  }
  base::log::info("quic_endpoint", "session-up", {{"peer", peer}, {"implementation", setup.implementation}, {"path", access::path_without_secrets(asked)}, {"protocol", protocol}, {"transport", path.empty() ? "quic" : "webtransport"}});
  if (guest) guest->on_setup(setup);
  if (home.leaving_) home.ask_to_leave(link->session()); // it came just before
}

void endpoint_core::served_session::on_goaway(std::string_view uri, uint64_t timeout_ms) {
  if (guest) guest->on_goaway(uri, timeout_ms);
}

size_t endpoint_core::go_away(const std::string& uri, std::chrono::milliseconds timeout) {
  leaving_ = uri;
  leave_by_ = loop_->now() + timeout;
  for (auto& s : served_) ask_to_leave(s.link->session());
  for (auto* link : dialled_)
    if (link->session().established()) link->session().goaway("", 0);
  return served_.size();
}

/// True, and counted, for who comes while this endpoint leaves.
bool endpoint_core::turn_away() {
  turned_away_ += leaving_ ? 1 : 0;
  return leaving_.has_value();
}

void endpoint_core::ask_to_leave(moq::session& session) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(leave_by_ - loop_->now());
  if (session.established()) session.goaway(*leaving_, static_cast<uint64_t>(std::max<int64_t>(1, left.count())));
}

std::optional<moq::request_error> endpoint_core::served_session::on_authorize(moq::request_id request, const moq::authorization& a) {
  if (!admitted) return std::nullopt;
  auto no = admitted->authorize(request, a);
  if (no) home.door_->tell(home.loop_->now(), peer, "request", admitted->who(), no->reason);
  else home.door_->note(*admitted, home.loop_->now());
  return no;
}

base::result<void> endpoint_core::use_identity(std::shared_ptr<const crypto::certificate_pair> identity) {
  EC_TRYV(quic_->set_identity(identity));
  identity_->set(std::move(identity));
  return base::ok();
}

void endpoint_core::use_token_keys(access::token_keys keys) {
  if (!door_) return;
  door_->keeper().use_keys(std::move(keys));
  check_access();
}

void endpoint_core::check_access() {
  const auto now = loop_->now();
  door_->looked();
  std::vector<served_session*> all; // closing one may move it
  for (auto& s : served_) all.push_back(&s);
  for (auto* s : all) {
    if (!s->admitted || s->link->session().closed()) continue;
    auto& session = s->link->session();
    const auto who = s->admitted->who();
    const auto v = s->admitted->check([&](moq::request_id id) { return session.is_open(id); });
    for (const auto id : v.subscriptions) {
      door_->tell(now, s->peer, "expired", who, "the token of a subscription counts no more");
      session.end_subscription(id, moq::done_code::unauthorized, "its token counts no more");
    }
    if (v.session) {
      door_->tell(now, s->peer, v.session->session_code == moq::session_code::expired_auth_token ? "expired" : "revoked", who, v.session->reason);
      session.close(v.session->session_code, v.session->reason);
    } else {
      door_->note(*s->admitted, now);
    }
  }
}

void endpoint_core::served_session::on_subscribe_ok(moq::request_id request, const moq::subscribe_ok& ok) {
  if (guest) guest->on_subscribe_ok(request, ok);
}

void endpoint_core::served_session::on_subgroup_begin(moq::request_id request, uint64_t group, uint64_t subgroup, bool from_start, bool ends_group) {
  if (guest) guest->on_subgroup_begin(request, group, subgroup, from_start, ends_group);
}

void endpoint_core::served_session::on_closed(uint64_t code, std::string_view reason) {
  base::log::info("quic_endpoint", "session-closed", {{"peer", peer}, {"code", code}, {"reason", reason}});
  if (guest) std::exchange(guest, nullptr)->on_closed(code, reason);
}

void endpoint_core::served_session::on_object(moq::request_id request, const moq::object& o) {
  if (guest) guest->on_object(request, o);
}

void endpoint_core::served_session::on_object_part(moq::request_id request, const moq::object_part& p) {
  if (guest) guest->on_object_part(request, p);
}

void endpoint_core::served_session::on_subgroup_end(moq::request_id request, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end_of_group) {
  if (guest) guest->on_subgroup_end(request, group, subgroup, reset, end_of_group);
}

void endpoint_core::served_session::on_request_error(moq::request_id request, const moq::request_error& e) {
  if (guest) guest->on_request_error(request, e);
}

void endpoint_core::served_session::on_publish_done(moq::request_id request, uint64_t status, std::string_view reason, uint64_t stream_count) {
  if (guest) guest->on_publish_done(request, status, reason, stream_count);
}

moq::publish_answer endpoint_core::served_session::on_publish(moq::request_id request, const moq::publish& m) {
  return guest ? guest->on_publish(request, m) : upper_layer::on_publish(request, m);
}

void endpoint_core::served_session::on_fetch_gap(moq::request_id request, moq::location last, bool unknown) {
  if (guest) guest->on_fetch_gap(request, last, unknown);
}

void endpoint_core::served_session::on_publish_namespace_done(moq::request_id request, const moq::track_namespace& ns) {
  if (guest) guest->on_publish_namespace_done(request, ns);
}

void endpoint_core::served_session::on_fetch_end(moq::request_id request, std::optional<uint64_t> reset) {
  if (guest) guest->on_fetch_end(request, reset);
}

std::optional<moq::request_error> endpoint_core::served_session::on_publish_namespace(moq::request_id request, const moq::track_namespace& ns) {
  if (relayed && guest) return guest->on_publish_namespace(request, ns);
  const auto& wish = home.wish_;
  auto no = upper_layer::on_publish_namespace(request, ns);
  if (!wish) no->retry_after_ms = 1000; // a node that has just started may want it in a moment
  if (!wish || ns != wish->wanted || guest) return no;
  const auto guests = std::ranges::count_if(home.served_, [](const served_session& s) { return s.guest != nullptr; });
  if (static_cast<size_t>(guests) >= wish->guests_max) {
    base::log::warn("quic_endpoint", "guest-refused", {{"peer", peer}, {"reason", "as many are heard as may be"}, {"max", wish->guests_max}});
    no = {.code = moq::request_code::excessive_load, .retry_after_ms = 10'000, .reason = "this node hears as many as it may", .to = {}};
    return no;
  }
  spawn_guest(home.sys_, *home.loop_, {*link, guest, peer, home.guest_lives_}, wish->first_source + home.guests_++, wish->sink);
  return std::nullopt;
}

void endpoint_core::pace_publishers(base::mono_time now) {
  door_->paced(now);
  for (auto& s : served_) {
    if (!s.admitted || s.link->session().closed()) continue;
    const auto came = s.link->session().counters().payload_bytes_in;
    const bool held = came > 0 && s.admitted->pace(came, now); // who only subscribes waits for nobody
    if (held == s.held) continue;
    s.held = held;
    s.link->hold_credit(held);
    if (held && !s.rate_told) door_->tell(now, s.peer, "rate", s.admitted->who(), "it publishes faster than its address or token may, and waits");
    s.rate_told = true;
  }
}

quic::connection_events* endpoint_core::on_accept(quic::connection& accepted, std::string_view alpn, const quic::socket_address&) {
  if (turn_away()) return nullptr;
  if (alpn != quic::webtransport_alpn) return serve(accepted, moq::transport_kind::raw_quic, std::string(alpn), {});
  auto& web = webs_.emplace_back(quic::webtransport::serve({.protocols = protocols_, .origins = origins_}, *this));
  web->attach(accepted);
  no_session_yet_.add(*web, loop_->now());
  return web.get();
}

void endpoint_core::on_certificate_refused(const quic::socket_address& peer, const std::string& subject, const std::string& why) {
  if (door_) door_->tell(loop_->now(), peer.to_string(), "certificate", subject, why);
}

quic::connection_events* endpoint_core::on_session(quic::connection& session, const quic::webtransport_request& request) {
  if (turn_away()) return nullptr;
  return serve(session, moq::transport_kind::webtransport, request.protocol, request.path);
}

void endpoint_core::on_gone(quic::webtransport& gone) {
  no_session_yet_.forget(gone);
  web_refused_ += gone.counters().requests_refused;
  const auto at = std::ranges::find(webs_, &gone, [](const auto& w) { return w.get(); });
  if (at != webs_.end()) gone_webs_.splice(gone_webs_.end(), webs_, at);
}

bool endpoint_core::end_web_sessions(uint64_t code, std::string_view reason) {
  for (const auto& web : webs_) web->close(code, reason);
  return webs_.empty();
}

quic::connection_events* endpoint_core::serve(quic::connection& accepted, moq::transport_kind transport, const std::string& protocol, const std::string& path) {
  auto& s = served_.emplace_back(*this);
  const auto self = std::prev(served_.end());
  s.peer = accepted.peer().to_string();
  s.path = path;
  s.protocol = protocol;
  moq::session_config config;
  config.role = moq::session_role::server;
  config.transport = transport;
  config.implementation = implementation_;
  config.protocol = protocol;
  config.origin_id = origin_id_;
  config.takes_publish = config.tells_parts = relay_ != nullptr;
  if (door_) {
    config.auth_token_cache_bytes = base::limits::session_token_cache_bytes;
    s.admitted.emplace(door_->keeper(), protocol == moq_protocol);
    s.admitted->comes_from(relay_door::account_of(accepted.peer()), [&s] { return s.link ? s.link->session().open_requests() : 0; });
    if (const auto shown = accepted.client_certificate()) s.admitted->certify(shown->subject, base::to_hex(shown->spki), shown->not_after);
  }
  s.link = std::make_unique<moq_link>(*loop_, std::move(config), s, &store_, [this, self](const quic::close_reason& why) {
    self->link->session().on_transport_closed(why.code, why.text, loop_->now());
    self->link->time_by(nullptr);
    ended_ += self->link->session().counters();
    gone_.splice(gone_.end(), served_, self);
  });
  s.link->time_by(&timers_);
  if (relay_) {
    s.relayed = std::make_unique<moq::relay_peer>(*relay_, s.peer, false);
    s.relayed->bind(s.link->session());
    s.guest = s.relayed.get();
  }
  s.link->attach(accepted);
  return s.link.get();
}

void endpoint_core::on_readable(base::mono_time now) {
  quic_->on_readable(now);
}

std::optional<base::mono_time> endpoint_core::deadline() const {
  auto next = quic_->deadline();
  const auto earlier = [&](std::optional<base::mono_time> due) {
    if (due && (!next || *due < *next)) next = due;
  };
  earlier(timers_.next(session_deadline));
  earlier(no_session_yet_.deadline());
  if (relay_) earlier(relay_->deadline());
  if (desk_) earlier(desk_->deadline());
  if (door_) earlier(door_->look_at());
  if (door_ && !served_.empty()) earlier(door_->pace_at());
  return next;
}

void endpoint_core::on_timer(base::mono_time now) {
  timers_.run(now, session_deadline, [now](moq_link& link) { link.session().on_tick(now); });
  for (const auto& peer : no_session_yet_.on_timer(now)) base::log::info("quic_endpoint", "no-session", {{"peer", peer}, {"connections", no_session_yet_.missed()}});
  if (const auto due = relay_ ? relay_->deadline() : std::nullopt; due && *due <= now) relay_->on_tick(now);
  if (const auto due = door_ ? door_->pace_at() : std::nullopt; due && *due <= now) pace_publishers(now);
  if (const auto due = door_ ? door_->look_at() : std::nullopt; due && *due <= now) check_access();
  if (const auto due = quic_->deadline(); due && *due <= now) quic_->on_timer(now);
}

void endpoint_core::flush(base::mono_time now) {
  if (desk_) desk_->flush(now); // ahead of what it asks of publishers
  quic_->flush(now);
  gone_.clear();
  dead_.clear();
  gone_webs_.clear();
}

} // namespace ec::actors
