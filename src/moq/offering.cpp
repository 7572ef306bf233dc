#include "moq/offering.hpp"

#include <algorithm>

#include "moq/session.hpp"

namespace ec::moq {

offering::offering(track_store& store, track_namespace under, offering_watcher& watcher) : store_(&store), under_(std::move(under)), watcher_(watcher) {
  store.observe(ear_);
}

offering::~offering() {
  if (store_) store_->forget(ear_);
}

void offering::on_setup(const peer_setup& setup) {
  up_ = true;
  watcher_.on_up(setup);
  if (!store_) return;
  for (const auto& [ns, count] : store_->namespaces()) add(ns);
}

void offering::on_closed(uint64_t, std::string_view) {
  up_ = false;
  offers_.clear();
}

void offering::on_goaway(std::string_view uri, uint64_t timeout_ms) {
  leaving_ = true;
  for (auto& [ns, o] : offers_) o.again.reset();
  watcher_.on_leave(uri, timeout_ms);
}

void offering::add(const track_namespace& ns) {
  if (!up_ || leaving_ || !under_.is_prefix_of(ns)) return;
  offers_[ns].id = session_->publish_namespace(ns);
}

void offering::store_ear::on_namespace(const track_namespace& ns, bool active, base::mono_time) {
  const auto it = home.offers_.find(ns);
  if (active && it == home.offers_.end()) home.add(ns);
  if (active || it == home.offers_.end()) return;
  const auto id = it->second.id;
  home.offers_.erase(it);
  if (home.up_ && id != no_request) home.session_->withdraw_namespace(id);
}

void offering::on_request_ok(request_id id, const request_ok&) {
  for (auto& [ns, o] : offers_) {
    if (o.id != id) continue;
    o.accepted = true;
    o.wait = std::chrono::milliseconds{0};
    return watcher_.on_offered(ns);
  }
}

void offering::on_request_error(request_id id, const request_error& e) {
  refused(id, e);
}

void offering::on_request_closed(request_id id) {
  refused(id, {.code = request_code::uninterested, .retry_after_ms = static_cast<uint64_t>(offer_wait_min.count()), .reason = "the peer wants it no more", .to = {}});
}

void offering::refused(request_id id, const request_error& e) {
  if (!up_ || leaving_) return;
  for (auto& [ns, o] : offers_) {
    if (o.id != id) continue;
    o.id = no_request;
    o.accepted = false;
    const auto named = std::chrono::milliseconds(std::min<uint64_t>(e.retry_after_ms.value_or(0), static_cast<uint64_t>(offer_wait_max.count())));
    o.wait = e.retry_after_ms ? std::clamp(std::max(2 * o.wait, named), offer_wait_min, offer_wait_max) : offer_wait_max;
    o.again = session_->now() + o.wait;
    return watcher_.on_refused(ns, e, o.wait);
  }
}

void offering::on_tick(base::mono_time now) {
  if (!up_) return;
  for (auto& [ns, o] : offers_) {
    if (!o.again || now < *o.again) continue;
    o.again.reset();
    o.id = session_->publish_namespace(ns);
  }
}

std::optional<base::mono_time> offering::deadline() const {
  std::optional<base::mono_time> next;
  for (const auto& [ns, o] : offers_) {
    if (o.again && (!next || *o.again < *next)) next = o.again;
  }
  return next;
}

size_t offering::accepted() const {
  return static_cast<size_t>(std::ranges::count_if(offers_, [](const auto& o) { return o.second.accepted; }));
}

} // namespace ec::moq
