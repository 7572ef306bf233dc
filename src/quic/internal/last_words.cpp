// An end that waits for what was said last.
#include "quic/internal/connection.hpp"

namespace ec::quic::internal {

void connection_impl::close_after(uint64_t id, uint64_t app_code, std::string_view reason) {
  if (state_ != state::open) return close(app_code, reason);
  last_words_ = {id, app_code, std::string(reason), std::nullopt};
  host_.wake(*this);
}

bool connection_impl::last_words_said(base::mono_time now) {
  if (!last_words_) return false;
  if (!last_words_->until) last_words_->until = now + close_period();
  const auto* s = find(last_words_->stream);
  const bool heard = !s || s->closed || s->reset_sent || s->stopped || (s->out.unsent() == 0 && s->out.unacked() == 0);
  if (!heard && now < *last_words_->until) return false;
  const auto words = *std::exchange(last_words_, std::nullopt);
  close(words.code, words.text);
  return true;
}

} // namespace ec::quic::internal
