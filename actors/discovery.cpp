#include "actors/discovery.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/log.hpp"

namespace ec::actors {
namespace {

using discovery::verdict;
namespace json = base::json;

constexpr std::chrono::seconds tick{1};
constexpr std::chrono::seconds tells_every{10}; ///< what was refused
constexpr std::chrono::seconds wants_every{5};

/// Sent to itself: the carriers, once they are started.
struct carriers_up {
  std::vector<carrier_actor> all;
};

using inner_actor = discovery_actor::extend<caf::reacts_to<carriers_up>>;

class discoverer final : public inner_actor::base {
public:
  discoverer(caf::actor_config& cfg, discovery_config config, observer_actor observer) :
    inner_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)) {
    set_down_handler([this](const caf::down_msg& down) {
      std::erase_if(watches_, [&](const source_watch& w) { return w.who.address() == down.source; });
      std::erase_if(carriers_, [&](const carrier_actor& c) { return c.address() == down.source; });
      if (stopping_ && carriers_.empty()) quit();
    });
  }

  behavior_type make_behavior() override {
    delayed_send(this, tick, tick_atom::value);
    return {
      [this](const heard_announcements& h) { return judge(h); },
      [this](const own_stream& own) {
        if (stopping_) return;
        auto next = *own.what;
        const auto before = own_.find(next.stream_id.text());
        if (before != own_.end()) next.sequence = before->second.sequence;
        announce(own_.insert_or_assign(next.stream_id.text(), std::move(next)).first->second);
        if (!announcing_) {
          announcing_ = true;
          delayed_send(this, config_.ttl / 3, retry_atom::value);
        }
      },
      [this](const source_query& q) { return found_sources{q.stream_id, find(q.stream_id)}; },
      [this](const source_watch& w) {
        std::vector<discovery::source> unseen; // heard before anybody wanted them
        for (const auto& s : find(w.stream_id))
          if (!is_watched(s) && s.from.by != discovery::carrier_kind::self) unseen.push_back(s);
        watches_.push_back(w);
        monitor(w.who);
        if (!config_.tell_all)
          for (const auto& s : unseen) tell_found(s);
        tell(w);
        for (const auto& c : carriers_) send(c, wanted_stream{w.stream_id});
      },
      [this](status_atom) { return status(); },
      [this](tick_atom) { on_tick(); },
      [this](retry_atom) {
        if (stopping_) return;
        for (auto& [unused, a] : own_) announce(a);
        delayed_send(this, config_.ttl / 3, retry_atom::value);
      },
      [this](stop_atom) { stop(); },
      [this](const carriers_up& up) {
        carriers_ = up.all;
        for (const auto& c : carriers_) monitor(c);
        // What came before them, from whoever started this node.
        for (const auto& s : table_.all()) carry(s);
        want();
        if (stopping_) stop_carriers();
      },
    };
  }

  void on_exit() override {
    // However it ends: a carrier without it would go on for nobody.
    for (const auto& c : carriers_) anon_send_exit(c, caf::exit_reason::user_shutdown);
    carriers_.clear();
    watches_.clear();
    config_ = {};
    observer_ = nullptr;
  }

private:
  heard_verdicts judge(const heard_announcements& h) {
    heard_verdicts out;
    const discovery::origin from{h.by, h.address};
    std::set<std::string> changed;
    const auto now = clock().now();
    const auto wall = config_.wall();
    for (const auto& encoded : h.encoded) {
      const auto judged = table_.push(encoded, from, wall, now);
      out.what.push_back(judged.what);
      if (judged.now_counts) {
        carry(*judged.now_counts);
        note(*judged.now_counts, judged.what, changed);
      } else if (judged.what != verdict::duplicate && judged.what != verdict::replayed) {
        // Each kind is told once with its reason, and then by numbers.
        const auto kind = static_cast<size_t>(judged.what);
        if (++refused_[kind] == 1)
          tell("announcement-refused", {{"verdict", discovery::name(judged.what)}, {"carrier", discovery::name(h.by)}, {"address", h.address}, {"reason", judged.reason}});
        ++refused_since_;
      }
    }
    tell_watchers(changed);
    return out;
  }

  /// Tells who comes and goes; a renewal is neither.
  void note(const discovery::source& s, verdict v, std::set<std::string>& changed) {
    const auto names = discovery::names(*s.what);
    changed.insert(names.begin(), names.end());
    if (v == verdict::renewed || s.from.by == discovery::carrier_kind::self) return;
    if (v == verdict::added) tell_found(s);
    else tell_source("source-gone", s, {{"reason", "withdrawn"}});
  }

  /// True if somebody wants its stream.
  bool is_watched(const discovery::source& s) const {
    const auto names = discovery::names(*s.what);
    return std::ranges::any_of(watches_, [&](const source_watch& w) { return std::ranges::find(names, w.stream_id) != names.end(); });
  }

  void tell_found(const discovery::source& s) { tell_source("source-found", s, {{"carrier", discovery::name(s.from.by)}, {"address", s.from.address}}); }

  void tell_source(const char* event, const discovery::source& s, json::object more) {
    if (!is_watched(s) && !config_.tell_all) return;
    json::array ways;
    for (const auto& t : s.what->transports) ways.emplace_back(discovery::full_address(t));
    json::object fields{{"stream_id", s.what->stream_id.text()}, {"source_node", s.what->source_node}, {"signer", s.what->signer.to_string()}};
    if (!ways.empty()) fields.emplace_back("transports", std::move(ways));
    for (auto& m : more) fields.push_back(std::move(m));
    tell(event, std::move(fields));
  }

  void tell(const char* event, json::object fields) {
    if (observer_) send(observer_, report{event, std::move(fields)});
  }

  std::vector<discovery::source> find(const std::string& stream) const {
    if (stream.empty()) return table_.all();
    const auto id = identity::stream_id::parse(stream);
    return id ? table_.find(id.value()) : std::vector<discovery::source>{};
  }

  void tell(const source_watch& w) {
    if (auto found = find(w.stream_id); !found.empty() || told_.contains(w.stream_id)) {
      told_.insert(w.stream_id);
      send(w.who, found_sources{w.stream_id, std::move(found)});
    }
  }

  void tell_watchers(const std::set<std::string>& changed) {
    for (const auto& w : watches_)
      if (changed.contains(w.stream_id)) tell(w);
  }

  void carry(const discovery::source& s) {
    for (const auto& c : carriers_) send(c, carried_announcement{s.what, s.encoded, s.from});
  }

  void announce(discovery::announcement& a) {
    const auto wall = config_.wall();
    a.updated_unix_ms = static_cast<uint64_t>(std::max<int64_t>(base::unix_ms(wall), 0));
    a.sequence = std::max(a.sequence + 1, a.updated_unix_ms); // above what was said before a restart that lost it
    a.ttl_ms = static_cast<uint64_t>(config_.ttl.count());
    discovery::sign(a, *config_.key);
    const auto encoded = discovery::encode(a);
    const auto judged = table_.push(base::as_span(encoded), {}, wall, clock().now());
    if (!judged.now_counts) {
      base::log::error("discovery", "own-announcement-refused", {{"stream_id", a.stream_id.text()}, {"reason", judged.reason}});
      return;
    }
    carry(*judged.now_counts);
    std::set<std::string> changed;
    note(*judged.now_counts, judged.what, changed);
    tell_watchers(changed);
    if (judged.what == verdict::added)
      tell("announced", {{"stream_id", a.stream_id.text()}, {"signer", a.signer.to_string()}, {"source_node", a.source_node}, {"bytes", uint64_t{encoded.size()}}});
  }

  void want() {
    wanted_at_ = clock().now();
    std::set<std::string> streams(config_.wanted.begin(), config_.wanted.end());
    for (const auto& w : watches_) streams.insert(w.stream_id);
    for (const auto& s : streams)
      for (const auto& c : carriers_) send(c, wanted_stream{s});
  }

  void on_tick() {
    const auto now = clock().now();
    if (now - wanted_at_ >= wants_every) want();
    std::set<std::string> changed;
    for (const auto& s : table_.expire(now)) {
      const auto names = discovery::names(*s.what);
      changed.insert(names.begin(), names.end());
      tell_source("source-gone", s, {{"reason", "expired"}});
    }
    tell_watchers(changed);
    if (refused_since_ > 0 && now - told_refused_ >= tells_every) {
      json::object counts;
      for (size_t i = 0; i < refused_.size(); ++i)
        if (refused_[i] > 0) counts.emplace_back(discovery::name(static_cast<verdict>(i)), refused_[i]);
      base::log::warn("discovery", "announcements-refused", {{"count", refused_since_}, {"since_start", json::dump(counts)}});
      refused_since_ = 0;
      told_refused_ = now;
    }
    delayed_send(this, tick, tick_atom::value);
  }

  discovery_status status() const {
    discovery_status out{table_.all().size(), table_.signatures_checked(), {}};
    for (size_t i = 0; i < discovery::verdicts; ++i)
      if (const auto v = static_cast<verdict>(i); table_.count(v) > 0) out.verdicts.emplace_back(discovery::name(v), table_.count(v));
    return out;
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    for (auto& [unused, a] : own_) {
      a.transports.clear();
      announce(a);
    }
    own_.clear();
    stop_carriers();
  }

  void stop_carriers() {
    for (const auto& c : carriers_) {
      // What it hands on at its end is not in it.
      request(c, caf::infinite, status_atom::value)
        .then(
          [this](const carrier_status& s) {
            tell("carrier-totals", {{"carrier", s.name}, {"sent", s.sent}, {"heard", s.heard}, {"bytes_out", s.bytes_out}, {"bytes_in", s.bytes_in}, {"faults", s.faults}});
          },
          [](const caf::error&) {});
      send(c, stop_atom::value);
    }
    if (carriers_.empty()) quit();
  }

  discovery_config config_;
  observer_actor observer_;
  discovery::announcement_table table_;
  std::map<std::string, discovery::announcement> own_;
  std::vector<carrier_actor> carriers_;
  std::vector<source_watch> watches_;
  std::set<std::string> told_; ///< streams whose watchers know of a source: they are told when there is none any more
  std::array<uint64_t, discovery::verdicts> refused_{};
  uint64_t refused_since_ = 0;
  base::mono_time told_refused_{};
  base::mono_time wanted_at_{};
  bool announcing_ = false;
  bool stopping_ = false;
};

} // namespace

base::result<discovery_actor> spawn_discovery(caf::actor_system& sys, discovery_config config, observer_actor observer) {
  const auto carriers = config.carriers;
  auto made = sys.spawn<discoverer>(std::move(config), std::move(observer));
  carriers_up up;
  for (const auto& spec : carriers) {
    auto started = spec.start(sys, caf::actor_cast<announcement_sink_actor>(made));
    if (!started) {
      for (const auto& c : up.all) caf::anon_send_exit(c, caf::exit_reason::user_shutdown);
      caf::anon_send_exit(made, caf::exit_reason::user_shutdown);
      return base::fail(started.error());
    }
    up.all.push_back(std::move(started).value());
  }
  caf::anon_send(made, std::move(up));
  return caf::actor_cast<discovery_actor>(made);
}

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::carriers_up)
