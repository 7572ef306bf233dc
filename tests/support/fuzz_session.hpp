#pragma once

#include <cstdint>
#include <span>

#include "base/byte_io.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"

/// What the fuzz targets of sessions share: both layers, and how records become arrivals.
namespace ec::test {

/// Takes whatever is sent; some of its streams are slow, and it has not many.
struct fuzz_sink final : moq::lower_layer {
  uint64_t unis = 0, bidis = 0;
  bool server = false;
  std::optional<uint64_t> open_uni() override {
    if (unis > 200) return std::nullopt;
    return 4 * unis++ + 2 + (server ? 1 : 0);
  }
  std::optional<uint64_t> open_bidi() override {
    if (bidis > 50) return std::nullopt;
    return 4 * bidis++ + (server ? 1 : 0);
  }
  void write(uint64_t, base::bytes, bool) override {}
  void set_priority(uint64_t, uint64_t) override {}
  void reset(uint64_t, uint64_t) override {}
  void stop_sending(uint64_t, uint64_t) override {}
  size_t unsent(uint64_t stream) const override { return stream % 3 == 0 ? 5'000'000 : 0; }
  void close(uint64_t, std::string_view) override {}
};

/// Answers, and calls the session from within.
struct fuzz_listener : moq::upper_layer {
  moq::session* s = nullptr;
  unsigned calls = 0;
  std::optional<moq::request_error> on_publish_namespace(moq::request_id id, const moq::track_namespace&) override {
    if (++calls % 3 == 0) s->revoke_namespace(id);
    return std::nullopt;
  }
  void on_object(moq::request_id id, const moq::object&) override {
    if (++calls % 5 == 0) s->unsubscribe(id);
  }
  std::optional<moq::request_error> on_authorize(moq::request_id, const moq::authorization&) override {
    if (++calls % 7 != 0) return std::nullopt;
    return moq::request_error{.code = moq::request_code::unauthorized, .retry_after_ms = {}, .reason = "no", .to = {}};
  }
  void on_subscribe_ok(moq::request_id id, const moq::subscribe_ok&) override {
    s->joining_fetch_relative(id, 1, {});
    s->update(id, {});
  }
};

/// Feeds records of (stream, flags, length, bytes) to a session that serves `t`. Flags: 1 FIN, 2 reset, 4 STOP_SENDING, 8 a datagram, 16 time
/// passes, 32 the track grows; `breaks_off`: each seventh object ends its group so.
inline void feed_records(moq::session& s, std::span<const uint8_t> records, moq::track_store& store, moq::track& t, base::mono_time& now, bool breaks_off) {
  base::byte_reader in(records);
  uint64_t grown = 0;
  while (!in.done() && !s.closed()) {
    const auto stream = in.u8();
    const auto flags = in.u8();
    const auto length = in.u8();
    if (!length) break;
    const auto part = in.take(std::min<uint64_t>(*length, in.left()));
    if (*flags & 16) {
      now += std::chrono::milliseconds(*length);
      s.on_tick(now);
      s.on_streams_available(now);
    }
    if (*flags & 32) {
      moq::object o;
      o.group = grown / 3;
      o.id = grown % 3;
      o.payload = base::bytes::copy(*part);
      (void)store.append(t, o, now);
      if (++grown % 3 == 0) store.end_group(t, o.group, now);
      if (breaks_off && grown % 7 == 0) store.reset_group(t, o.group, 1, now);
    }
    if (*flags & 8) {
      s.on_datagram(base::bytes::copy(*part), now);
    } else {
      s.on_stream_data(*stream, base::bytes::copy(*part), *flags & 1, now);
    }
    if (*flags & 2) s.on_stream_reset(*stream, *flags, now);
    if (*flags & 4) s.on_stop_sending(*stream, *flags, now);
    (void)s.deadline();
  }
}

} // namespace ec::test
