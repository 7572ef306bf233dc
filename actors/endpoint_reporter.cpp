#include "actors/endpoint_reporter.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace ec::actors {
namespace {

class endpoint_reporter final : public endpoint_reporter_actor::base {
public:
  endpoint_reporter(caf::actor_config& cfg, quic_endpoint_actor endpoint, std::chrono::milliseconds every, observer_actor observer) :
    endpoint_reporter_actor::base(cfg), endpoint_(std::move(endpoint)), every_(every), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    if (every_.count() > 0) delayed_send(this, every_, tick_atom::value);
    return {
      [this](tick_atom) {
        request(endpoint_, caf::infinite, status_atom::value).then([this](const endpoint_status& s) { tell(s, false); }, [](const caf::error&) {});
        delayed_send(this, every_, tick_atom::value);
      },
      [this](stop_atom) {
        request(endpoint_, caf::infinite, status_atom::value)
          .then(
            [this](const endpoint_status& s) {
              tell(s, true);
              quit();
            },
            [this](const caf::error&) { quit(); });
      },
    };
  }

  void on_exit() override {
    endpoint_ = nullptr;
    observer_ = nullptr;
  }

private:
  void tell(const endpoint_status& s, bool last) {
    if (!observer_) return;
    if (s.relay) tell_relay(s, last ? "relay-totals" : "relay-status");
    if (!last) return;
    for (const auto& [relay, u] : s.uplinks) {
      base::json::object fields{{"relay", relay}, {"dials", u.dials}, {"sessions", u.sessions}, {"offered", u.offered}, {"refused", u.refused}};
      if (u.moves > 0) fields.emplace_back("moves", u.moves);
      if (u.moves_refused > 0) fields.emplace_back("moves_refused", u.moves_refused);
      if (!u.fault.empty()) fields.emplace_back("fault", u.fault);
      send(observer_, report{"uplink-totals", std::move(fields)});
    }
  }

  void tell_relay(const endpoint_status& s, const char* event) {
    const auto& r = *s.relay;
    const auto& c = r.counters;
    const auto up = std::ranges::count_if(s.uplinks, [](const auto& u) { return u.second.up; });
    base::json::object fields{{"sessions", s.sessions}, {"publishers", r.publishers}, {"subscribers", r.subscribers}, {"tracks", r.tracks}, {"cached_bytes", r.cached_bytes},
      {"upstreams", s.uplinks.size()}, {"upstreams_up", up}, {"objects", c.objects_in}};
    // Of the rest only what there was: most of it is trouble.
    for (const auto& [name, count] : std::initializer_list<std::pair<const char*, uint64_t>>{{"duplicates", c.objects_duplicate}, {"conflicts", c.objects_conflict},
           {"behind_hole", c.objects_behind_hole}, {"refused", c.objects_refused}, {"crowded_out", c.objects_crowded_out}, {"begun", c.objects_begun}, {"cut_off", r.objects_cut_off}, {"subgroups_reset", c.subgroups_reset}, {"subgroups_rescued", c.subgroups_rescued},
           {"subscriptions_upstream", c.subscriptions_upstream}, {"publishers_lost", c.publishers_lost}, {"publishers_resumed", c.publishers_resumed}, {"tracks_handed_over", c.tracks_handed_over},
           {"fetches_upstream", c.fetches_upstream}, {"fetches_shared", c.fetches_shared}, {"fetches_incomplete", c.fetches_incomplete}, {"tracks_refused", c.tracks_refused}, {"tracks_closed", c.tracks_closed},
           {"objects_false", c.objects_false}, {"objects_unproven", c.objects_unproven}, {"publishers_ended", c.publishers_ended}, {"web_refused", r.web_refused}})
      if (count > 0) fields.emplace_back(name, count);
    if (r.http) tell_http(*r.http, fields);
    tell_trouble(s, fields);
    if (r.access) tell_access(*r.access, r.access_untold, fields);
    send(observer_, report{event, std::move(fields)});
  }

  /// What slow or hostile peers cost, and what came of it.
  static void tell_trouble(const endpoint_status& s, base::json::object& fields) {
    for (const auto& [name, count] : std::initializer_list<std::pair<const char*, uint64_t>>{{"groups_too_far_behind", s.moq.groups_too_far_behind}, {"groups_too_old", s.moq.groups_delivery_timeout},
           {"streams_too_much", s.moq.streams_too_much}, {"objects_too_large", s.moq.objects_too_large}, {"datagrams_dropped", s.moq.datagrams_dropped},
           {"requests_refused_load", s.moq.requests_refused_load}, {"handshakes_failed", s.quic.handshakes_failed}, {"connections_refused", s.quic.refused},
           {"resumed", s.quic.resumed}, {"early_data_accepted", s.quic.early_data_accepted}, {"early_data_rejected", s.quic.early_data_rejected},
           {"retries_sent", s.quic.retries_sent}, {"overburdened", s.quic.overburdened}})
      if (count > 0) fields.emplace_back(name, count);
  }

  static void tell_access(const access::access_counters& a, uint64_t untold, base::json::object& fields) {
    for (const auto& [name, count] : std::initializer_list<std::pair<const char*, uint64_t>>{{"admitted", a.sessions_admitted}, {"certified", a.sessions_certified}, {"anonymous", a.sessions_anonymous},
           {"sessions_refused", a.sessions_refused}, {"sessions_expired", a.sessions_expired}, {"sessions_revoked", a.sessions_revoked}, {"requests_refused", a.requests_refused},
           {"requests_expired", a.requests_expired}, {"sessions_over_limit", a.sessions_over_limit}, {"requests_over_limit", a.requests_over_limit}, {"publishers_held", a.publishers_held}, {"tokens_malformed", a.tokens_malformed}, {"tokens_unknown", a.tokens_unknown}, {"tokens_expired", a.tokens_expired},
           {"refusals_untold", untold}})
      if (count > 0) fields.emplace_back(name, count);
  }

  static void tell_http(const http_counters& h, base::json::object& fields) {
    for (const auto& [name, count] : std::initializer_list<std::pair<const char*, uint64_t>>{{"http_requests", h.requests}, {"http_malformed", h.malformed}, {"http_refused", h.refused},
           {"http_not_found", h.not_found}, {"http_groups", h.groups}, {"http_group_bytes", h.group_bytes}, {"http_cut", h.cut}, {"http_failed", h.failed}})
      if (count > 0) fields.emplace_back(name, count);
  }

  quic_endpoint_actor endpoint_;
  std::chrono::milliseconds every_;
  observer_actor observer_;
};

} // namespace

endpoint_reporter_actor spawn_endpoint_reporter(caf::actor_system& sys, quic_endpoint_actor endpoint, std::chrono::milliseconds every, observer_actor observer) {
  return sys.spawn<endpoint_reporter>(std::move(endpoint), every, std::move(observer));
}

} // namespace ec::actors
