// What a session holds for its peer, and what it does when that is too much.
#include <algorithm>
#include <array>
#include <bit>

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

constexpr size_t stream_charge = 64;   // beside its bytes: streams are bounded in number below

} // namespace

size_t session::family::held_bytes_max() const {
  if (config_.held_bytes_max > 0) return config_.held_bytes_max;
  return config_.role == session_role::server ? limits::moq_held_bytes_accepted : limits::moq_held_bytes_dialled;
}

void session::family::weigh(size_t arrived) {
  unweighed_ += arrived;
  const size_t bound = held_bytes_max() / 2;
  if (closed_ || parts_ + unweighed_ <= bound) return;
  // Looked at in full only now and then: every byte that was whole counted too.
  unweighed_ = 0;
  auto all = parts();
  std::ranges::sort(all, std::ranges::greater{}, &part::bytes);
  parts_ = 0;
  for (size_t i = 1; i < all.size(); ++i) parts_ += all[i].bytes;
  // The largest may be an honest object; behind it, those go of which the most came.
  for (size_t i = 1; i < all.size() && parts_ > bound && !closed_; ++i) {
    ++counters_.streams_too_much;
    parts_ -= all[i].bytes;
    stop_part(all[i].stream);
  }
}

std::vector<session::family::part> session::impl::parts() const {
  std::vector<part> out;
  for (const auto& [id, s] : unis_) {
    const size_t bytes = s.in.size() + s.payload.size() + s.current.properties.size();
    if (bytes > 0 && s.what != uni_stream::kind::control) out.push_back({id, bytes});
  }
  for (const auto& [id, s] : bidis_)
    if (s.in.size() > 0) out.push_back({id, s.in.size()});
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

size_t session::impl::request_bytes() const {
  size_t sum = 0;
  for (const auto& [id, r] : peers_)
    if (!r.offer) sum += r.bytes + request_charge;
  for (const auto& [id, r] : own_)
    if (r.kind == request_kind::publish) sum += r.bytes + request_charge;
  return sum;
}

session_memory session::impl::memory() const {
  session_memory out;
  for (const auto& p : parts()) {
    out.streams += p.bytes;
    out.largest = std::max(out.largest, p.bytes);
  }
  out.streams -= out.largest;
  out.streams += (unis_.size() + bidis_.size()) * stream_charge + control_buffer_.size();
  if (control_in_ && unis_.contains(*control_in_)) out.streams += unis_.at(*control_in_).in.size();
  out.requests = request_bytes();
  out.objects = seen_->entries * seen_objects::entry_bytes;
  out.tokens = tokens_.bytes();
  return out;
}

std::vector<session::family::part> lite_session::parts() const {
  std::vector<part> out;
  for (const auto& [id, s] : streams_) {
    const size_t bytes = s.in.size() + (s.group ? s.group->payload.size() : 0);
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

session_memory lite_session::memory() const {
  session_memory out;
  for (const auto& p : parts()) {
    out.streams += p.bytes;
    out.largest = std::max(out.largest, p.bytes);
  }
  out.streams -= out.largest;
  out.streams += streams_.size() * stream_charge;
  out.requests = (served_.size() + questions_.size() + listeners_.size()) * request_charge;
  for (const auto& [id, ns] : peer_offers_) out.requests += request_charge + ns.bytes();
  for (const auto& [id, r] : own_) out.objects += r.seen.size() * seen_objects::entry_bytes;
  return out;
}

} // namespace ec::moq
