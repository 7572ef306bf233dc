// What is offered, both ways: announcements of moq-lite and the namespaces of the store and of the layer above.
#include <algorithm>

#include "base/limits.hpp"
#include "base/limits_attacker.hpp"
#include "moq/internal/lite_session.hpp"

namespace ec::moq {

namespace limits = base::limits;
namespace code = lite::code;

/// How `ns` came here, if it is to be told to who listens: null if not. Of several ways `told`, if it is still one of them, or the shortest.
const hop_path* lite_session::offered(const lite_listener& l, const track_namespace& ns, const hop_path* told) const {
  if (!l.prefix.is_prefix_of(ns)) return nullptr;
  if (std::ranges::any_of(peer_offers_, [&](const auto& o) { return o.second == ns; })) return nullptr; // it has that itself
  const hop_path* best = nullptr;
  const auto look_at = [&](const hop_path& way) { best = better_way(best, way, told, l.exclude); };
  for (const auto& [id, o] : offers_)
    if (o.ns == ns) look_at(o.hops);
  if (!is_server() || !store_) return best; // a client tells what it publishes, not all that it knows
  const auto it = store_->namespaces().find(ns);
  if (it == store_->namespaces().end()) return best;
  for (const auto& way : it->second) look_at(way);
  return best;
}

void lite_session::serve_announce(uint64_t stream, const lite::announce_request& m) {
  const auto prefix = lite::to_namespace(m.prefix).value_or(track_namespace{});
  if (listeners_.size() >= limits::lite_announce_streams_max) return refuse(stream, code::dropped);
  if (const auto no = not_allowed(request_kind::subscribe_namespace, {prefix, {}})) return refuse(stream, lite_code_of_request(no->code));
  lower_.set_priority(stream, urgency_request);
  streams_.at(stream).what = lite_stream::kind::announce_served;
  auto& l = listeners_[stream];
  l.prefix = prefix;
  l.exclude = m.exclude_hop;
  std::set<track_namespace> names;
  for (const auto& [id, o] : offers_) names.insert(o.ns);
  if (store_ && is_server()) {
    for (const auto& [ns, ways] : store_->namespaces()) names.insert(ns);
  }
  std::erase_if(names, [&](const auto& ns) {
    if (!offered(l, ns)) return true;
    if (lite::to_path(ns.suffix_after(prefix))) return false;
    ++counters_.names_unmapped;
    return true;
  });
  size_t bytes = told_bytes(), count = 0;
  for (auto it = names.begin(); it != names.end();) {
    bytes += name_charge + it->bytes() + offered(l, *it)->size() * sizeof(uint64_t);
    if (++count > limits::moq_namespace_matches_max || bytes > limits::moq_told_bytes_max) it = names.erase(it, names.end());
    else ++it;
  }
  if (version_ >= lite::version::v05) put(stream, false, lite::announce_ok{config_.origin_id, names.size()});
  for (const auto& ns : names) tell(stream, l, ns, true);
}

void lite_session::tell(uint64_t stream, lite_listener& l, const track_namespace& ns, bool active) {
  const auto suffix = lite::to_path(ns.suffix_after(l.prefix));
  if (!suffix) {
    ++counters_.names_unmapped;
    return;
  }
  lite::announce m{active, *suffix, {}};
  if (active) {
    m.hops = l.told[ns] = *offered(l, ns);
    if (version_ < lite::version::v05) m.hops.push_back(config_.origin_id); // later drafts say it once for all
  } else {
    l.told.erase(ns);
  }
  put(stream, false, m, version_);
}

/// Something about a namespace changed: who listens hears what it means for it.
void lite_session::retell(const track_namespace& ns) {
  for (auto& [stream, l] : listeners_) {
    const auto told = l.told.find(ns);
    const auto* way = offered(l, ns, told == l.told.end() ? nullptr : &told->second);
    if (told != l.told.end()) {
      if (way && *way == told->second) continue;
      tell(stream, l, ns, false);
    }
    if (way && may_tell(l, ns)) tell(stream, l, ns, true);
  }
}

void lite_session::on_namespace(const track_namespace& ns, bool, mono_time now) {
  if (closed_) return;
  now_ = now;
  retell(ns);
}

request_id lite_session::publish_ns(const track_namespace& ns, const hop_path& hops) {
  const request_id id = new_own_id();
  if (!lite::to_path(ns)) {
    ++counters_.names_unmapped;
    return local_failure(id, request_code::not_supported, "moq-lite has no path for this namespace");
  }
  offers_[id] = {ns, hops};
  retell(ns);
  local_answers_.emplace_back(id, request_ok{}); // nobody answers; it is there for who asks
  lower_.deadline_moved();
  return id;
}

request_id lite_session::subscribe_ns(const track_namespace& prefix) {
  const request_id id = new_own_id();
  if (goaway_received_) return local_failure(id, request_code::going_away, "the peer goes away");
  if (!lite::to_path(prefix)) {
    ++counters_.names_unmapped;
    return local_failure(id, request_code::not_supported, "moq-lite has no path for this prefix");
  }
  auto& q = inquiries_.emplace_back();
  q.id = id;
  q.prefix = prefix;
  if (connected_ && peer_setup_) inquire(q);
  return id;
}

void lite_session::inquire(lite_inquiry& q) {
  q.stream = lower_.open_bidi();
  if (!q.stream) {
    ++counters_.waiting_for_stream_credit;
    return;
  }
  lower_.set_priority(*q.stream, urgency_request);
  streams_[*q.stream].what = lite_stream::kind::inquiry;
  base::byte_writer out;
  lite::put_type(out, lite::bidi_type::announce);
  lite::encode(out, lite::announce_request{*lite::to_path(q.prefix), config_.origin_id}, version_);
  lower_.write(*q.stream, base::bytes::adopt(out.take()), false);
  if (version_ < lite::version::v05 && q.id != no_request) {
    local_answers_.emplace_back(q.id, request_ok{}); // no message says so
    lower_.deadline_moved();
  }
}

void lite_session::read_inquiry(uint64_t stream) {
  for (;;) {
    const auto at = std::ranges::find(inquiries_, stream, [](const auto& q) { return q.stream.value_or(~uint64_t{0}); });
    const auto it = streams_.find(stream);
    if (closed_ || at == inquiries_.end() || it == streams_.end()) return;
    auto& s = it->second;
    base::byte_reader in(s.in.view());
    const auto stop = [&](const wire_stop& why) {
      if (!why.need_more) return fail(why.code, why.reason);
      if (!s.in_ended) return;
      if (s.in.size() > 0) return fail(code::protocol_violation, "an announcement ends before its end");
      inquiry_over(stream, std::nullopt);
    };
    if (version_ >= lite::version::v05 && !at->responder) {
      const auto ok = lite::decode_announce_ok(in);
      if (!ok) return stop(ok.error());
      s.in.consume(in.position());
      at->responder = ok.value().origin;
      if (at->id != no_request) upper_.on_request_ok(at->id, {});
      continue;
    }
    const auto m = lite::decode_announce(in, version_);
    if (!m) return stop(m.error());
    s.in.consume(in.position());
    take_announce(*at, m.value());
  }
}

void lite_session::take_announce(lite_inquiry& q, const lite::announce& m) {
  const auto suffix = *lite::to_namespace(m.suffix);
  const auto known = q.active.find(suffix);
  if (!m.active) {
    if (known == q.active.end()) return fail(code::protocol_violation, "the end of a broadcast that was not announced");
    return lost(q, known);
  }
  auto hops = m.hops;
  if (q.responder) hops.push_back(*q.responder);
  if (known != q.active.end()) {
    if (version_ < lite::version::v05) return fail(code::protocol_violation, "a broadcast is announced twice");
    if (known->second.hops == hops) return;
    lost(q, known); // another way to the same: it may lead through this node
    if (closed_) return;
  }
  if (q.active.size() >= limits::moq_namespace_matches_max) return fail(code::dropped, "too many broadcasts are announced");
  auto& heard = q.active[suffix];
  heard.hops = std::move(hops);
  if (request_bytes() > held_for_requests_max()) return fail(code::dropped, "what is announced is too much");
  if (config_.origin_id != 0 && std::ranges::find(heard.hops, config_.origin_id) != heard.hops.end()) {
    ++counters_.announcements_looped;
    return;
  }
  const auto ns = q.prefix.joined(suffix);
  if (!is_valid(ns)) {
    ++counters_.names_unmapped;
    return;
  }
  if (q.id != no_request) {
    heard.told = true;
    return upper_.on_namespace(q.id, suffix, true);
  }
  const request_id id = next_peer_;
  next_peer_ += 2;
  if (const auto no = upper_.on_authorize(id, {request_kind::publish_namespace, {ns, {}}, false, {}})) {
    ++counters_.request_errors_out; // there is no way to say so
    return;
  }
  peer_offers_[id] = ns;
  heard.offer = id;
  heard.told = true;
  if (upper_.on_publish_namespace(id, ns)) {
    ++counters_.request_errors_out;
    peer_offers_.erase(id);
    heard.offer.reset();
    heard.told = false;
  } else if (!closed_) {
    retell(ns);
  }
}

void lite_session::lost(lite_inquiry& q, std::map<track_namespace, lite_inquiry::heard>::iterator at) {
  const auto suffix = at->first;
  const auto heard = at->second;
  const auto ns = q.prefix.joined(suffix);
  q.active.erase(at);
  if (!heard.told) return;
  if (q.id != no_request) return upper_.on_namespace(q.id, suffix, false);
  if (!heard.offer || peer_offers_.erase(*heard.offer) == 0) return;
  upper_.on_publish_namespace_done(*heard.offer, ns);
  if (!closed_) retell(ns);
}

/// All that was announced on the stream is over.
void lite_session::inquiry_over(uint64_t stream, std::optional<uint64_t> reset) {
  const auto at = std::ranges::find(inquiries_, stream, [](const auto& q) { return q.stream.value_or(~uint64_t{0}); });
  if (reset) drop_stream(stream, code::cancel);
  else finish_stream(stream);
  if (at == inquiries_.end()) return;
  const bool answered = version_ < lite::version::v05 || at->responder;
  // It leaves the list first: who hears of the ends may ask for more.
  lite_inquiry q = std::move(*at);
  inquiries_.erase(at);
  while (!closed_ && !q.active.empty()) lost(q, q.active.begin());
  if (closed_ || q.id == no_request) return;
  if (answered) upper_.on_request_closed(q.id);
  else upper_.on_request_error(q.id, {.code = request_code_of(reset.value_or(code::not_found)), .retry_after_ms = {}, .reason = "the peer announces nothing", .to = {}});
}

void lite_session::revoke_namespace(request_id peer_request) {
  const auto it = peer_offers_.find(peer_request);
  if (it == peer_offers_.end()) return;
  const auto ns = it->second;
  peer_offers_.erase(it);
  for (auto& q : inquiries_) {
    for (auto& [suffix, heard] : q.active) {
      if (heard.offer == peer_request) heard.told = false;
    }
  }
  retell(ns);
}

hop_path lite_session::hops(request_id id, const track_namespace& ns) const {
  for (const auto& q : inquiries_) {
    for (const auto& [suffix, heard] : q.active) {
      if (q.id == no_request ? heard.offer == id : q.id == id && suffix == ns) return heard.hops;
    }
  }
  return {};
}

} // namespace ec::moq
