#include "actors/session.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "actors/endpoint_core.hpp"
#include "actors/moving.hpp"
#include "actors/session_feed.hpp"
#include "base/hex.hpp"
#include "base/log.hpp"
#include "moq/crossing.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds drain_poll{20}, cross_poll{20};
/// Between two offers of which the first was refused.
constexpr std::chrono::milliseconds offer_wait_min{1000}, offer_wait_max{60'000};
/// How long a peer may take what it was offered, when this node ends.
constexpr std::chrono::seconds offer_linger{1};
/// Between two requests for a track that the next peer does not have yet.
constexpr std::chrono::milliseconds ask_again{500};

class session;

/// One session with one peer. Usually there is one; while the peer is changed there are two.
class leg final : public session_feed {
public:
  leg(session& home, session_peer peer) : home_(home), peer_(std::move(peer)) {}

  std::unique_ptr<moq_link> link;
  bool up = false;
  bool gone = false; ///< its connection is
  std::map<moq::request_id, moq::request_id> ids; ///< the requests' numbers for the sink, by those of the session
  std::set<moq::request_id> silent; ///< fetches of which only the objects are told
  std::set<std::tuple<moq::request_id, uint64_t, uint64_t>> begun; ///< subgroups that have not ended: request, group, subgroup
  moq::request_id offer = moq::no_request; ///< the last that was made

  const session_peer& peer() const { return peer_; }

  // moq::upper_layer
  void on_setup(const moq::peer_setup& setup) override;
  void on_closed(uint64_t code, std::string_view reason) override {
    base::log::info("session", "closed", {{"peer", peer_.address.authority()}, {"code", code}, {"reason", reason}});
  }
  void on_goaway(std::string_view uri, uint64_t timeout_ms) override;
  void on_request_error(moq::request_id request, const moq::request_error& e) override;
  void on_subscribe_ok(moq::request_id request, const moq::subscribe_ok& ok) override;
  void on_subgroup_begin(moq::request_id request, uint64_t group, uint64_t subgroup, bool from_start, bool ends_group) override;
  void on_subgroup_end(moq::request_id request, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end_of_group) override;

private:
  void push(session_event event) override;

  session& home_;
  session_peer peer_;
};

class session final : public loop_actor<session_actor> {
public:
  session(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, session_dial dial, session_sink_actor sink) :
    loop_actor(cfg, loop), core_(std::move(core)), dial_(std::move(dial)), edge_(dial_.edge, std::move(sink), {}) {
    edge_.on_room([this] { balance(); });
  }

  behavior_type make_behavior() override {
    if (const auto fault = open(now_, {dial_.address, dial_.verification, dial_.offer, dial_.keep_alive, {}, dial_.moves}, dial_.peer); !fault.empty()) end(fault);
    return {
      [this](const subscribe_request& r) { return subscribe(r); },
      [this](const fetch_request& r) { return fetch(r); },
      [this](const fetch_cancel& c) { cancel(c.request); },
      [this](const session_bar& bar) {
        if (ended_ || bar_) return;
        bar_ = bar;
        if (connected_) now_->link->session().close(moq::session_code::protocol_violation, bar.reason);
        else end({});
      },
      [this](tick_atom) { quit(fault_); },
      [this](move_atom) { cross(); },
      [this](const found_place& found) { reach(found); },
      [this](retry_atom) { offer(*now_); },
      [this](stop_atom) {
        if (ended_) {
          if (bar_) quit(); // nothing is dialled again
          return;
        }
        if (!connected_) return end({});
        // What it publishes in this session is handed over first: a withdrawal is the last of it.
        if (dial_.offer && outstanding() > 0) {
          if (!close_by_) close_by_ = core_->loop().now() + offer_linger;
          if (core_->loop().now() < *close_by_) return delayed_send(this, drain_poll, stop_atom::value);
        }
        crossing_.reset();
        now_->link->session().close(moq::session_code::no_error, "done");
      },
    };
  }

  void on_exit() override {
    edge_.release(this);
    drop(std::move(next_)); // on the loop, whose tracks they may read: the last handle of an actor may go anywhere
    drop(std::move(now_));
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

private:
  friend class leg;

  /// What the sink asked for and may want again from the next peer.
  struct wanted {
    subscribe_request what;
    enum class at_next { not_asked, asked, given } state = at_next::not_asked;
    base::mono_time ask_at{};
    moq::request_id id = moq::no_request; ///< in the next session
    moq::request_id joining = moq::no_request;
  };

  /// Why it could not be dialled; empty: it is on its way.
  std::string open(std::unique_ptr<leg>& made, const session_peer& peer, const quic::socket_address& where) {
    made = std::make_unique<leg>(*this, peer);
    auto* l = made.get();
    l->link = std::make_unique<moq_link>(loop(), client_config(peer.address, core_->implementation()), *l, dial_.offer ? &core_->store() : nullptr,
      [this, l](const quic::close_reason& why) { on_gone(*l, why); });
    core_->watch(*l->link);
    const auto dialled = l->link->dial(core_->quic(), peer.address, where, peer.verification, core_->protocols());
    if (!dialled) return dialled.error().message();
    if (peer.keep_alive) l->link->connection()->set_keep_alive(*peer.keep_alive);
    return {};
  }

  void drop(std::unique_ptr<leg> l) {
    if (l) core_->let_go(std::move(l->link));
  }

  // What the sink asks for. Its numbers for requests stay when the peer changes.
  subscribe_ids subscribe(const subscribe_request& r) {
    subscribe_ids out;
    out.subscription = next_id_++;
    if (r.joining) out.joining = next_id_++;
    auto& w = wanted_[out.subscription];
    w.what = r;
    if (crossing_ && crossing_->is_up()) {
      ask_next(out.subscription, w);
      return out;
    }
    const auto ids = leg::ask(now_->link->session(), r);
    now_->ids[ids.subscription] = out.subscription;
    if (r.joining) now_->ids[ids.joining] = out.joining;
    return out;
  }

  uint64_t fetch(const fetch_request& r) {
    const auto id = next_id_++;
    if (crossing_ && !crossing_->is_up()) { // the old peer takes no requests any more
      if (fetches_.size() < base::limits::moq_requests_max) fetches_.emplace(id, r);
      else push_refused(id, "too many requests wait for the next peer");
      return id;
    }
    auto& l = crossing_ ? *next_ : *now_;
    l.ids[leg::ask(l.link->session(), r)] = id;
    return id;
  }

  void cancel(moq::request_id id) {
    fetches_.erase(id);
    for (auto* l : {now_.get(), next_.get()}) {
      if (l == nullptr) continue;
      const auto at = std::ranges::find(l->ids, id, [](const auto& one) { return one.second; });
      if (at == l->ids.end()) continue;
      l->link->session().cancel_fetch(at->first);
      l->ids.erase(at);
    }
  }

  void push_refused(moq::request_id id, std::string why) {
    session_event e;
    e.what = session_event::kind::refused;
    e.request = id;
    e.code = moq::request_code::excessive_load;
    e.text = std::move(why);
    push(std::move(e));
  }

  // What a session tells.
  void from(leg& l, session_event e) {
    const auto at = l.ids.find(e.request);
    if (at == l.ids.end()) return;
    using kind = session_event::kind;
    const auto id = at->second;
    const auto request = e.request;
    const bool over = e.what == kind::refused || e.what == kind::done || e.what == kind::fetch_end;
    if (over) {
      l.ids.erase(at);
      if (l.silent.erase(request) > 0) return;
      const auto w = wanted_.find(id);
      if (w != wanted_.end()) {
        if (crossing_ && &l == next_.get()) return not_given(w->second);
        // The old one is over, and the new one goes on, or is asked for.
        if (crossing_ && &l == now_.get()) return;
        wanted_.erase(w);
      }
    }
    e.request = id;
    push(std::move(e));
  }

  void on_up(leg& l, const moq::peer_setup& setup) {
    base::log::info("session", "up", {{"peer", l.peer().address.authority()}, {"implementation", setup.implementation}});
    if (dial_.places) dial_.places->up(l.peer());
    l.up = true;
    offer(l);
    if (&l != now_.get()) {
      if (crossing_) crossing_->up();
      return;
    }
    connected_ = true;
    const auto& address = l.peer().address;
    push({.what = session_event::kind::up, .session = this, .text = address.authority(), .node = address.pin ? base::to_hex(*address.pin) : std::string{}});
  }

  void offer_refused(const moq::request_error& e) {
    if (!e.retry_after_ms) return;
    // It has no room now, or does not know yet whom it hears.
    offer_wait_ = std::clamp(2 * offer_wait_, offer_wait_min, offer_wait_max);
    delayed_send(this, std::max(offer_wait_, std::chrono::milliseconds(*e.retry_after_ms)), retry_atom::value);
  }

  void offer(leg& l) {
    if (dial_.offer && l.link && l.up && !ended_) l.offer = l.link->session().publish_namespace(*dial_.offer);
  }

  // The way to the next peer.
  void on_leave(leg& l, std::string_view uri, uint64_t timeout_ms) {
    if (!dial_.moves || &l != now_.get() || crossing_ || ended_ || bar_) return; // the peer ends it in time, and it is dialled again
    const auto now = core_->loop().now();
    auto [target, elsewhere, refused] = place_after(l.peer(), uri, budget_, now);
    target_ = std::move(target);
    if (!refused.empty()) tell("move-refused", {{"source", l.peer().address.authority()}, {"reason", refused}});
    tell("source-leaves", {{"source", l.peer().address.authority()}, {"to", shown(target_)}, {"timeout_ms", timeout_ms}});
    for (auto& [id, w] : wanted_) w.state = wanted::at_next::not_asked;
    crossing_.emplace(now, timeout_ms, elsewhere);
    send(this, move_atom::value);
  }

  void cross() {
    using step = moq::crossing::step;
    if (!crossing_ || ended_) return;
    const auto now = core_->loop().now();
    if (next_ && next_->gone) {
      for (auto& [id, w] : wanted_) w.state = wanted::at_next::not_asked;
      drop(std::move(next_));
    }
    if (crossing_->is_up()) ask_next(now);
    switch (crossing_->next(now, missing())) {
    case step::wait: break;
    case step::dial:
      crossing_->dialling();
      look_up_for(system(), target_, *dial_.on, this);
      break;
    case step::leave: return take_over();
    case step::give_up:
      crossing_.reset();
      if (!now_->gone) now_->link->session().close(moq::session_code::no_error, "going away");
      return end("it asked to leave");
    }
    delayed_send(this, cross_poll, move_atom::value);
  }

  void reach(const found_place& found) {
    if (!crossing_ || ended_) return;
    const auto fault = found.where ? open(next_, target_, *found.where) : found.fault;
    if (!fault.empty()) not_there(fault);
  }

  void not_there(const std::string& why) {
    base::log::info("session", "next-peer-not-there", {{"peer", target_.address.authority()}, {"reason", why}});
    if (next_) next_->gone = true;
    crossing_->failed(core_->loop().now());
  }

  /// The next peer is asked for everything that is wanted; what it does not have yet is asked for again.
  void ask_next(base::mono_time now) {
    for (auto& [id, w] : wanted_)
      if (w.state == wanted::at_next::not_asked && now >= w.ask_at) ask_next(id, w);
    auto& s = next_->link->session();
    for (const auto& [id, r] : std::exchange(fetches_, {})) next_->ids[leg::ask(s, r)] = id;
  }

  void ask_next(moq::request_id id, wanted& w) {
    const auto ids = leg::ask(next_->link->session(), w.what);
    w.state = wanted::at_next::asked;
    w.id = ids.subscription;
    w.joining = ids.joining;
    next_->ids[ids.subscription] = id;
    if (ids.joining == moq::no_request) return;
    next_->ids[ids.joining] = id; // its objects are the subscription's
    next_->silent.insert(ids.joining);
  }

  void given(leg& l, moq::request_id request) {
    const auto at = l.ids.find(request);
    if (!crossing_ || &l != next_.get() || at == l.ids.end()) return;
    if (const auto w = wanted_.find(at->second); w != wanted_.end() && w->second.id == request) w->second.state = wanted::at_next::given;
  }

  void not_given(wanted& w) {
    w.state = wanted::at_next::not_asked;
    w.ask_at = core_->loop().now() + ask_again;
  }

  /// The old peer still gives something that the next one does not yet: a track, what came before the next one's beginning, or the rest of a group.
  bool missing() {
    if (now_->gone || !next_) return false;
    for (const auto& [id, w] : wanted_) {
      if (w.state != wanted::at_next::given || next_->silent.contains(w.joining)) {
        // The old peer never had it either, or has ended it.
        if (std::ranges::find(now_->ids, id, [](const auto& one) { return one.second; }) == now_->ids.end()) continue;
        open_.reset();
        return true;
      }
    }
    // What is open now ends; what begins later comes from the next peer.
    if (!open_) open_ = now_->begun;
    std::erase_if(*open_, [this](const auto& one) { return !now_->begun.contains(one); });
    return !open_->empty();
  }

  /// Everything goes on in the next session.
  void take_over() {
    crossing_.reset();
    open_.reset();
    tell("source-moved", {{"source", now_->peer().address.authority()}, {"to", shown(next_->peer())}});
    std::swap(now_, next_);
    next_->ids.clear();
    if (!next_->gone) next_->link->session().close(moq::session_code::no_error, "moved");
    drop(std::move(next_));
    // What the next peer has refused, and the old one had, is for the sink to ask for again.
    for (const auto& [id, w] : std::map(wanted_)) {
      if (w.state == wanted::at_next::given || w.state == wanted::at_next::asked) continue;
      wanted_.erase(id);
      push_refused(id, "the next peer does not have it");
    }
    balance();
  }

  void push(session_event event) {
    event.source = dial_.source;
    edge_.push(this, std::move(event));
    balance();
  }

  void tell(std::string event, base::json::object fields) {
    if (dial_.observer) caf::anon_send(dial_.observer, report{std::move(event), std::move(fields)});
  }

  size_t outstanding() const {
    const auto* c = now_->link->connection();
    return c == nullptr ? 0 : c->unsent() + c->unacked();
  }

  /// A sink that is behind holds the peer back through QUIC's flow control: nothing is dropped on this side.
  void balance() {
    for (auto* l : {now_.get(), next_.get()})
      if (l != nullptr && l->link) l->link->hold_credit(edge_.full());
  }

  void on_gone(leg& l, const quic::close_reason& why) {
    l.link->session().on_transport_closed(why.code, why.text, core_->loop().now());
    l.gone = true;
    if (&l != now_.get()) {
      if (crossing_) not_there(why.text);
      return;
    }
    if (crossing_ && crossing_->is_up() && !ended_ && !bar_) return; // the next session has what there is
    end(why.what == quic::close_reason::kind::local ? std::string{} : why.text);
  }

  void end(const std::string& fault) {
    if (ended_) return;
    ended_ = true;
    const auto& peer = now_->peer().address;
    push({.what = session_event::kind::down, .text = fault});
    if (bar_) {
      // Its supervisor dials again as soon as this actor has ended: it lives for as long as the peer is out.
      fault_ = caf::make_error(caf::sec::runtime_error, peer.authority() + ": was cut off: " + bar_->reason);
      delayed_send(this, bar_->hold, tick_atom::value);
      return;
    }
    if (!fault.empty()) fault_ = caf::make_error(caf::sec::runtime_error, peer.authority() + ": " + fault);
    // An actor that quits outside of its message handlers, as within a callback of the socket, is never cleaned up: nobody that
    // watches it would learn of its end.
    send(this, tick_atom::value);
  }

  std::shared_ptr<endpoint_core> core_;
  session_dial dial_;
  edge<session_event, session_sink_actor> edge_;
  std::unique_ptr<leg> now_;
  std::unique_ptr<leg> next_; ///< while the peer is changed
  std::map<moq::request_id, wanted> wanted_; ///< subscriptions, by the sink's number
  std::map<moq::request_id, fetch_request> fetches_; ///< that wait for the next peer
  moq::request_id next_id_ = 0;
  std::optional<moq::crossing> crossing_;
  std::optional<std::set<std::tuple<moq::request_id, uint64_t, uint64_t>>> open_; ///< subgroups of the old peer that are to end before it is left
  moq::move_budget budget_;
  session_peer target_;
  bool connected_ = false;
  bool ended_ = false;
  std::chrono::milliseconds offer_wait_{0};
  std::optional<base::mono_time> close_by_; ///< asked to stop: until then the peer may take what is queued
  std::optional<session_bar> bar_;
  caf::error fault_; ///< why it ended; none: in good order
};

void leg::on_setup(const moq::peer_setup& setup) {
  home_.on_up(*this, setup);
}

void leg::on_goaway(std::string_view uri, uint64_t timeout_ms) {
  home_.on_leave(*this, uri, timeout_ms);
}

void leg::on_request_error(moq::request_id request, const moq::request_error& e) {
  if (request == offer) home_.offer_refused(e);
  else session_feed::on_request_error(request, e);
}

void leg::on_subscribe_ok(moq::request_id request, const moq::subscribe_ok&) {
  home_.given(*this, request);
}

void leg::on_subgroup_begin(moq::request_id request, uint64_t group, uint64_t subgroup, bool, bool) {
  if (begun.size() >= base::limits::relay_streams_tracked_max) begun.erase(begun.begin());
  begun.emplace(request, group, subgroup);
}

void leg::on_subgroup_end(moq::request_id request, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end_of_group) {
  begun.erase({request, group, subgroup});
  session_feed::on_subgroup_end(request, group, subgroup, reset, end_of_group);
}

void leg::push(session_event event) {
  home_.from(*this, std::move(event));
}

} // namespace

session_actor spawn_session(caf::actor_system& sys, const running_endpoint& endpoint, session_dial dial, session_sink_actor sink) {
  return spawn_on<session>(sys, endpoint.core->loop(), endpoint.core, std::move(dial), std::move(sink));
}

} // namespace ec::actors
