#include "actors/supervisor.hpp"

#include <algorithm>
#include <optional>

#include "base/log.hpp"

namespace ec::actors {
namespace {

class supervisor final : public supervisor_actor::base {
public:
  supervisor(caf::actor_config& cfg, branch_spec spec, observer_actor observer) :
    supervisor_actor::base(cfg), spec_(std::move(spec)), observer_(std::move(observer)), backoff_(spec_.backoff_first) {
    set_down_handler([this](const caf::down_msg& down) { on_down(down); });
    // Told to exit by the supervisor above: it must not outlive what it waits for.
    set_exit_handler([this](const caf::exit_msg& msg) {
      stopping_ = true;
      leaving_ = msg.reason;
      end_children(msg.reason);
      if (children_.empty()) quit(msg.reason);
    });
  }

  behavior_type make_behavior() override {
    send(this, start_atom::value);
    return {
      [this](start_atom) {
        if (!stopping_) start();
      },
      [this](status_atom) { return branch_status{spec_.name, restarts_, children_}; },
      [this](stop_atom) { stop(); },
    };
  }

  void on_exit() override {
    // A kill does not ask the exit handler.
    end_children(caf::exit_reason::kill);
    // What the branch's functions hold (handles of actors, mostly) must not outlive it.
    spec_ = {};
    children_.clear();
    observer_ = nullptr;
  }

private:
  void start() {
    started_ = clock().now();
    auto made = spec_.start(system());
    if (!made) {
      fault(made.error().message());
      return;
    }
    children_ = std::move(made).value();
    first_ = children_.empty() ? caf::actor_addr{} : children_.front().address();
    for (const auto& child : children_) monitor(child);
  }

  void on_down(const caf::down_msg& down) {
    const auto gone = std::ranges::find_if(children_, [&](const caf::actor& a) { return a.address() == down.source; });
    if (gone == children_.end()) return; // of an earlier start
    children_.erase(gone);
    const bool normal = !down.reason || down.reason == caf::exit_reason::normal || down.reason == caf::exit_reason::user_shutdown;
    if (!normal && !stopping_) {
      end_children(caf::exit_reason::kill);
      children_.clear();
      fault(to_text(down.reason), hint_of(down.reason));
      return;
    }
    if (leaving_) {
      if (children_.empty()) quit(*leaving_);
      return;
    }
    // It ended with a fault while it was asked to stop: what it would have ended must end all the same.
    if (!normal && children_.empty() && spec_.stop) spec_.stop(children_);
    else if (!normal) end_children(caf::exit_reason::user_shutdown);
    if (spec_.ends_with_first && down.source == first_) end_children(caf::exit_reason::user_shutdown);
    if (children_.empty()) quit();
  }

  void fault(const std::string& why, std::string_view hint = {}) {
    if (clock().now() - started_ > spec_.steady_after) backoff_ = spec_.backoff_first;
    ++restarts_;
    const auto wait = hint == "never" ? spec_.backoff_max : std::max(backoff_, hint == "patiently" ? spec_.backoff_patient : backoff_);
    base::log::warn("supervisor", "branch-down",
      {{"branch", spec_.name}, {"reason", why}, {"restarts", restarts_}, {"retry_ms", wait.count()}});
    send(observer_, report{"branch-down", {{"branch", spec_.name}, {"reason", why}, {"retry_ms", int64_t{wait.count()}}}});
    delayed_send(this, wait, start_atom::value);
    backoff_ = std::min(backoff_ * 2, spec_.backoff_max);
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    if (spec_.stop) spec_.stop(children_);
    else end_children(caf::exit_reason::user_shutdown);
    if (children_.empty()) quit();
  }

  void end_children(const caf::error& reason) {
    // Without a sender: when an actor ends because nobody holds it, a message that held it would end it again, for ever.
    for (const auto& child : children_) caf::anon_send<caf::message_priority::high>(child, caf::exit_msg{address(), reason});
  }

  /// What a reason of ours says about trying again, behind its text.
  static std::string hint_of(const caf::error& why) {
    if (why.category() == caf::atom("system") && why.context().match_elements<std::string, std::string>()) return why.context().get_as<std::string>(1);
    return {};
  }

  std::string to_text(const caf::error& why) {
    // Our own reasons carry one string for people, perhaps a hint behind it; CAF's spelling of the rest is fine.
    if (why.category() == caf::atom("system") && why.context().match_elements<std::string, std::string>()) return why.context().get_as<std::string>(0);
    if (why.category() == caf::atom("system") && why.context().match_elements<std::string>()) return why.context().get_as<std::string>(0);
    return system().render(why);
  }

  branch_spec spec_;
  observer_actor observer_;
  std::vector<caf::actor> children_;
  caf::actor_addr first_;
  std::chrono::milliseconds backoff_;
  caf::actor_clock::time_point started_;
  uint64_t restarts_ = 0;
  bool stopping_ = false;
  std::optional<caf::error> leaving_; ///< told to exit, with this reason
};

} // namespace

supervisor_actor spawn_supervisor(caf::actor_system& sys, branch_spec spec, observer_actor observer, placement where) {
  return spawn_at<supervisor>(sys, where, std::move(spec), std::move(observer));
}

} // namespace ec::actors
