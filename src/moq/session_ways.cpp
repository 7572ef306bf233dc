// Announcements with the nodes that they went through: the extension MoQ Cluster [draft-lcurley-moq-cluster-01], between peers that both speak it.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

namespace limits = base::limits;

/// It went through this node before.
bool session::impl::loops(const hop_path& way) const {
  return config_.origin_id != 0 && std::ranges::find(way, config_.origin_id) != way.end();
}

/// The application was told of this namespace, or would be.
bool session::impl::is_heard(const own_request& r, const track_namespace& suffix) const {
  const auto way = r.ways.find(suffix);
  return way == r.ways.end() || !loops(way->second);
}

/// `hops`, through whom an announcement came here, become what the peer is told: with this node, or nothing. Nobody prices links: a way costs what it is long.
void session::impl::sign_way(std::optional<hop_path>& hops, std::optional<uint64_t>& cost) const {
  cost.reset();
  if (!tells_ways()) return hops.reset();
  if (!hops) hops.emplace();
  if (!hops->empty()) cost = hops->size();
  hops->push_back(config_.origin_id);
}

void session::impl::serve_publish_namespace(uint64_t stream, const moq::publish_namespace& m) {
  if (is_reserved(m.ns)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
  if (m.params.hops.has_value() != tells_ways()) return fail(session_code::protocol_violation, "PUBLISH_NAMESPACE has HOP_PATH where it may not, or not where it must");
  // The request exists before the application hears of it, which may revoke it from there.
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::publish_namespace;
  r.stream = stream;
  r.ns = m.ns;
  r.hops = m.params.hops.value_or(hop_path{});
  r.looped = loops(r.hops);
  if (r.looped) {
    ++counters_.announcements_looped;
    return send(stream, request_ok{});
  }
  const auto no = upper_.on_publish_namespace(m.id, m.ns);
  if (closed_ || !peers_.contains(m.id)) return;
  if (!no) return send(stream, request_ok{});
  ++counters_.request_errors_out;
  send(stream, *no, true);
  end_peer(m.id);
}

/// Another way to what the peer offers: as if the offer had ended and come anew.
void session::impl::update_namespace(request_id id, peer_request& r, const request_update& m) {
  if (m.params.hops && !tells_ways()) return fail(session_code::protocol_violation, "REQUEST_UPDATE has HOP_PATH where it may not");
  send(r.stream, request_ok{});
  if (!m.params.hops || *m.params.hops == r.hops) return;
  const auto ns = r.ns;
  const bool was = !r.looped;
  r.hops = *m.params.hops;
  r.looped = loops(r.hops);
  if (r.looped) ++counters_.announcements_looped;
  const bool is = !r.looped;
  if (was) upper_.on_publish_namespace_done(id, ns);
  if (!is || closed_ || !peers_.contains(id)) return;
  const auto no = upper_.on_publish_namespace(id, ns);
  if (!no || closed_ || !peers_.contains(id)) return;
  ++counters_.request_errors_out;
  lower_.reset(peers_.at(id).stream, reset_code::cancelled);
  end_peer(id);
}

/// What a SUBSCRIBE_NAMESPACE is told of `ns`, after it changed or because it is asked for the first time. `fits`: it is known that it may be.
void session::impl::tell_namespace(peer_request& r, const track_namespace& ns, bool fits) {
  const hop_path* best = nullptr;
  auto told = r.told.find(ns);
  const hop_path* before = told == r.told.end() ? nullptr : &told->second;
  if (const auto ways = store_->namespaces().find(ns); ways != store_->namespaces().end()) {
    if (!tells_ways()) best = before != nullptr ? before : &ways->second.front();
    else for (const auto& way : ways->second) best = better_way(best, way, before, peer_hop_.value_or(0));
  }
  if (before != nullptr) {
    if (best != nullptr && *best == *before) return;
    r.told.erase(told);
    send(r.stream, namespace_done{ns.suffix_after(r.ns)});
  }
  if (best == nullptr || (!fits && !may_tell(r, ns))) return;
  namespace_active m{ns.suffix_after(r.ns), *best, {}};
  r.told[ns] = *best;
  sign_way(m.hops, m.route_cost);
  send(r.stream, m);
}

void session::impl::take_namespace(request_id id, own_request& r, const namespace_active& m) {
  if (m.hops.has_value() != tells_ways()) return fail(session_code::protocol_violation, "NAMESPACE has HOP_PATH where it may not, or not where it must");
  if (r.active.size() >= limits::moq_namespace_matches_max) {
    end_own(id, reset_code::excessive_load, true);
    return upper_.on_request_error(id, {.code = request_code::namespace_too_large, .retry_after_ms = {}, .reason = "too many namespaces under the prefix", .to = {}});
  }
  const track_namespace suffix = m.suffix;
  const bool fresh = r.active.insert(suffix).second;
  if (!fresh && (!m.hops || r.ways[suffix] == *m.hops)) return;
  const bool was = !fresh && is_heard(r, suffix);
  if (m.hops) r.ways[suffix] = *m.hops;
  const bool is = is_heard(r, suffix);
  if (!is) ++counters_.announcements_looped;
  if (was) upper_.on_namespace(id, suffix, false);
  if (is && !closed_ && own_.contains(id)) upper_.on_namespace(id, suffix, true);
}

/// `ns`: behind the prefix of a SUBSCRIBE_NAMESPACE of ours.
hop_path session::impl::hops(request_id id, const track_namespace& ns) const {
  if (const auto peer = peers_.find(id); peer != peers_.end()) return peer->second.hops;
  const auto own = own_.find(id);
  if (own == own_.end()) return {};
  const auto way = own->second.ways.find(ns);
  return way == own->second.ways.end() ? hop_path{} : way->second;
}

} // namespace ec::moq
