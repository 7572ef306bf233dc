#include "actors/quic_endpoint.hpp"

#include "actors/endpoint_core.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds drain_poll{20};
constexpr std::chrono::seconds farewell_max{1};

class quic_endpoint final : public loop_actor<quic_endpoint_actor> {
public:
  quic_endpoint(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, std::chrono::milliseconds linger) :
    loop_actor(cfg, loop), core_(std::move(core)), linger_(linger) {}

  behavior_type make_behavior() override {
    return {
      [this](const publish_op& op) {
        apply(op);
        return edge_credit{};
      },
      [this](status_atom) {
        endpoint_status out{core_->quic().counters(), core_->served_counters(), core_->served(), core_->uplinks(), {}};
        if (const auto* r = core_->relay()) out.relay = relay_status{r->counters(), r->tracks(), r->publishers(), r->subscribers(), r->cached_bytes(), r->objects_cut_off(), {}, 0, core_->web_refused(), core_->http()};
        if (const auto* d = core_->door()) {
          out.relay->access = d->counters();
          out.relay->access_untold = d->untold();
        }
        return out;
      },
      [this](const identity_change& change) {
        if (const auto done = core_->use_identity(change.identity); !done)
          base::log::error("quic_endpoint", "certificate-refused", {{"reason", done.error().message()}});
      },
      [this](const token_key_change& change) { core_->use_token_keys(change.keys); },
      [this](const http_request_note& note) {
        if (auto* desk = core_->desk()) desk->take(note.exchange, core_->loop().now());
        else note.exchange->end("this node is no relay");
      },
      [this](const guest_wish& wish) { core_->wish(wish); },
      [this](const leave_wish& wish) -> caf::result<leave_outcome> {
        left_.push_back(make_response_promise<leave_outcome>());
        auto answer = left_.back();
        if (!leave_by_) {
          leave_by_ = core_->loop().now() + wish.timeout;
          asked_ = core_->go_away(wish.uri, wish.timeout);
          send(this, move_atom::value);
        }
        return answer;
      },
      [this](move_atom) { look_who_is_left(); },
      [this](stop_atom) {
        if (stop_by_) return;
        stop_by_ = core_->loop().now() + linger_;
        drain();
      },
      [this](tick_atom) { drain(); },
    };
  }

  /// The core joins the loop's thread when it goes: the last one to hold it must not be an actor of that loop.
  void on_exit() override {
    core_->end_guests();
    core_ = nullptr;
  }

private:
  void apply(const publish_op& op) {
    const auto now = core_->loop().now();
    auto& store = core_->store();
    if (op.what == publish_op::step::add_track) {
      // A branch that was started anew goes on with the track that is there.
      if (store.find(*op.track) == nullptr) note(store.add(*op.track, op.config, now));
      return;
    }
    auto* track = store.find(*op.track);
    if (track == nullptr) {
      base::log::error("quic_endpoint", "unknown-track", {{"track", moq::to_string(*op.track)}});
      return;
    }
    switch (op.what) {
    case publish_op::step::append: note(store.append(*track, op.object, now)); break;
    case publish_op::step::end_subgroup: store.end_subgroup(*track, op.group, op.subgroup, now); break;
    case publish_op::step::end_group: store.end_group(*track, op.group, now); break;
    case publish_op::step::reset_group: store.reset_group(*track, op.group, op.code, now); break;
    case publish_op::step::restore_group: store.restore_group(*track, op.group); break;
    default: store.end_track(*track, moq::done_code::track_ended, "the broadcast ended here", now); break;
    }
  }

  template <class Result>
  static void note(const Result& done) {
    if (!done) base::log::warn("quic_endpoint", "not-published", {{"reason", done.error().message()}});
  }

  /// Sessions end by themselves when the time is over.
  void look_who_is_left() {
    if (core_->loop().now() < *leave_by_) {
      there_ = core_->served();
      if (there_ > 0) return delayed_send(this, drain_poll, move_atom::value);
    }
    for (auto& who : std::exchange(left_, {})) who.deliver(leave_outcome{asked_, there_, core_->turned_away()});
  }

  /// Peers may still take what is queued, for a while.
  void drain() {
    const auto now = core_->loop().now();
    const bool no_guests = core_->end_guests();
    if (!no_guests || (core_->unsent() > 0 && now < *stop_by_)) {
      delayed_send(this, drain_poll, tick_atom::value);
      return;
    }
    // Their capsules are to arrive before the connections end.
    if (!core_->end_web_sessions(moq::session_code::no_error, "the node is stopping") && now < *stop_by_ + farewell_max) {
      delayed_send(this, drain_poll, tick_atom::value);
      return;
    }
    core_->quic().close_all(moq::session_code::no_error, "the node is stopping", now);
    core_->quic().flush(now);
    quit();
  }

  std::shared_ptr<endpoint_core> core_;
  std::chrono::milliseconds linger_;
  std::optional<base::mono_time> stop_by_;
  std::optional<base::mono_time> leave_by_; ///< peers are asked to leave
  size_t asked_ = 0;
  size_t there_ = 0; ///< at the last look before the time was over
  std::vector<caf::typed_response_promise<leave_outcome>> left_; ///< to be told when they have left
};

} // namespace

base::result<running_endpoint> start_quic_endpoint(caf::actor_system& sys, quic_endpoint_config config, const machine& on) {
  if (config.early_data) config.quic.tickets = on.tickets;
  config.quic.known = on.known;
  EC_TRY(auto core, endpoint_core::make(sys, std::move(config.quic), std::move(config.implementation), on, std::move(config.relays)));
  auto lease = core->lease();
  auto actor = spawn_on<quic_endpoint>(sys, core->loop(), lease, config.linger);
  const auto local = core->quic().local();
  return running_endpoint{std::move(actor), std::move(lease), std::move(core), local};
}

} // namespace ec::actors
