#include "actors/load_generator.hpp"

#include <vector>

#include "actors/endpoint_core.hpp"

namespace ec::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto tick = 1ms;
/// Sessions that are dialled in one tick: a relay that validates addresses under load must get through with them.
constexpr size_t dials_per_tick = 8;
constexpr size_t handshakes_max = 64;
/// Before a track is asked for again that the relay did not know: moq-lite has no answer to an announcement by which a publisher learns that it was heard.
constexpr auto ask_again = 100ms;

moq::full_track_name track_of(size_t publisher) {
  return {{{"ec-bench", std::to_string(publisher)}}, "load"};
}

class load_generator final : public loop_actor<load_generator_actor> {
public:
  load_generator(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, load_plan plan, std::function<void(load_step)> at_step) :
    loop_actor(cfg, loop), core_(std::move(core)), plan_(std::move(plan)), at_step_(std::move(at_step)) {}

  behavior_type make_behavior() override {
    return {
      [this](start_atom) {
        answer_ = make_response_promise<load_report>();
        const auto now = loop().now();
        until_ = now + plan_.start_limit;
        for (size_t i = 0; i < plan_.publishers; ++i) publishers_.push_back(std::make_unique<publisher>(plan_.shape));
        for (auto& p : publishers_) dial(p->link, *p, &p->store);
        delayed_send(this, tick, tick_atom::value);
        return *answer_;
      },
      [this](tick_atom) {
        if (answered_) return;
        publish();
        step(loop().now());
        if (!answered_) delayed_send(this, tick, tick_atom::value);
      },
    };
  }

  void on_exit() override {
    for (auto& p : publishers_) core_->let_go(std::move(p->link));
    for (auto& s : subscribers_) core_->let_go(std::move(s->link));
    publishers_.clear(); // on the loop, like all that they touch
    subscribers_.clear();
    answer_.reset();
    core_ = nullptr;
  }

private:
  enum class phase { offering, joining, warming, measuring };

  /// One track, offered to the relay by its namespace.
  struct publisher final : moq::upper_layer {
    explicit publisher(const moq::load_shape& shape) : source(shape, {}) {}
    moq::track_store store;
    moq::track* track = nullptr;
    moq::load_source source;
    std::unique_ptr<moq_link> link;
    bool up = false, accepted = false;
    std::string fault;
    void on_setup(const moq::peer_setup&) override { up = true; }
    void on_request_ok(moq::request_id, const moq::request_ok&) override { accepted = true; }
    void on_request_error(moq::request_id, const moq::request_error& e) override { fault = "PUBLISH_NAMESPACE was refused: " + e.reason; }
    void on_closed(uint64_t, std::string_view reason) override { fault = "a publisher's session closed: " + std::string(reason); }
  };

  struct subscriber {
    subscriber(const load_plan& plan, std::function<base::mono_time()> clock) : meter(plan.shape, plan.late, std::move(clock)) {}
    moq::load_meter meter;
    std::unique_ptr<moq_link> link;
    bool asked = false;
    base::mono_time ask_at{};
  };

  void dial(std::unique_ptr<moq_link>& link, moq::upper_layer& upper, moq::track_store* store) {
    link = std::make_unique<moq_link>(loop(), client_config(plan_.address, core_->implementation()), upper, store, [this, at = &link](const quic::close_reason& why) {
      if ((*at)->session().closed()) return;
      (*at)->session().on_transport_closed(why.code, why.text, loop().now());
    });
    core_->watch(*link);
    const auto dialled = link->dial(core_->quic(), plan_.address, plan_.peer, plan_.verification, core_->protocols());
    if (!dialled) link->session().on_transport_closed(0, dialled.error().message(), loop().now());
  }

  void publish() {
    if (phase_ == phase::offering) return;
    for (auto& p : publishers_) {
      for (auto now = loop().now(); p->source.next() <= now; now = loop().now()) {
        if (p->source.at_group_start() && p->source.taken() > 0) p->store.end_group(*p->track, p->source.group() - 1, now);
        // What cannot be appended would show as a lost group.
        (void)p->store.append(*p->track, p->source.take(now), now);
        if (phase_ == phase::measuring) ++report_.objects_published;
      }
    }
  }

  void step(base::mono_time now) {
    for (const auto& p : publishers_)
      if (!p->fault.empty()) return finish(p->fault);
    switch (phase_) {
    case phase::offering: return offer(now);
    case phase::joining: return join(now);
    case phase::warming:
      if (now < until_) return;
      for (auto& s : subscribers_) s->meter.begin();
      report_.subscribers = subscribers_.size();
      begun_ = now;
      until_ = now + plan_.duration;
      phase_ = phase::measuring;
      return at_step_(load_step::begin);
    case phase::measuring:
      if (now < until_) return;
      at_step_(load_step::end);
      report_.measured = now - begun_;
      for (auto& s : subscribers_) {
        s->meter.end();
        report_.figures.add(s->meter.figures());
      }
      return finish({});
    }
  }

  void offer(base::mono_time now) {
    if (now >= until_) return finish("the relay did not accept every publisher in time");
    size_t accepted = 0;
    for (size_t i = 0; i < publishers_.size(); ++i) {
      auto& p = *publishers_[i];
      if (p.accepted) ++accepted;
      if (!p.up || p.track != nullptr) continue;
      moq::track_config config;
      config.cache_groups_max = 3;
      auto added = p.store.add(track_of(i), config, now);
      if (!added) return finish(added.error().message());
      p.track = added.value();
      p.link->session().publish_namespace(p.track->name().ns);
    }
    if (accepted < publishers_.size()) return;
    for (auto& p : publishers_) p->source = moq::load_source(plan_.shape, now);
    phase_ = phase::joining;
  }

  void join(base::mono_time now) {
    size_t waiting = 0, flowing = 0;
    for (auto& s : subscribers_) {
      if (s->meter.figures().sessions_lost > 0) return finish("a subscriber's session closed before it was served");
      if (const auto no = s->meter.take_refusal()) {
        if (no->code != moq::request_code::does_not_exist) return finish("a subscription was refused: " + no->reason);
        s->asked = false;
        s->ask_at = now + ask_again;
      }
      if (!s->meter.established()) ++waiting;
      if (s->meter.flowing()) ++flowing;
      if (!s->meter.established() || s->ask_at > now || std::exchange(s->asked, true)) continue;
      moq::subscribe_options o;
      o.order = moq::group_order::ascending; // else a moq-lite relay that is behind lets old groups starve, and one of moqt delays all: no comparison
      s->link->session().subscribe(track_of(static_cast<size_t>(&s - subscribers_.data()) % publishers_.size()), o);
    }
    if (flowing == plan_.subscribers) {
      phase_ = phase::warming;
      until_ = now + plan_.warm_up;
      return;
    }
    if (now >= until_) return finish(std::to_string(flowing) + " of " + std::to_string(plan_.subscribers) + " subscribers got an object in time");
    for (size_t i = 0; i < dials_per_tick && waiting + i < handshakes_max && subscribers_.size() < plan_.subscribers; ++i) {
      auto& s = *subscribers_.emplace_back(std::make_unique<subscriber>(plan_, [this] { return loop().now(); }));
      dial(s.link, s.meter, nullptr);
    }
  }

  void finish(std::string fault) {
    answered_ = true;
    report_.fault = std::move(fault);
    answer_->deliver(std::move(report_));
    quit();
  }

  std::shared_ptr<endpoint_core> core_;
  load_plan plan_;
  std::function<void(load_step)> at_step_;
  std::vector<std::unique_ptr<publisher>> publishers_;
  std::vector<std::unique_ptr<subscriber>> subscribers_;
  phase phase_ = phase::offering;
  base::mono_time until_{}, begun_{};
  load_report report_;
  bool answered_ = false;
  std::optional<caf::typed_response_promise<load_report>> answer_;
};

} // namespace

load_generator_actor spawn_load_generator(caf::actor_system& sys, const running_endpoint& endpoint, load_plan plan, std::function<void(load_step)> at_step) {
  return spawn_on<load_generator>(sys, endpoint.core->loop(), endpoint.core, std::move(plan), std::move(at_step));
}

} // namespace ec::actors
