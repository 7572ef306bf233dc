#include "access/admission.hpp"

#include <algorithm>

namespace ec::access {
namespace {

using namespace moq;
namespace limits = base::limits;

/// Three parts, the first of which begins as the base64url of `{"` does.
bool looks_like_token(std::string_view segment) {
  return segment.starts_with("eyJ") && std::ranges::count(segment, '.') == 2;
}

std::string_view first_segment(std::string_view path) {
  path = path.substr(0, path.find('?'));
  if (path.starts_with('/')) path.remove_prefix(1);
  return path.substr(0, path.find('/'));
}

bool publishes(request_kind kind) {
  return kind == request_kind::publish || kind == request_kind::publish_namespace;
}

std::string what_of(const authorization& a) {
  const bool named = a.kind != request_kind::publish_namespace && a.kind != request_kind::subscribe_namespace && a.kind != request_kind::subscribe_tracks;
  return std::string(publishes(a.kind) ? "publish " : "subscribe to ") + (named ? to_string(a.track) : a.track.ns.fields.empty() ? "every namespace" : to_string(a.track.ns));
}

bool allows(const grant& g, const authorization& a) {
  return covers(publishes(a.kind) ? g.claims.publish : g.claims.subscribe, a.track.ns);
}

} // namespace

std::vector<std::string> tokens_of_path(std::string_view path) {
  std::vector<std::string> out;
  if (const auto segment = first_segment(path); looks_like_token(segment)) out.emplace_back(segment);
  const auto mark = path.find('?');
  auto query = mark == path.npos ? std::string_view{} : path.substr(mark + 1);
  while (!query.empty()) {
    const auto part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (part.starts_with("jwt=")) out.emplace_back(part.substr(4));
  }
  return out;
}

std::string path_without_secrets(std::string_view path) {
  const auto segment = first_segment(path);
  path = path.substr(0, path.find('?'));
  if (!looks_like_token(segment)) return std::string(path);
  return "/..." + std::string(path.substr(std::min(path.size(), path.find(segment) + segment.size())));
}

std::optional<denial> admission::take(std::string_view token, grants& out) {
  if (out.size() >= limits::session_tokens_max) return denial{session_code::unauthorized, request_code::unauthorized, "too many tokens at once"};
  auto judged = home_.judge(token);
  if (auto* no = std::get_if<denial>(&judged)) return std::move(*no);
  out.push_back(std::get<std::shared_ptr<const grant>>(std::move(judged)));
  return std::nullopt;
}

void admission::certify(const std::string& subject, const std::string& key, base::wall_time not_after) {
  const auto& rules = home_.rules();
  certified_ = std::make_shared<grant>(grant{{.publish = rules.peer_publish, .subscribe = rules.peer_subscribe, .issued = {}, .not_before = {}, .expires = not_after, .subject = subject, .id = key.substr(0, 16)}, {}});
}

std::optional<denial> admission::enter(std::string_view path, const std::vector<auth_token>& shown) {
  std::optional<denial> no;
  auto& c = home_.counters();
  const auto over = [&](const std::optional<std::string>& why) {
    if (!why || no) return;
    ++c.sessions_over_limit;
    no = denial{session_code::unauthorized, request_code::excessive_load, *why};
  };
  if (seat_) over(seat_->sit());
  auto texts = home_.rules().everybody ? std::vector<std::string>{} : tokens_of_path(path);
  for (const auto& t : home_.rules().everybody ? std::vector<auth_token>{} : shown)
    if (std::ranges::find(texts, t.value) == texts.end()) texts.push_back(t.value);
  for (const auto& text : texts)
    if (!no) no = take(text, session_);
  if (certified_ && !no) session_.push_back(certified_);
  if (seat_ && !no)
    for (const auto& g : session_) over(seat_->show(g->account(), g->who()));
  const auto& rules = home_.rules();
  if (!no && !rules.everybody && session_.empty() && !later_ && rules.public_publish.empty() && rules.public_subscribe.empty())
    no = denial{session_code::unauthorized, request_code::unauthorized, "a token is needed here"};
  if (certified_ && !no) ++c.sessions_certified;
  ++(no ? c.sessions_refused : session_.empty() ? c.sessions_anonymous : c.sessions_admitted);
  if (no) session_.clear();
  return no;
}

std::optional<request_error> admission::authorize(request_id id, const authorization& a) {
  auto no = home_.rules().everybody ? std::nullopt : judge(id, a);
  if (no || a.update || !seat_) return no;
  if (const auto why = seat_->ask()) {
    auto& c = home_.counters();
    ++c.requests_refused;
    ++c.requests_over_limit;
    no = request_error{.code = request_code::excessive_load, .retry_after_ms = 1000, .reason = *why, .to = {}};
    held_.erase(id);
  }
  return no;
}

bool admission::pace(uint64_t bytes, base::mono_time now) {
  if (!seat_) return false;
  const bool held = seat_->pace(bytes, now);
  if (held && !held_back_) ++home_.counters().publishers_held;
  held_back_ = held;
  return held;
}

std::optional<request_error> admission::judge(request_id id, const authorization& a) {
  const auto refuse = [&](uint64_t code, std::string reason) {
    ++home_.counters().requests_refused;
    return request_error{.code = code, .retry_after_ms = {}, .reason = std::move(reason), .to = {}};
  };
  grants own;
  for (const auto& t : a.tokens)
    if (const auto no = take(t.value, own)) return refuse(no->request_code, no->reason);
  const auto& rules = home_.rules();
  if (covers(publishes(a.kind) ? rules.public_publish : rules.public_subscribe, a.track.ns)) return std::nullopt;
  // What it showed at its start counts as long as the session lives: check() ends it with the first of them.
  if (std::ranges::any_of(session_, [&](const auto& g) { return allows(*g, a); })) return std::nullopt;
  const auto before = held_.find(id);
  if (own.empty() && before != held_.end()) own = before->second.by;
  std::erase_if(own, [&](const auto& g) { return !allows(*g, a) || why_over(*g); });
  if (own.empty()) {
    if (session_.empty() && a.tokens.empty()) return refuse(request_code::unauthorized, "a token is needed to " + what_of(a));
    return refuse(request_code::unauthorized, who() + " may not " + what_of(a));
  }
  if (before == held_.end() && held_.size() >= limits::session_held_tokens_max) return refuse(request_code::excessive_load, "too many requests of this session have tokens of their own");
  held_[id] = {a.kind, std::move(own)};
  return std::nullopt;
}

std::optional<denial> admission::why_over(const grant& g) const {
  if (!home_.knows_key_of(g)) return denial{session_code::unauthorized, request_code::unauthorized, g.who() + ": the key of the token counts no more"};
  if (time_of(g.claims, home_.now()) == token_time::expired) return denial{session_code::expired_auth_token, request_code::expired_auth_token, g.who() + ": the token has expired"};
  return std::nullopt;
}

std::optional<base::wall_time> admission::due() const {
  std::optional<base::wall_time> out;
  const auto earlier = [&](const std::optional<base::wall_time>& at) {
    if (at && (!out || *at < *out)) out = at;
  };
  for (const auto& g : session_) earlier(g->claims.expires);
  for (const auto& [id, h] : held_) {
    std::optional<base::wall_time> last = h.by.front()->claims.expires;
    for (const auto& g : h.by) last = last && g->claims.expires ? std::max(last, g->claims.expires) : std::nullopt;
    earlier(last);
  }
  return out;
}

admission::verdict admission::check(const std::function<bool(request_id)>& is_open) {
  verdict out;
  auto& c = home_.counters();
  const auto end = [&](denial why) {
    if (out.session) return;
    ++(why.session_code == session_code::expired_auth_token ? c.sessions_expired : c.sessions_revoked);
    out.session = std::move(why);
  };
  for (const auto& g : session_)
    if (auto why = why_over(*g)) end(std::move(*why));
  for (auto at = held_.begin(); at != held_.end();) {
    auto& [id, h] = *at;
    if (!is_open(id)) {
      at = held_.erase(at);
      continue;
    }
    std::optional<denial> why;
    std::erase_if(h.by, [&](const auto& g) {
      const auto over = why_over(*g);
      if (over) why = over;
      return over.has_value();
    });
    if (!h.by.empty()) {
      ++at;
      continue;
    }
    if (h.kind == request_kind::subscribe) {
      ++c.requests_expired;
      out.subscriptions.push_back(id);
    } else {
      end(std::move(*why));
    }
    at = held_.erase(at);
  }
  return out;
}

std::string admission::who() const {
  if (session_.empty()) return "anonymous";
  std::string out;
  for (const auto& g : session_) out += (out.empty() ? "" : ", ") + g->who();
  return out;
}

} // namespace ec::access
