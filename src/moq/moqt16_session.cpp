#include "moq/internal/moqt16_session.hpp"

namespace ec::moq {

moqt16_session::moqt16_session(session_config config, lower_layer& lower, upper_layer& upper, track_store* published) :
  muxed{control_mux(lower, config.role, config.requests_max)}, impl(std::move(config), mux_, upper, published, moqt16_objects()) {}

void moqt16_session::send(uint64_t stream, const message& m, bool fin) {
  if (!closed_) mux_.send(stream, m, fin);
}

void moqt16_session::on_connected(mono_time now) {
  impl::on_connected(now);
  settle(now);
}

void moqt16_session::on_handshake_done(mono_time now) {
  impl::on_handshake_done(now);
  settle(now);
}

void moqt16_session::on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) {
  if (closed_) return;
  if (stream & 2) {
    if (auto passed = mux_.pass_uni(stream, std::move(data), fin)) impl::on_stream_data(stream, std::move(*passed), fin, now);
  } else {
    mux_.on_bidi_data(stream, std::move(data), fin);
  }
  settle(now);
}

void moqt16_session::on_stream_reset(uint64_t stream, uint64_t code, mono_time now) {
  if (closed_) return;
  if (stream & 2) {
    mux_.forget_uni(stream);
    impl::on_stream_reset(stream, control_mux::code_in(code), now);
  } else {
    mux_.on_bidi_reset(stream);
  }
  settle(now);
}

void moqt16_session::on_stop_sending(uint64_t stream, uint64_t code, mono_time now) {
  if (closed_) return;
  if (stream & 2) impl::on_stop_sending(stream, control_mux::code_in(code), now);
  else mux_.on_bidi_stop(stream, control_mux::code_in(code));
  settle(now);
}

void moqt16_session::on_streams_available(mono_time now) {
  if (closed_) return;
  mux_.on_streams_available();
  impl::on_streams_available(now);
  settle(now);
}

void moqt16_session::on_tick(mono_time now) {
  settle(now);
  impl::on_tick(now);
  settle(now);
}

/// What the session was told from above or by its store may have left something for it to take.
std::optional<mono_time> moqt16_session::deadline() const {
  return !closed_ && (mux_.waiting() || mux_.broken()) ? now_ : impl::deadline();
}

session_memory moqt16_session::memory() const {
  auto out = impl::memory();
  out.requests += mux_.table_bytes();
  out.streams += mux_.held_bytes();
  return out;
}

std::vector<session::family::part> moqt16_session::parts() const {
  auto out = impl::parts();
  for (const auto& [stream, bytes] : mux_.parts()) out.push_back({stream, bytes});
  return out;
}

void moqt16_session::stop_part(uint64_t stream) {
  if (stream & 2) return impl::stop_part(stream);
  mux_.stop_part(stream);
  settle(now_);
}

void moqt16_session::settle(mono_time now) {
  while (!closed_) {
    if (const auto a = mux_.next()) {
      now_ = now;
      switch (a->what) {
      case control_mux::arrival::kind::control: take_control(a->body); break;
      case control_mux::arrival::kind::message: take_message(a->stream, a->body, a->bytes); break;
      case control_mux::arrival::kind::fin: impl::on_stream_data(a->stream, {}, true, now); break;
      case control_mux::arrival::kind::reset: impl::on_stream_reset(a->stream, reset_code::cancelled, now); break;
      }
    } else if (mux_.broken()) {
      return close(mux_.broken()->code, mux_.broken()->reason);
    } else if (mux_.more_requests()) {
      impl::on_streams_available(now);
    } else {
      return;
    }
  }
}

} // namespace ec::moq
