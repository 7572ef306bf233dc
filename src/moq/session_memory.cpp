// What a session holds for its peer, and what it does when that is too much.
#include <algorithm>
#include <array>
#include <bit>

#include "base/limits_attacker.hpp"
#include "moq/internal/lite_session.hpp"
#include "moq/internal/session_impl.hpp"

namespace ec::moq {

session_counters& operator+=(session_counters& sum, const session_counters& more) {
  using fields = std::array<uint64_t, sizeof(session_counters) / sizeof(uint64_t)>;
  auto all = std::bit_cast<fields>(sum);
  const auto add = std::bit_cast<fields>(more);
  for (size_t i = 0; i < all.size(); ++i) all[i] += add[i];
  return sum = std::bit_cast<session_counters>(all);
}

namespace {

namespace limits = base::limits;

constexpr size_t stream_charge = 448;  // of a table's entry, beside the bytes of the stream
constexpr size_t weigh_every = 8u << 10; // bytes that may come before it is looked again, each arrival taken for so much more:
constexpr size_t arrival_charge = 128;   // it may have opened a stream

} // namespace

size_t session::family::held_bytes_max() const {
  if (config_.held_bytes_max > 0) return config_.held_bytes_max;
  return config_.role == session_role::server ? limits::moq_accepted_held_bytes_max : limits::moq_held_bytes_dialled;
}

size_t session::family::held_for_requests_max() const { return held_bytes_max() / 8 * 5; }

void session::family::weigh(size_t arrived) {
  unweighed_ += arrived + arrival_charge;
  // Looked at in full only now and then, also while it is full: who keeps it so would have this side do nothing else.
  if (closed_ || unweighed_ < weigh_every) return;
  const auto m = memory();
  size_t held = m.streams; // but for the largest, which may be an honest object
  const size_t others = m.requests + m.objects + m.tokens;
  // An eighth is for what comes until it is looked again, and for buffers that grow by an eighth.
  const size_t all_room = held_bytes_max() / 8 * 7;
  const size_t room = all_room - std::min(all_room, others);
  if (held > room) {
    auto all = parts();
    std::ranges::sort(all, std::ranges::greater{}, &part::bytes);
    // Behind the largest, those go of which the most came.
    for (size_t i = 1; i < all.size() && held > room && !closed_; ++i) {
      ++counters_.streams_too_much;
      held -= std::min(held, all[i].bytes);
      stop_part(all[i].stream);
    }
  }
  unweighed_ = 0;
}

bool session::family::is_part_due(const part_clock& c, size_t came, uint64_t whole) {
  if (!config_.tells_parts || came < c.told + limits::moq_part_bytes_min) return false;
  if (c.told == 0 && whole - came < limits::moq_part_bytes_min) return false;
  const auto at = c.since + limits::moq_part_wait;
  if (now_ >= at) return true;
  parts_due_ = std::min(parts_due_.value_or(at), at);
  return false;
}

std::vector<session::family::part> session::impl::parts() const {
  std::vector<part> out;
  for (const auto& [id, s] : unis_) {
    const size_t bytes = s.in.held() + s.payload.capacity() + s.current.properties.size();
    if (bytes > 0 && s.what != uni_stream::kind::control) out.push_back({id, bytes});
  }
  for (const auto& [id, s] : bidis_)
    if (s.in.size() > 0) out.push_back({id, s.in.held()});
  return out;
}

void session::impl::stop_part(uint64_t stream) {
  if (stream & 2) {
    const auto it = unis_.find(stream);
    if (it == unis_.end()) return;
    const bool of_request = (it->second.what == uni_stream::kind::subgroup || it->second.what == uni_stream::kind::fetch) && own_.contains(it->second.request);
    if (of_request) give_up_object(stream, it->second);
    else drop_uni(stream, reset_code::excessive_load, false);
    return;
  }
  if (!bidis_.contains(stream)) return;
  lower_.stop_sending(stream, reset_code::excessive_load);
  if (bidis_.at(stream).request) return on_stream_reset(stream, reset_code::excessive_load, now_);
  lower_.reset(stream, reset_code::excessive_load);
  auto& s = bidis_.at(stream);
  s.in.clear();
  s.over = true;
}

size_t session::impl::told_bytes() const {
  size_t sum = 0;
  for (const auto& [id, r] : peers_)
    for (const auto& [ns, way] : r.told) sum += name_charge + ns.bytes() + way.size() * sizeof(uint64_t);
  return sum;
}

/// Whether the peer may be told of one namespace more: each is remembered.
bool session::impl::may_tell(const peer_request& r, const track_namespace& ns) const {
  return r.told.size() < limits::moq_namespace_matches_max && told_bytes() + name_charge + ns.bytes() <= limits::moq_told_bytes_max;
}

size_t session::impl::request_bytes() const {
  size_t sum = 0;
  for (const auto& [id, r] : peers_)
    if (!r.offer) sum += charge_of(r.bytes) + r.hops.size() * sizeof(uint64_t);
  for (const auto& [id, r] : own_)
    if (r.kind == request_kind::publish) sum += charge_of(r.bytes);
  return sum + told_bytes();
}

session_memory session::impl::memory() const {
  session_memory out;
  for (const auto& p : parts()) {
    out.streams += p.bytes;
    out.largest = std::max(out.largest, p.bytes);
  }
  out.streams -= out.largest;
  out.streams += (unis_.size() + bidis_.size()) * stream_charge + control_buffer_.size();
  if (control_in_ && unis_.contains(*control_in_)) out.streams += unis_.at(*control_in_).in.held();
  out.requests = request_bytes();
  out.objects = seen_->entries * seen_objects::entry_bytes;
  out.tokens = tokens_.bytes();
  return out;
}

std::vector<session::family::part> lite_session::parts() const {
  std::vector<part> out;
  for (const auto& [id, s] : streams_) {
    const size_t bytes = s.in.held() + (s.group ? s.group->payload.capacity() : 0);
    if (bytes > 0) out.push_back({id, bytes});
  }
  return out;
}

void lite_session::stop_part(uint64_t stream) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.group) return group_over(stream, lite::code::dropped);
  if (stream & 2) return drop_stream(stream, lite::code::dropped);
  lower_.stop_sending(stream, lite::code::dropped);
  on_stream_reset(stream, lite::code::dropped, now_);
}

size_t lite_session::told_bytes() const {
  size_t sum = 0;
  for (const auto& [stream, l] : listeners_)
    for (const auto& [ns, way] : l.told) sum += name_charge + ns.bytes() + way.size() * sizeof(uint64_t);
  return sum;
}

bool lite_session::may_tell(const lite_listener& l, const track_namespace& ns) const {
  return l.told.size() < limits::moq_namespace_matches_max && told_bytes() + name_charge + ns.bytes() <= limits::moq_told_bytes_max;
}

size_t lite_session::request_bytes() const {
  size_t sum = told_bytes();
  for (const auto& [stream, s] : served_) sum += charge_of(s.name.ns.bytes() + s.name.name.size());
  for (const auto& [stream, q] : questions_) sum += charge_of(q.name.ns.bytes() + q.name.name.size());
  for (const auto& [stream, l] : listeners_) sum += charge_of(l.prefix.bytes());
  for (const auto& q : inquiries_)
    for (const auto& [suffix, heard] : q.active) sum += name_charge + suffix.bytes() + heard.hops.size() * sizeof(uint64_t);
  for (const auto& [id, ns] : peer_offers_) sum += charge_of(ns.bytes());
  return sum;
}

session_memory lite_session::memory() const {
  session_memory out;
  for (const auto& p : parts()) {
    out.streams += p.bytes;
    out.largest = std::max(out.largest, p.bytes);
  }
  out.streams -= out.largest;
  out.streams += streams_.size() * stream_charge;
  out.requests = request_bytes();
  for (const auto& [id, r] : own_) out.objects += r.seen.size() * seen_objects::entry_bytes;
  return out;
}

} // namespace ec::moq
