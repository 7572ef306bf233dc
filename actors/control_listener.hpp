#pragma once

#include <map>
#include <string>
#include <utility>

#include "actors/carrier.hpp"
#include "actors/session.hpp"
#include "base/limits.hpp"

namespace ec::actors {

/// How to reach streams, as each node offers it on its own endpoint: one announcement an object (docs/formats/gossip.md).
inline moq::full_track_name control_track() {
  return {{{"every.channel"}}, "control/v1"};
}

/// Sessions that carry announcements alone may be quiet for so long: their peers say theirs again each third of their time, and a node pays for
/// each PING for months.
constexpr std::chrono::seconds control_keep_alive{5};

/// Listens to the announcements of peers, for a carrier: on each session that is up a subscription to what the peer says of streams, asked for
/// again for as long as the peer does not offer it.
template <class Self>
class control_listener {
public:
  /// For the actor `self`, which holds it and is the sink of the sessions.
  explicit control_listener(Self* self) : self_(self) {}

  /// The peer is not heard any more.
  void forget(uint32_t source) { listened_.erase(source); }

  /// Time to ask those again that did not offer it.
  void look() {
    for (auto& [source, l] : listened_) ask(source, l);
  }

  /// An event of a session. The peer's address if it is an announcement; else null.
  const std::string* on(const session_event& e) {
    if (e.what == session_event::kind::up) {
      auto& l = listened_[e.source] = {e.session, e.text, moq::no_request, ++generations_, false};
      ask(e.source, l);
      return nullptr;
    }
    const auto at = listened_.find(e.source);
    if (at == listened_.end()) return nullptr;
    auto& l = at->second;
    switch (e.what) {
    case session_event::kind::down: listened_.erase(at); return nullptr;
    case session_event::kind::refused:
    case session_event::kind::done:
      // What a joining fetch has nothing to give for is no matter.
      if (e.request == l.subscription) l.asked = false;
      break;
    default: break;
    }
    return e.what == session_event::kind::object ? &l.address : nullptr;
  }

  /// Has what came judged, and then tells `then`. The peer has its credit after that: who says more than is judged has to wait.
  template <class Then>
  caf::result<edge_credit> judge(const announcement_sink_actor& sink, heard_announcements heard, Then then) {
    auto credit = self_->template make_response_promise<edge_credit>();
    self_->request(sink, caf::infinite, std::move(heard))
      .then(
        [credit, then](const heard_verdicts& v) mutable {
          then(v);
          credit.deliver(edge_credit{});
        },
        [self = self_](const caf::error&) { self->quit(); });
    return credit;
  }

  /// For on_exit(). `each(source, session)` is called for those that are up.
  template <class Each>
  void release(Each each) {
    for (const auto& [source, l] : listened_) each(source, l.session);
    listened_.clear();
  }

private:
  struct listening {
    session_actor session;
    std::string address; ///< of the peer: who pays
    moq::request_id subscription = moq::no_request;
    uint64_t generation = 0; ///< of the session
    bool asked = false;
  };

  void ask(uint32_t source, listening& l) {
    if (l.asked) return;
    l.asked = true;
    subscribe_request wanted{.track = control_track(), .options = {}, .joining = base::limits::directory_announcements_max};
    self_->request(l.session, caf::infinite, std::move(wanted))
      .then(
        [this, source, generation = l.generation](const subscribe_ids& ids) {
          if (const auto at = listened_.find(source); at != listened_.end() && at->second.generation == generation) at->second.subscription = ids.subscription;
        },
        [](const caf::error&) {});
  }

  Self* self_;
  std::map<uint32_t, listening> listened_; ///< sessions that are up
  uint64_t generations_ = 0;
};

} // namespace ec::actors
