#include "actors/guest.hpp"

#include "actors/session_feed.hpp"

namespace ec::actors {
namespace {

class guest final : public loop_actor<session_actor>, public session_feed {
public:
  guest(caf::actor_config& cfg, net_loop& loop, guest_place place, uint32_t source, session_sink_actor sink) :
    loop_actor(cfg, loop), lives_(std::move(place.lives)), link_(&place.link), hears_(&place.hears), peer_(std::move(place.peer)), source_(source),
    edge_({.window = 64, .waiting = 256, .policy = edge_policy::lossless}, std::move(sink), {}) {
    *hears_ = this;
    edge_.on_room([this] { balance(); });
  }

  behavior_type make_behavior() override {
    push({.what = session_event::kind::up, .session = this, .text = peer_});
    if (!link_) push({.what = session_event::kind::down, .text = why_});
    return {
      [this](const subscribe_request& r) -> caf::result<subscribe_ids> {
        if (!link_) return caf::sec::runtime_error;
        return ask(link_->session(), r);
      },
      [this](const fetch_request& r) -> caf::result<uint64_t> {
        if (!link_) return caf::sec::runtime_error;
        return ask(link_->session(), r);
      },
      [this](const fetch_cancel& c) {
        if (link_) link_->session().cancel_fetch(c.request);
      },
      [this](const session_bar& bar) {
        if (link_) link_->session().close(moq::session_code::protocol_violation, bar.reason);
      },
      [this](tick_atom) { quit(); },
      [](retry_atom) {}, // it offers nothing
      [](move_atom) {},  // and is not the one that dials
      [](const found_place&) {},
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override {
    if (link_) {
      link_->hold_credit(false);
      *hears_ = nullptr;
      link_ = nullptr;
    }
    edge_.release(this);
    lives_ = nullptr;
  }

  void on_closed(uint64_t, std::string_view reason) override {
    link_ = nullptr;
    why_ = reason;
    if (told_) push({.what = session_event::kind::down, .text = why_});
    send(this, tick_atom::value); // see session::end
  }

private:
  void push(session_event event) override {
    told_ = true;
    event.source = source_;
    edge_.push(this, std::move(event));
    balance();
  }

  /// A sink that is behind holds the peer back through QUIC's flow control.
  void balance() {
    if (link_) link_->hold_credit(edge_.full());
  }

  std::shared_ptr<const void> lives_;
  moq_link* link_;             ///< null once the session is over
  moq::upper_layer** hears_;   ///< valid as long as the link is
  std::string peer_;
  uint32_t source_;
  edge<session_event, session_sink_actor> edge_;
  std::string why_;
  bool told_ = false; ///< that it is there
};

} // namespace

session_actor spawn_guest(caf::actor_system& sys, net_loop& loop, guest_place place, uint32_t source, session_sink_actor sink) {
  return spawn_on<guest>(sys, loop, std::move(place), source, std::move(sink));
}

} // namespace ec::actors
