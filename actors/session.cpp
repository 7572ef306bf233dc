#include "actors/session.hpp"

#include "actors/endpoint_core.hpp"
#include "base/hex.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

class session final : public loop_actor<session_actor>, public moq::upper_layer {
public:
  session(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, session_dial dial, session_sink_actor sink) :
    loop_actor(cfg, loop), core_(std::move(core)), dial_(std::move(dial)), edge_(dial_.edge, std::move(sink), {}) {
    moq::session_config config;
    config.role = moq::session_role::client;
    config.implementation = core_->implementation();
    config.path = dial_.address.path;
    config.authority = dial_.address.authority();
    link_ = std::make_unique<moq_link>(loop, std::move(config), *this, nullptr, [this](const quic::close_reason& why) { on_gone(why); });
    edge_.on_room([this] { balance(); });
  }

  behavior_type make_behavior() override {
    core_->watch(*link_);
    auto dialled = core_->quic().connect(dial_.peer, dial_.address.host, dial_.verification, {"moqt-18"}, *link_, core_->loop().now());
    if (dialled) link_->attach(*dialled.value());
    else end(dialled.error().message());
    return {
      [this](const subscribe_request& r) {
        auto& s = link_->session();
        subscribe_ids ids;
        ids.subscription = s.subscribe(r.track, r.options);
        if (r.joining) ids.joining = s.joining_fetch_relative(ids.subscription, *r.joining, {});
        return ids;
      },
      [this](const fetch_request& r) {
        return link_->session().fetch(r.track, r.first, r.end, {});
      },
      [this](const fetch_cancel& c) { link_->session().cancel_fetch(c.request); },
      [this](const session_bar& bar) {
        if (ended_ || bar_) return;
        bar_ = bar;
        if (connected_) link_->session().close(moq::session_code::protocol_violation, bar.reason);
        else end({});
      },
      [this](tick_atom) { quit(fault_); },
      [this](stop_atom) {
        if (ended_) {
          if (bar_) quit(); // nothing is dialled again
          return;
        }
        if (connected_) link_->session().close(moq::session_code::no_error, "done");
        else end({});
      },
    };
  }

  void on_exit() override {
    core_->forget(*link_);
    edge_.release(this);
    if (auto* c = link_->connection()) {
      // The connection outlives the actor for its closing handshake: it may not call a link that is gone.
      c->close(moq::session_code::no_error, "done");
      core_->adopt(std::move(link_));
    }
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

  // moq::upper_layer
  void on_setup(const moq::peer_setup& setup) override {
    connected_ = true;
    base::log::info("session", "up", {{"peer", dial_.address.authority()}, {"implementation", setup.implementation}});
    push({.what = session_event::kind::up, .session = this, .text = dial_.address.authority(), .node = dial_.address.pin ? base::to_hex(*dial_.address.pin) : std::string{}});
  }
  void on_object(moq::request_id request, const moq::object& o) override {
    push({.what = session_event::kind::object, .request = request, .object = o});
  }
  void on_subgroup_end(moq::request_id request, uint64_t group, uint64_t, std::optional<uint64_t> reset, bool) override {
    push({.what = session_event::kind::group_end, .request = request, .group = group, .code = reset});
  }
  void on_request_error(moq::request_id request, const moq::request_error& e) override {
    push({.what = session_event::kind::refused, .request = request, .code = e.code, .text = e.reason});
  }
  void on_publish_done(moq::request_id request, uint64_t status, std::string_view reason, uint64_t) override {
    push({.what = session_event::kind::done, .request = request, .code = status, .text = std::string(reason)});
  }
  void on_fetch_end(moq::request_id request, std::optional<uint64_t> reset) override {
    push({.what = session_event::kind::fetch_end, .request = request, .code = reset});
  }
  void on_closed(uint64_t code, std::string_view reason) override {
    base::log::info("session", "closed", {{"peer", dial_.address.authority()}, {"code", code}, {"reason", reason}});
  }

private:
  void push(session_event event) {
    event.source = dial_.source;
    edge_.push(this, std::move(event));
    balance();
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
  std::optional<session_bar> bar_;
  caf::error fault_; ///< why it ended; none: in good order
};

} // namespace

session_actor spawn_session(caf::actor_system& sys, const running_endpoint& endpoint, session_dial dial, session_sink_actor sink) {
  return spawn_on<session>(sys, endpoint.core->loop(), endpoint.core, std::move(dial), std::move(sink));
}

} // namespace ec::actors
