// What a session does because time passed.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

void session::impl::on_tick(mono_time now) {
  if (closed_) return;
  now_ = now;
  deliver_local_failures();
  for (const request_id id : std::exchange(offers_over_, {})) {
    if (closed_) return;
    upper_.on_request_closed(id);
  }
  if (closed_) return;
  if (connected_ && !peer_setup_ && now >= connected_at_ + config_.setup_timeout) {
    return fail(session_code::control_message_timeout, "no SETUP came");
  }
  if (goaway_until_ && now >= *goaway_until_) {
    if (!own_.empty() || !peers_.empty()) return fail(session_code::goaway_timeout, "the peer did not leave");
    return fail(session_code::no_error, "went away");
  }
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    if (now < it->second) {
      ++it;
      continue;
    }
    const request_id id = it->first;
    it = leaving_.erase(it);
    leave(id);
    if (closed_) return;
  }
  drop_parked();
  std::vector<request_id> ids;
  for (const auto& [id, r] : own_) {
    if (r.done && now >= r.done_until) ids.push_back(id);
  }
  for (const request_id id : ids) {
    settle_done(id);
    if (closed_) return;
  }
  ids.clear();
  for (auto& [id, r] : own_) {
    if (r.stream && !r.answered && !r.sent_at) r.sent_at = now;
    if (r.stream && !r.answered && now >= *r.sent_at + config_.request_timeout + std::chrono::milliseconds(r.rendezvous_ms.value_or(0))) {
      ids.push_back(id);
    }
  }
  for (const request_id id : ids) {
    const auto it = own_.find(id);
    if (it == own_.end()) continue;
    end_own(id, reset_code::cancelled, true);
    upper_.on_request_error(id, {.code = request_code::timeout, .retry_after_ms = 0, .reason = "no answer came", .to = {}});
    if (closed_) return;
  }
  ids.clear();
  for (const auto& [id, r] : peers_) ids.push_back(id);
  for (const request_id id : ids) {
    const auto it = peers_.find(id);
    if (it == peers_.end()) continue;
    if (it->second.fill_until && now >= *it->second.fill_until) give_up_filling(id, it->second);
    if (closed_) return;
    if (!peers_.contains(id) || !it->second.sub) continue;
    auto& s = *it->second.sub;
    if (it->second.offer && !it->second.offer->answered && now >= it->second.offer->sent_at + config_.request_timeout) {
      publish_refused(id, {.code = request_code::timeout, .retry_after_ms = 0, .reason = "no answer came", .to = {}});
      if (closed_) return;
      continue;
    }
    if (!s.established && !s.asked && now >= s.rendezvous_until) {
      refuse(it->second.stream, request_code::timeout, "the track did not appear");
      end_peer(id);
      continue;
    }
    check_ages(s);
    try_finish(id);
  }
  if (parts_due_ && now >= *parts_due_) tell_parts();
  if (closed_) return;
  if (fetch_again_ && now >= *fetch_again_) {
    fetch_again_.reset();
    for (const request_id id : ids) {
      const auto it = peers_.find(id);
      if (it != peers_.end() && it->second.fetched) pump_fetch(id);
    }
  }
}

void session::impl::park(uni_stream& s, base::mono_duration wait) {
  ++early_streams_;
  s.parked_until = now_ + wait;
  parked_next_ = std::min(parked_next_.value_or(*s.parked_until), *s.parked_until);
}

/// Streams whose track nobody named in time.
void session::impl::drop_parked() {
  if (!peer_setup_ || !parked_next_ || now_ < *parked_next_) return;
  parked_next_.reset();
  std::vector<uint64_t> late;
  for (const auto& [id, s] : unis_) {
    if (!s.parked_until) continue;
    if (now_ >= *s.parked_until) late.push_back(id);
    else parked_next_ = std::min(parked_next_.value_or(*s.parked_until), *s.parked_until);
  }
  for (const uint64_t id : late) drop_uni(id, reset_code::cancelled, true);
}

std::optional<mono_time> session::impl::deadline() const {
  if (closed_) return std::nullopt;
  std::optional<mono_time> next;
  const auto at = [&next](mono_time t) { next = next ? std::min(*next, t) : t; };
  if (!local_failures_.empty() || !offers_over_.empty()) at(now_);
  if (connected_ && !peer_setup_) at(connected_at_ + config_.setup_timeout);
  if (goaway_until_) at(*goaway_until_);
  for (const auto& [id, when] : leaving_) at(when);
  if (fetch_again_) at(*fetch_again_);
  if (parts_due_) at(*parts_due_);
  if (peer_setup_ && parked_next_) at(*parked_next_);
  for (const auto& [id, r] : own_) {
    if (r.done) at(r.done_until);
    if (r.stream && !r.answered) at(r.sent_at ? *r.sent_at + config_.request_timeout + std::chrono::milliseconds(r.rendezvous_ms.value_or(0)) : now_);
  }
  for (const auto& [id, r] : peers_) {
    if (r.fill_until) at(*r.fill_until);
    if (!r.sub) continue;
    if (r.offer && !r.offer->answered) at(r.offer->sent_at + config_.request_timeout);
    if (!r.sub->established && !r.sub->asked) at(r.sub->rendezvous_until);
    if (r.sub->object_timeout_ms == 0 && r.sub->subgroup_timeout_ms == 0) continue;
    for (const auto& [key, o] : r.sub->out) {
      if (r.sub->object_timeout_ms > 0 && !o.ages.empty()) at(o.ages.front().since + std::chrono::milliseconds(r.sub->object_timeout_ms));
      if (r.sub->subgroup_timeout_ms > 0 && o.fin) at(o.fin_at + std::chrono::milliseconds(r.sub->subgroup_timeout_ms));
    }
  }
  return next;
}

} // namespace ec::moq
