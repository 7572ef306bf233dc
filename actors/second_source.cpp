#include "actors/second_source.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <set>

#include "base/limits_repair.hpp"
#include "base/log.hpp"
#include "discovery/rate.hpp"

namespace ec::actors {
namespace {

using namespace std::chrono_literals;
namespace limits = base::limits;

/// Between two looks at what is late. A source that has a chunk not yet has it soon.
constexpr auto look = 100ms;
/// A source that did not have all of a group is asked again after this.
constexpr auto again_after = 300ms;
/// While others could be asked, a source that gives nothing is not waited for longer than its part of the time, but so long.
constexpr auto share_least = 200ms;
/// Manifests before the newest one that a source is asked for when it comes up.
constexpr uint64_t manifests_before = 1;
/// A publisher that is up but has no program yet answers "does not exist".
constexpr auto subscribe_again = 500ms;
constexpr discovery::pace manifests_read{limits::source_manifests_burst_max, limits::source_manifests_per_second_max};

class second_source final : public second_source_actor::base {
public:
  second_source(caf::actor_config& cfg, second_source_config config, observer_actor observer) :
    second_source_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)), links_(config_.addresses.size() + config_.found_max) {
    for (size_t i = 0; i < config_.addresses.size(); ++i) links_[i].address = config_.addresses[i];
  }

  behavior_type make_behavior() override {
    for (uint32_t i = 0; i < config_.addresses.size(); ++i)
      if (config_.link) links_[i].supervisor = config_.link(system(), i, caf::actor_cast<session_sink_actor>(this));
    if (config_.find) finder_ = config_.find(system(), caf::actor_cast<session_sink_actor>(this));
    return {
      [this](const fetch_group& r) { return on(r); },
      [this](const copy_taken& t) {
        ++status_.taken;
        if (t.source < links_.size()) links_[t.source].in_vain = 0;
      },
      [this](const session_event& e) {
        if (e.source < links_.size()) on(e);
        return edge_credit{};
      },
      [this](tick_atom) {
        ticking_ = false;
        for (uint32_t i = 0; i < links_.size(); ++i) follow(i);
        for (auto& j : jobs_) advance(j);
        sweep();
      },
      [this](status_atom) {
        status_.connected = static_cast<size_t>(std::ranges::count_if(links_, [](const link& l) { return l.session != nullptr; }));
        return status_;
      },
      [this](stop_atom) {
        const auto& s = status_;
        send(observer_, report{"second-source-totals", {{"fetches", s.fetches}, {"copies", s.copies}, {"taken", s.taken}, {"bytes", s.bytes}, {"wrong", s.wrong}, {"manifests_dropped", s.manifests_dropped}}});
        quit();
      },
    };
  }

  void on_exit() override {
    for (const auto& l : links_)
      if (l.supervisor) anon_send_exit(l.supervisor, caf::exit_reason::user_shutdown);
    if (finder_) anon_send(*finder_, stop_atom::value);
    finder_.reset();
    links_.clear();
    jobs_.clear();
    config_.link = nullptr;
    config_.find = nullptr;
    config_.manifests.reset();
    observer_ = nullptr;
  }

private:
  struct link {
    std::string address; ///< of one that was found: of who has its place now
    caf::actor supervisor;
    session_actor session;
    uint64_t generation = 0;   ///< of the session: answers of an earlier one are ignored
    moq::request_id manifests = moq::no_request;
    bool subscribed = false;
    base::mono_time subscribe_at{};
    discovery::bucket reads;   ///< its manifests
    unsigned in_vain = 0;      ///< requests, since it gave something that was taken
  };

  /// One chunk that somebody wants.
  struct job {
    uint64_t id = 0;
    uint64_t index = 0;
    base::mono_time until{};
    bool of_found = false;
    std::set<uint32_t> not_asked;         ///< for good: they are excluded, lied, or do not have it
    std::map<uint32_t, base::mono_time> tried; ///< had not all of it then
    std::optional<uint32_t> source;       ///< that is being asked
    uint64_t generation = 0;              ///< of its session
    std::optional<moq::request_id> request;
    base::mono_time give_up{};
    std::optional<object::group_copy> copy;
    copy_miss worst = copy_miss::unreachable;
    caf::typed_response_promise<fetched_group> promise;
    bool done = false;
  };

  caf::result<fetched_group> on(const fetch_group& r) {
    if (jobs_.size() >= limits::second_source_fetches_max) return fetched_group{copy_miss::busy, std::nullopt, 0, {}};
    auto& j = jobs_.emplace_back();
    j.id = next_++;
    j.index = r.index;
    j.until = clock().now() + r.within;
    j.of_found = r.of_found;
    j.not_asked.insert(r.except.begin(), r.except.end());
    j.promise = make_response_promise<fetched_group>();
    const auto promise = j.promise;
    advance(j);
    sweep();
    return promise;
  }

  void on(const session_event& e) {
    auto& l = links_[e.source];
    switch (e.what) {
    case session_event::kind::up:
      if (found(e.source) && l.address != e.text) {
        l.address = e.text;
        l.subscribe_at = {};
        l.in_vain = 0;
      }
      l.session = e.session;
      renew(l);
      base::log::info("second_source", "up", {{"source", links_[e.source].address}});
      send(observer_, report{"second-source-up", {{"source", links_[e.source].address}}});
      follow(e.source);
      for (auto& j : jobs_) advance(j);
      break;
    case session_event::kind::down:
      l.session = nullptr;
      renew(l);
      if (!e.text.empty()) send(observer_, report{"second-source-down", {{"source", links_[e.source].address}, {"reason", e.text}}});
      for (auto& j : jobs_)
        if (j.source == e.source) failed(j, copy_miss::not_offered);
      break;
    case session_event::kind::object: on_object(e); break;
    case session_event::kind::refused:
    case session_event::kind::fetch_end:
    case session_event::kind::done:
      if (l.subscribed && e.request == l.manifests) {
        l.subscribed = false;
        l.manifests = moq::no_request;
        l.subscribe_at = clock().now() + subscribe_again;
        break;
      }
      if (auto* j = asked(e)) {
        // Who answers a FETCH with nothing is past the group and does not have it; who refuses is not there yet.
        if (e.what == session_event::kind::fetch_end && !e.code && j->copy->empty()) j->not_asked.insert(e.source);
        failed(*j, copy_miss::not_offered);
      }
      break;
    case session_event::kind::group_end: break;
    }
    sweep();
  }

  static void renew(link& l) {
    ++l.generation;
    l.manifests = moq::no_request;
    l.subscribed = false;
  }

  job* asked(const session_event& e) {
    const auto at = std::ranges::find_if(jobs_, [&](const job& j) { return !j.done && j.source == e.source && j.request == e.request; });
    return at == jobs_.end() ? nullptr : &*at;
  }

  void on_object(const session_event& e) {
    if (e.object.status != moq::object_status::normal) return;
    status_.bytes += e.object.payload.size();
    auto* j = asked(e);
    if (j == nullptr) {
      auto& l = links_[e.source];
      if (!config_.manifests || !l.subscribed) return;
      if (!l.reads.try_take(manifests_read, clock().now())) {
        ++status_.manifests_dropped;
        return;
      }
      send(*config_.manifests, source_manifest{e.source, l.address, e.object.group, e.object.id, e.object.payload});
      return;
    }
    if (e.object.group != j->index) return lied(*j, "another group than was asked for");
    if (const auto taken = j->copy->push(e.object.id, e.object.payload, config_.cipher); !taken) return lied(*j, taken.error().message());
    if (!j->copy->complete()) return;
    ++status_.copies;
    answer(*j, {copy_miss::none, j->copy->take(), e.source, links_[e.source].address});
  }

  void lied(job& j, const std::string& why) {
    ++status_.wrong;
    base::log::warn("second_source", "wrong-copy", {{"source", links_[*j.source].address}, {"chunk", j.index}, {"reason", why}});
    j.not_asked.insert(*j.source);
    cancel(j);
    useless(*j.source);
    failed(j, copy_miss::wrong);
  }

  /// True of a place for those that discovery finds.
  bool found(uint32_t source) const { return source >= config_.addresses.size(); }

  void useless(uint32_t source) {
    if (found(source) && finder_) send(*finder_, source_useless{source});
  }

  /// True if it is connected, and this chunk may be had of it.
  bool counts(const job& j, uint32_t source) const { return links_[source].session && !j.not_asked.contains(source) && (j.of_found || !found(source)); }

  /// The source that is being asked has it not, or not all of it.
  void failed(job& j, copy_miss why) {
    if (j.source) j.tried[*j.source] = clock().now();
    if (j.worst != copy_miss::wrong) j.worst = why;
    j.source.reset();
    j.request.reset();
    j.copy.reset();
    advance(j);
  }

  void cancel(const job& j) {
    if (!j.source || !j.request) return;
    const auto& l = links_[*j.source];
    if (l.session && l.generation == j.generation) send(l.session, fetch_cancel{*j.request});
  }

  /// Asks the next source, or ends it: what is due by now.
  void advance(job& j) {
    if (j.done) return;
    const auto now = clock().now();
    if (now >= j.until) {
      const bool under_way = j.source.has_value();
      cancel(j);
      answer(j, {under_way && j.worst != copy_miss::wrong ? copy_miss::late : j.worst, std::nullopt, 0, {}});
      return;
    }
    if (j.source && now >= j.give_up && others(j) > 0) {
      cancel(j);
      j.tried[*j.source] = now;
      if (j.worst != copy_miss::wrong) j.worst = copy_miss::late;
      j.source.reset();
      j.request.reset();
      j.copy.reset();
    }
    if (!j.source) ask_next(j, now);
    if (!j.source && !hopeful(j)) answer(j, {j.worst, std::nullopt, 0, {}});
    else arm();
  }

  /// True if a source that is connected may still have it. One that is not is not waited for: what waits for the answer costs time.
  bool hopeful(const job& j) const {
    for (uint32_t i = 0; i < links_.size(); ++i)
      if (counts(j, i)) return true;
    return false;
  }

  bool may_ask(const job& j, uint32_t source, base::mono_time now) const {
    if (!counts(j, source) || j.source == source) return false;
    const auto at = j.tried.find(source);
    return at == j.tried.end() || now >= at->second + again_after;
  }

  size_t others(const job& j) const {
    size_t n = 0;
    for (uint32_t i = 0; i < links_.size(); ++i) n += may_ask(j, i, clock().now()) ? 1 : 0;
    return n;
  }

  void ask_next(job& j, base::mono_time now) {
    // Those that were not tried yet come first, then who was tried longest ago.
    std::optional<uint32_t> best;
    for (uint32_t i = 0; i < links_.size(); ++i) {
      if (!may_ask(j, i, now)) continue;
      const auto tried_at = [&](uint32_t s) { return j.tried.contains(s) ? j.tried.at(s) : base::mono_time::min(); };
      if (!best || tried_at(i) < tried_at(*best)) best = i;
    }
    if (!best) return;
    auto& l = links_[*best];
    j.source = *best;
    j.generation = l.generation;
    j.request.reset();
    j.copy.emplace(j.index, config_.profile);
    const auto part = (j.until - now) / static_cast<int64_t>(others(j) + 1);
    j.give_up = now + std::max<base::mono_duration>(part, share_least);
    ++status_.fetches;
    if (++l.in_vain >= limits::second_source_in_vain_max) useless(*best);
    // The session answers before it sends the first event of the request, and both arrive in that order.
    request(l.session, caf::infinite, fetch_request{{config_.stream, "chunks"}, {j.index, 0}, {j.index, 0}})
      .then([this, id = j.id, source = *best, generation = l.generation](uint64_t request) {
        const auto at = std::ranges::find(jobs_, id, &job::id);
        if (at != jobs_.end() && at->source == source && at->generation == generation) at->request = request;
        else if (links_[source].session && links_[source].generation == generation) send(links_[source].session, fetch_cancel{request});
      }, [](const caf::error&) {}); // its session is gone: "down" says so
  }

  /// Manifests of one source, where somebody listens.
  void follow(uint32_t source) {
    auto& l = links_[source];
    if (!config_.manifests || !l.session || l.subscribed) return;
    if (clock().now() < l.subscribe_at) return arm();
    l.subscribed = true;
    request(l.session, caf::infinite, subscribe_request{{config_.stream, "manifests"}, {}, manifests_before})
      .then([this, source, generation = l.generation](const subscribe_ids& ids) {
        if (links_[source].generation == generation) links_[source].manifests = ids.subscription;
      }, [](const caf::error&) {});
  }

  void answer(job& j, fetched_group with) {
    j.done = true;
    j.promise.deliver(std::move(with));
  }

  void sweep() {
    jobs_.remove_if([](const job& j) { return j.done; });
    if (!jobs_.empty() || std::ranges::any_of(links_, [this](const link& l) { return config_.manifests && l.session && !l.subscribed; })) arm();
  }

  void arm() {
    if (std::exchange(ticking_, true)) return;
    delayed_send(this, look, tick_atom::value);
  }

  second_source_config config_;
  observer_actor observer_;
  std::optional<source_finder_actor> finder_;
  std::vector<link> links_; ///< those that were named, then places for those that are found
  std::list<job> jobs_;
  second_source_status status_;
  uint64_t next_ = 0;
  bool ticking_ = false;
};

} // namespace

std::string_view name(copy_miss why) {
  switch (why) {
  case copy_miss::none: return "none";
  case copy_miss::unreachable: return "unreachable";
  case copy_miss::not_offered: return "not_offered";
  case copy_miss::wrong: return "wrong";
  case copy_miss::late: return "late";
  case copy_miss::busy: return "busy";
  }
  return "none";
}

second_source_actor spawn_second_source(caf::actor_system& sys, second_source_config config, observer_actor observer) {
  return sys.spawn<second_source>(std::move(config), std::move(observer));
}

} // namespace ec::actors
