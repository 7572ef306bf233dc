// An end that waits for what was said last.
#include <algorithm>

#include "quic/internal/connection.hpp"

namespace ec::quic::internal {
namespace {

/// A browser reads when its page has time to: three probe time-outs of a short path are sooner over.
constexpr std::chrono::seconds wait_min{1};

} // namespace

void connection_impl::close_after(uint64_t id, uint64_t app_code, std::string_view reason) {
  if (state_ != state::open || !find(id)) return close(app_code, reason);
  last_words_ = {id, app_code, std::string(reason), std::nullopt};
  host_.wake(*this);
}

bool connection_impl::last_words_said(base::mono_time now) {
  if (!last_words_) return false;
  if (!last_words_->until) last_words_->until = now + std::max<base::mono_duration>(close_period(), wait_min);
  const auto* s = find(last_words_->stream);
  // An acknowledgement comes from the peer's QUIC; that whoever uses it read the words too, only its own end of the stream says. A browser's
  // page has not even then: its network process answers, and tells the page later. But a client ends its connection by itself.
  const bool cut = s && (s->reset_sent || s->stopped || s->reset_received);
  const bool heard = cut || ((!s || s->closed) && !server_);
  if (!heard && now < *last_words_->until) return false;
  const auto words = *std::exchange(last_words_, std::nullopt);
  close(words.code, words.text);
  return true;
}

} // namespace ec::quic::internal
