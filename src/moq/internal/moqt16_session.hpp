#pragma once

#include "moq/internal/control_mux.hpp"
#include "moq/internal/session_impl.hpp"

namespace ec::moq {

/// Put before the session that uses it.
struct muxed {
  control_mux mux_;
};

/// A session of draft 16: that of draft 18 above a `control_mux`, which has the messages.
class moqt16_session final : private muxed, public session::impl {
public:
  moqt16_session(session_config config, lower_layer& lower, upper_layer& upper, track_store* published);

  lower_layer& transport() override { return mux_.below(); }
  void on_connected(mono_time now) override;
  void on_handshake_done(mono_time now) override;
  void on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) override;
  void on_stream_reset(uint64_t stream, uint64_t code, mono_time now) override;
  void on_stop_sending(uint64_t stream, uint64_t code, mono_time now) override;
  void on_streams_available(mono_time now) override;
  void on_tick(mono_time now) override;
  std::optional<mono_time> deadline() const override;
  session_memory memory() const override;

private:
  void send(uint64_t stream, const message& m, bool fin) override;
  std::vector<part> parts() const override;
  void stop_part(uint64_t stream) override;
  void settle(mono_time now);
};

} // namespace ec::moq
