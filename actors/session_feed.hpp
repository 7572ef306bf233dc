#pragma once

#include <string>

#include "actors/session_events.hpp"
#include "moq/layers.hpp"

namespace ec::actors {

/// The upper side of a MoQ session whose events go to a sink: what a session tells, as session events. Called on the loop's thread.
class session_feed : public moq::upper_layer {
public:
  void on_object(moq::request_id request, const moq::object& o) override {
    auto e = of(session_event::kind::object, request);
    e.object = o;
    push(std::move(e));
  }
  void on_subgroup_end(moq::request_id request, uint64_t group, uint64_t, std::optional<uint64_t> reset, bool) override {
    auto e = of(session_event::kind::group_end, request);
    e.group = group;
    e.code = reset;
    push(std::move(e));
  }
  void on_request_error(moq::request_id request, const moq::request_error& error) override {
    auto e = of(session_event::kind::refused, request);
    e.code = error.code;
    e.text = error.reason;
    push(std::move(e));
  }
  void on_publish_done(moq::request_id request, uint64_t status, std::string_view reason, uint64_t) override {
    auto e = of(session_event::kind::done, request);
    e.code = status;
    e.text = reason;
    push(std::move(e));
  }
  void on_fetch_end(moq::request_id request, std::optional<uint64_t> reset) override {
    auto e = of(session_event::kind::fetch_end, request);
    e.code = reset;
    push(std::move(e));
  }

  /// Asks a session; its numbers for the requests.
  static subscribe_ids ask(moq::session& session, const subscribe_request& r) {
    subscribe_ids ids;
    auto options = r.options;
    // What comes is used in its order; a moq-lite publisher that is not asked for it sends the newest group first.
    if (!options.order) options.order = moq::group_order::ascending;
    // Draft 16 lets a fetch join no other subscription; the two meet without a gap in every draft.
    if (r.joining && options.filter.type == moq::subscription_filter::kind::none) options.filter.type = moq::subscription_filter::kind::largest_object;
    ids.subscription = session.subscribe(r.track, options);
    if (r.joining) ids.joining = session.joining_fetch_relative(ids.subscription, *r.joining, {});
    return ids;
  }
  static uint64_t ask(moq::session& session, const fetch_request& r) { return session.fetch(r.track, r.first, r.end, {}); }

protected:
  virtual void push(session_event event) = 0;

private:
  static session_event of(session_event::kind what, moq::request_id request) {
    session_event e;
    e.what = what;
    e.request = request;
    return e;
  }
};

} // namespace ec::actors
