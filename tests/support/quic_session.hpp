#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "moq/session.hpp"
#include "quic/endpoint.hpp"

namespace ec::test {

/// One MoQ session upon one QUIC connection, without actors: `now` tells the time. It outlives its connection.
class quic_session final : public quic::connection_events, public moq::lower_layer {
public:
  quic_session(std::function<base::mono_time()> now, moq::session_config config, moq::upper_layer& upper, moq::track_store* store) :
    session(std::move(config), *this, upper, store), now_(std::move(now)) {}

  quic::connection* c = nullptr;
  moq::session session;
  bool over = false; ///< the connection is
  quic::close_reason why{};

  void tick() {
    if (const auto due = session.deadline(); due && *due <= now_()) session.on_tick(now_());
  }

  // quic::connection_events
  void on_connected(std::string_view protocol, const quic::socket_address&) override {
    session.use(protocol);
    session.on_connected(now_());
  }
  void on_stream_data(uint64_t id, base::bytes data, bool fin) override {
    const auto size = data.size();
    session.on_stream_data(id, std::move(data), fin, now_());
    if (c) c->consumed(id, size);
  }
  void on_stream_reset(uint64_t id, uint64_t code) override { session.on_stream_reset(id, code, now_()); }
  void on_stop_sending(uint64_t id, uint64_t code) override { session.on_stop_sending(id, code, now_()); }
  void on_streams_available() override { session.on_streams_available(now_()); }
  void on_closed(const quic::close_reason& reason) override {
    c = nullptr;
    over = true;
    why = reason;
    session.on_transport_closed(reason.code, reason.text, now_());
  }

  // moq::lower_layer
  std::optional<uint64_t> open_uni() override { return c ? c->open_uni() : std::nullopt; }
  std::optional<uint64_t> open_bidi() override { return c ? c->open_bidi() : std::nullopt; }
  void write(uint64_t id, base::bytes data, bool fin) override {
    if (c) c->write(id, std::move(data), fin);
  }
  void set_priority(uint64_t id, uint64_t urgency) override {
    if (c) c->set_priority(id, urgency);
  }
  void reset(uint64_t id, uint64_t code) override {
    if (c) c->reset(id, code);
  }
  void stop_sending(uint64_t id, uint64_t code) override {
    if (c) c->stop_sending(id, code);
  }
  size_t unsent(uint64_t id) const override { return c ? c->unsent(id) : 0; }
  void close(uint64_t code, std::string_view reason) override {
    if (c) c->close(code, reason);
  }

private:
  std::function<base::mono_time()> now_;
};

} // namespace ec::test
