// Authorization tokens: those of the peer, what they allow, and ours.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

/// The tokens of a message of the peer, by value. Nothing: the session closed.
std::optional<std::vector<auth_token>> session::impl::take_tokens(const std::vector<auth_token>& said) {
  if (said.empty()) return std::vector<auth_token>{};
  auto meant = tokens_.take(said, false);
  if (meant) return std::move(meant).value();
  fail(meant.error());
  return std::nullopt;
}

/// Asks above whether the peer may make this request.
std::optional<request_error> session::impl::authorize(const message& first, std::vector<auth_token> tokens) {
  authorization a;
  a.tokens = std::move(tokens);
  request_id id = no_request;
  const auto of_track = [&](request_kind kind, const auto& m) {
    a.kind = kind;
    a.track = m.track;
    id = m.id;
  };
  const auto of_prefix = [&](request_kind kind, const auto& m, const track_namespace& ns) {
    a.kind = kind;
    a.track.ns = ns;
    id = m.id;
  };
  if (const auto* m = std::get_if<moq::subscribe>(&first)) of_track(request_kind::subscribe, *m);
  if (const auto* m = std::get_if<moq::publish>(&first)) of_track(request_kind::publish, *m);
  if (const auto* m = std::get_if<moq::track_status>(&first)) of_track(request_kind::track_status, *m);
  if (const auto* m = std::get_if<moq::publish_namespace>(&first)) of_prefix(request_kind::publish_namespace, *m, m->ns);
  if (const auto* m = std::get_if<moq::subscribe_namespace>(&first)) of_prefix(request_kind::subscribe_namespace, *m, m->prefix);
  if (const auto* m = std::get_if<moq::subscribe_tracks>(&first)) of_prefix(request_kind::subscribe_tracks, *m, m->prefix);
  if (const auto* m = std::get_if<moq::fetch>(&first)) {
    of_track(request_kind::fetch, *m);
    if (m->type != moq::fetch::kind::standalone) {
      const auto joined = peers_.find(m->joining_id);
      if (joined == peers_.end() || !joined->second.sub) return std::nullopt; // refused for that
      a.track = joined->second.sub->name;
    }
  }
  return upper_.on_authorize(id, a);
}

void session::impl::use_tokens(std::vector<auth_token> tokens) {
  own_tokens_.clear();
  for (auto& t : tokens) own_tokens_.push_back({{.kind = auth_token::alias_type::use_value, .alias = 0, .type = t.type, .value = std::move(t.value)}, {}, no_request});
}

/// A token is registered by the request that carries it first, if the peer has room, and named by its alias when that was
/// answered; until then it is said by value, as streams may overtake each other.
void session::impl::add_tokens(request_id id, parameters& p) {
  for (auto& own : own_tokens_) {
    auth_token said = own.token;
    if (own.alias && own.registered_by == no_request) {
      said = {.kind = auth_token::alias_type::use_alias, .alias = *own.alias, .type = 0, .value = {}};
    } else if (!own.alias && peer_setup_ && token_charge(said) <= token_room_) {
      token_room_ -= token_charge(said);
      own.alias = next_token_alias_++;
      own.registered_by = id;
      said.kind = auth_token::alias_type::register_alias;
      said.alias = *own.alias;
    }
    p.tokens.push_back(std::move(said));
  }
}

/// The peer has seen a request: what it registered may be used.
void session::impl::tokens_answered(request_id id) {
  for (auto& own : own_tokens_) {
    if (own.registered_by == id) own.registered_by = no_request;
  }
}

} // namespace ec::moq
