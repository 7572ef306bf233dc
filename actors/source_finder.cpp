#include "actors/source_finder.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "actors/supervisor.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

class source_finder final : public source_finder_actor::base {
public:
  source_finder(caf::actor_config& cfg, source_finder_config config, observer_actor observer) :
    source_finder_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)), places_(config_.places) {
    set_down_handler([this](const caf::down_msg& down) {
      for (auto& p : places_) {
        if (!p.link || p.link.address() != down.source) continue;
        const bool asked = p.leaving;
        p = {};
        // A link that ended by itself was ended by its subscriber: that is dialled again when it is announced again.
        if (asked) fill();
      }
    });
  }

  behavior_type make_behavior() override {
    delayed_send(this, config_.settle / 2, tick_atom::value);
    return {
      [this](const found_sources& found) {
        found_ = discovery::ways(found.sources, config_.policy);
        // Under another name it would be another stream: other namespace, other key.
        std::erase_if(found_, [&](const discovery::way& w) { return w.to.what->stream_id.text() != config_.stream_id; });
        discovery::leave_out(found_, config_.except);
        for (auto& p : places_)
          if (p.link && std::ranges::none_of(found_, [&](const discovery::way& w) { return discovery::full_address(w.by) == p.address; })) leave(p, "gone");
        fill();
      },
      [this](const source_useless& u) {
        const auto at = u.id - config_.first; // below it: far outside
        if (at < places_.size() && places_[at].link) places_[at].useless = true;
      },
      [this](tick_atom) {
        look();
        delayed_send(this, config_.settle / 2, tick_atom::value);
      },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override {
    for (auto& p : places_)
      if (p.link) anon_send_exit(p.link, caf::exit_reason::user_shutdown);
    places_.clear();
    config_ = {};
    observer_ = nullptr;
  }

private:
  struct place {
    caf::actor link; ///< a supervisor
    std::string address;
    std::string node; ///< whose it is
    bool leaving = false;
    base::mono_time since{};  ///< dialled
    bool useless = false;
    base::mono_time up_at{};  ///< when it was last known to be up; at first, when it was dialled
    uint64_t restarts = 0;    ///< of its link, when it was last looked at
    unsigned steady_looks = 0; ///< since when it ran without another
  };

  void leave(place& p, const char* reason) {
    if (std::exchange(p.leaving, true)) return;
    base::log::info("source_finder", "source-left", {{"address", p.address}, {"reason", reason}});
    anon_send(p.link, stop_atom::value);
  }

  static std::string node_of(const discovery::way& w) {
    return w.to.what->signer.to_string() + " " + w.to.what->source_node;
  }

  /// True if neither it nor another way to its node has a place, and it can be dialled.
  bool wants_place(const discovery::way& w) const {
    const auto address = discovery::full_address(w.by);
    const auto node = node_of(w);
    return !undialable_.contains(address) && std::ranges::none_of(places_, [&](const place& p) { return p.link && (p.node == node || p.address == address); });
  }

  /// The best ways that have no place yet get those that are free. A source has one, however many ways lead to it.
  void fill() {
    for (const auto& w : found_) {
      const auto free = std::ranges::find_if(places_, [](const place& p) { return !p.link; });
      if (free == places_.end()) return;
      const auto address = discovery::full_address(w.by);
      if (given_up_.contains(address) || !wants_place(w)) continue;
      const auto where = quic::endpoint_address::parse(address);
      if (!where) { // of a relay that speaks what this build does not
        if (undialable_.size() >= base::limits::announcements_per_stream_max) undialable_.clear();
        undialable_.insert(address);
        base::log::info("source_finder", "source-not-dialled", {{"address", address}, {"reason", where.error().message()}});
        continue;
      }
      *free = {config_.link(system(), config_.first + static_cast<uint32_t>(free - places_.begin()), where.value()), address, node_of(w), false, clock().now(), false, clock().now()};
      monitor(free->link);
      if (observer_) send(observer_, report{"source-dialled", {{"source", where.value().authority()}, {"source_node", w.to.what->source_node}, {"signer", w.to.what->signer.to_string()}}});
    }
  }

  /// Who announces a stream and cannot be reached, or gives nothing, may not keep others out.
  void look() {
    for (const auto& p : places_) {
      if (!p.link || p.leaving) continue;
      request(caf::actor_cast<supervisor_actor>(p.link), caf::infinite, status_atom::value)
        .then([this, at = p.link.address()](const branch_status& s) { judge(at, s); }, [](const caf::error&) {});
    }
  }

  void judge(const caf::actor_addr& at, const branch_status& s) {
    const auto p = std::ranges::find_if(places_, [&](const place& q) { return q.link && q.link.address() == at; });
    if (p == places_.end()) return;
    const auto now = clock().now();
    // A dial that nobody answers runs for a while too, but not past its handshake's time without a restart: shorter than two looks.
    const bool steady = !s.running.empty() && s.restarts == p->restarts;
    p->restarts = s.restarts;
    p->steady_looks = steady ? p->steady_looks + 1 : 0;
    if (p->steady_looks >= 2) p->up_at = now;
    const bool absent = !steady && now - p->up_at >= config_.settle;
    const bool had_its_turn = config_.turn.count() > 0 && now - p->since >= config_.turn;
    if (absent || p->useless || had_its_turn) make_room(*p, absent ? "not reached" : p->useless ? "gives nothing" : "had its turn");
  }

  /// Where others wait for a place, this one is theirs.
  void make_room(place& p, const char* reason) {
    if (std::ranges::any_of(places_, [](const place& q) { return !q.link; })) return;
    const auto waits = [&](const discovery::way& w) { return wants_place(w); };
    if (std::ranges::none_of(found_, waits)) return; // it may as well go on trying
    // All who wait were given up before: they take turns.
    if (std::ranges::none_of(found_, [&](const discovery::way& w) { return waits(w) && !given_up_.contains(discovery::full_address(w.by)); })) given_up_.clear();
    if (given_up_.size() >= base::limits::announcements_per_stream_max) given_up_.clear();
    given_up_.insert(p.address);
    leave(p, reason);
  }

  source_finder_config config_;
  observer_actor observer_;
  std::vector<discovery::way> found_;
  std::vector<place> places_;
  std::set<std::string> given_up_;   ///< addresses that left their places to others who waited
  std::set<std::string> undialable_; ///< addresses of another kind
};

} // namespace

source_finder_actor spawn_source_finder(caf::actor_system& sys, source_finder_config config, const discovery_actor& discovery, observer_actor observer) {
  const auto stream = config.stream_id;
  auto finder = sys.spawn<source_finder>(std::move(config), std::move(observer));
  caf::anon_send(discovery, source_watch{stream, caf::actor_cast<source_watcher_actor>(finder)});
  return finder;
}

} // namespace ec::actors
