#include "actors/session.hpp"

#include <algorithm>

#include "actors/endpoint_core.hpp"
#include "actors/session_feed.hpp"
#include "base/hex.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds drain_poll{20};
/// Between two offers of which the first was refused.
constexpr std::chrono::milliseconds offer_wait_min{1000}, offer_wait_max{60'000};
/// How long a peer may take what it was offered, when this node ends.
constexpr std::chrono::seconds offer_linger{1};

class session final : public loop_actor<session_actor>, public session_feed {
public:
  session(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, session_dial dial, session_sink_actor sink) :
    loop_actor(cfg, loop), core_(std::move(core)), dial_(std::move(dial)), edge_(dial_.edge, std::move(sink), {}) {
    link_ = std::make_unique<moq_link>(loop, client_config(dial_.address, core_->implementation()), *this, dial_.offer ? &core_->store() : nullptr, [this](const quic::close_reason& why) { on_gone(why); });
    edge_.on_room([this] { balance(); });
  }

  behavior_type make_behavior() override {
    core_->watch(*link_);
    const auto dialled = link_->dial(core_->quic(), dial_.address, dial_.peer, dial_.verification, core_->protocols());
    if (dialled) {
      if (dial_.keep_alive) link_->connection()->set_keep_alive(*dial_.keep_alive);
    } else {
      end(dialled.error().message());
    }
    return {
      [this](const subscribe_request& r) { return ask(link_->session(), r); },
      [this](const fetch_request& r) { return ask(link_->session(), r); },
      [this](const fetch_cancel& c) { link_->session().cancel_fetch(c.request); },
      [this](const session_bar& bar) {
        if (ended_ || bar_) return;
        bar_ = bar;
        if (connected_) link_->session().close(moq::session_code::protocol_violation, bar.reason);
        else end({});
      },
      [this](tick_atom) { quit(fault_); },
      [this](retry_atom) { offer(); },
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
        link_->session().close(moq::session_code::no_error, "done");
      },
    };
  }

  void on_exit() override {
    edge_.release(this);
    core_->let_go(std::move(link_)); // on the loop, whose tracks it may read: the last handle of an actor may go anywhere
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

  // moq::upper_layer
  void on_setup(const moq::peer_setup& setup) override {
    connected_ = true;
    base::log::info("session", "up", {{"peer", dial_.address.authority()}, {"implementation", setup.implementation}});
    offer();
    push({.what = session_event::kind::up, .session = this, .text = dial_.address.authority(), .node = dial_.address.pin ? base::to_hex(*dial_.address.pin) : std::string{}});
  }
  void on_request_error(moq::request_id request, const moq::request_error& e) override {
    if (request != offer_) return session_feed::on_request_error(request, e);
    if (!e.retry_after_ms) return;
    // It has no room now, or does not know yet whom it hears.
    offer_wait_ = std::clamp(2 * offer_wait_, offer_wait_min, offer_wait_max);
    delayed_send(this, std::max(offer_wait_, std::chrono::milliseconds(*e.retry_after_ms)), retry_atom::value);
  }
  void on_closed(uint64_t code, std::string_view reason) override {
    base::log::info("session", "closed", {{"peer", dial_.address.authority()}, {"code", code}, {"reason", reason}});
  }

private:
  void offer() {
    if (dial_.offer && link_ && connected_ && !ended_) offer_ = link_->session().publish_namespace(*dial_.offer);
  }

  void push(session_event event) override {
    event.source = dial_.source;
    edge_.push(this, std::move(event));
    balance();
  }

  size_t outstanding() const {
    const auto* c = link_->connection();
    return c == nullptr ? 0 : c->unsent() + c->unacked();
  }

  /// A sink that is behind holds the peer back through QUIC's flow control: nothing is dropped on this side.
  void balance() {
    if (link_) link_->hold_credit(edge_.full());
  }

  void on_gone(const quic::close_reason& why) {
    link_->session().on_transport_closed(why.code, why.text, core_->loop().now());
    end(why.what == quic::close_reason::kind::local ? std::string{} : why.text);
  }

  void end(const std::string& fault) {
    if (ended_) return;
    ended_ = true;
    push({.what = session_event::kind::down, .text = fault});
    if (bar_) {
      // Its supervisor dials again as soon as this actor has ended: it lives for as long as the peer is out.
      fault_ = caf::make_error(caf::sec::runtime_error, dial_.address.authority() + ": was cut off: " + bar_->reason);
      delayed_send(this, bar_->hold, tick_atom::value);
      return;
    }
    if (!fault.empty()) fault_ = caf::make_error(caf::sec::runtime_error, dial_.address.authority() + ": " + fault);
    // An actor that quits outside of its message handlers, as within a callback of the socket, is never cleaned up: nobody that
    // watches it would learn of its end.
    send(this, tick_atom::value);
  }

  std::shared_ptr<endpoint_core> core_;
  session_dial dial_;
  edge<session_event, session_sink_actor> edge_;
  std::unique_ptr<moq_link> link_;
  bool connected_ = false;
  bool ended_ = false;
  moq::request_id offer_ = moq::no_request; ///< the last that was made
  std::chrono::milliseconds offer_wait_{0};
  std::optional<base::mono_time> close_by_; ///< asked to stop: until then the peer may take what is queued
  std::optional<session_bar> bar_;
  caf::error fault_; ///< why it ended; none: in good order
};

} // namespace

session_actor spawn_session(caf::actor_system& sys, const running_endpoint& endpoint, session_dial dial, session_sink_actor sink) {
  return spawn_on<session>(sys, endpoint.core->loop(), endpoint.core, std::move(dial), std::move(sink));
}

} // namespace ec::actors
