#include "actors/http_desk.hpp"

#include <algorithm>

#include "base/limits_relay_http.hpp"
#include "base/log.hpp"
#include "quic/address.hpp"

namespace ec::actors {
namespace {

namespace limits = base::limits;

int status_of(uint64_t request_code, bool anonymous) {
  namespace c = moq::request_code;
  switch (request_code) {
  case c::unauthorized: return anonymous ? 401 : 403;
  case c::expired_auth_token:
  case c::malformed_auth_token: return 401;
  case c::does_not_exist:
  case c::invalid_range:
  case c::uninterested: return 404;
  case c::excessive_load:
  case c::going_away: return 503;
  case c::timeout: return 504;
  default: return 502;
  }
}

} // namespace

http_desk::~http_desk() {
  for (auto& r : open_) r.exchange->end("the relay is stopping");
}

void http_desk::take(const std::shared_ptr<http_exchange>& exchange, base::mono_time now) {
  for (auto& r : open_) {
    if (r.exchange != exchange) continue;
    r.woken = true;
    return;
  }
  if (exchange->left()) return;
  auto& r = open_.emplace_back();
  r.exchange = exchange;
  if (!admit(r, now)) return open_.pop_back();
  if (exchange->ask().what == http_ask::kind::announced) {
    list(r);
    return open_.pop_back();
  }
  r.quiet_until = now + limits::relay_http_first_byte;
  r.until = now + limits::relay_http_answer_time;
  r.reader = std::make_unique<moq::group_reader>(store_, exchange->ask().track, exchange->ask().group, now);
}

bool http_desk::admit(reading& r, base::mono_time now) {
  if (!door_) return true;
  const auto& ask = r.exchange->ask();
  auto& a = r.admitted.emplace(door_->keeper(), false);
  const auto address = quic::socket_address::parse(ask.peer);
  a.comes_from(address ? relay_door::account_of(address.value()) : ask.peer, [&r] { return size_t{r.reader ? 1u : 0u}; });
  std::vector<moq::auth_token> shown;
  for (const auto& t : ask.tokens) shown.push_back({.value = t});
  if (const auto no = a.enter("/?" + ask.query, shown)) {
    door_->tell(now, ask.peer, "session", a.who(), no->reason);
    refuse(r, no->request_code, no->reason, {});
    return false;
  }
  const auto kind = ask.what == http_ask::kind::announced ? moq::request_kind::subscribe_namespace : moq::request_kind::fetch;
  if (const auto no = a.authorize(0, {.kind = kind, .track = ask.track, .update = false, .tokens = {}})) {
    door_->tell(now, ask.peer, "request", a.who(), no->reason);
    refuse(r, no->code, no->reason, no->retry_after_ms);
    return false;
  }
  return true;
}

void http_desk::list(reading& r) {
  const auto& prefix = r.exchange->ask().track.ns;
  http_head head;
  size_t bytes = 0;
  const auto& all = store_.namespaces();
  for (auto at = all.lower_bound(prefix); at != all.end() && prefix.is_prefix_of(at->first); ++at) {
    bytes += at->first.bytes() + at->first.fields.size();
    if (bytes > limits::relay_http_listing_bytes_max) {
      counters_->malformed.fetch_add(1);
      head = {.status = 400, .text = "more is announced there than one answer may hold: name a longer prefix", .announced = {}, .group = {}, .retry_after_seconds = {}};
      break;
    }
    head.announced.push_back(at->first);
  }
  r.exchange->begin(std::move(head));
  r.exchange->end();
}

void http_desk::refuse(reading& r, uint64_t code, std::string reason, std::optional<uint64_t> retry_after_ms) {
  http_head head;
  head.status = status_of(code, r.admitted && r.admitted->who() == "anonymous");
  head.text = std::move(reason);
  if (retry_after_ms) head.retry_after_seconds = (*retry_after_ms + 999) / 1000;
  auto& count = head.status == 404 ? counters_->not_found : head.status == 401 || head.status == 403 || (head.status == 503 && !r.reader) ? counters_->refused : counters_->failed;
  count.fetch_add(1);
  r.exchange->begin(std::move(head));
  r.exchange->end();
}

void http_desk::cut(reading& r, std::string reason) {
  counters_->cut.fetch_add(1);
  base::log::info("relay_http", "cut", {{"peer", r.exchange->ask().peer}, {"track", moq::to_string(r.exchange->ask().track)}, {"bytes", r.bytes}, {"reason", reason}});
  r.exchange->end(std::move(reason));
}

/// False: it is over.
bool http_desk::go_on(reading& r, base::mono_time now) {
  auto& e = *r.exchange;
  if (e.left()) {
    if (r.begun) cut(r, "the client left");
    return false;
  }
  if (r.admitted) {
    if (const auto v = r.admitted->check([](moq::request_id) { return true; }); v.session) {
      door_->tell(now, e.ask().peer, "expired", r.admitted->who(), v.session->reason);
      if (r.begun) cut(r, v.session->reason);
      else refuse(r, v.session->request_code, v.session->reason, {});
      return false;
    }
  }
  if (now >= r.until) {
    if (r.begun) cut(r, "the answer took too long");
    else refuse(r, moq::request_code::timeout, "the group did not begin in time", {});
    return false;
  }
  while (e.waiting() < limits::relay_http_waiting_bytes_max) {
    moq::object o;
    const auto step = r.reader->next(o, now);
    if (step == moq::group_reader::step::wait) {
      if (now < r.quiet_until) return true;
      if (r.begun) cut(r, "nothing more of the group came in time");
      else refuse(r, moq::request_code::timeout, "nothing of the track came in time", {});
      return false;
    }
    if (step == moq::group_reader::step::failed) {
      const auto& why = r.reader->error();
      if (r.begun) cut(r, why.reason);
      else refuse(r, why.code, why.reason, why.retry_after_ms);
      return false;
    }
    if (!r.begun) {
      r.begun = true;
      http_head head;
      head.group = r.reader->group();
      e.begin(std::move(head));
    }
    if (step == moq::group_reader::step::end) {
      counters_->groups.fetch_add(1);
      e.end();
      return false;
    }
    r.quiet_until = now + limits::relay_http_silence;
    if (r.bytes + o.payload.size() > limits::relay_http_answer_bytes_max) {
      cut(r, "the group is larger than one answer may be");
      return false;
    }
    r.bytes += o.payload.size();
    counters_->group_bytes.fetch_add(o.payload.size());
    e.give(std::move(o.payload));
  }
  r.quiet_until = now + limits::relay_http_silence; // it is the client that is slow: its connection has a patience of its own
  return true;
}

void http_desk::flush(base::mono_time now) {
  for (auto at = open_.begin(); at != open_.end();) {
    auto& r = *at;
    const bool due = now >= std::min(r.quiet_until, r.until);
    const bool stirred = r.reader->stirred();
    if (!stirred && !r.woken && !due) {
      ++at;
      continue;
    }
    r.woken = false;
    at = go_on(r, now) ? std::next(at) : open_.erase(at);
  }
  // What one asked for may have changed what another sees, which was looked at before.
  for (auto& r : open_) r.woken = r.woken || r.reader->stirred();
}

std::optional<base::mono_time> http_desk::deadline() const {
  std::optional<base::mono_time> next;
  for (const auto& r : open_) {
    const auto due = r.woken ? base::mono_time{} : std::min(r.quiet_until, r.until);
    if (!next || due < *next) next = due;
  }
  return next;
}

} // namespace ec::actors
