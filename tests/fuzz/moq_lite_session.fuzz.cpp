// A whole moq-lite session, server or client, of any draft, fed with arrivals: role and draft, then records of (stream, flags, length, bytes).
// Flags: 1 FIN, 2 reset, 4 STOP_SENDING, 8 a datagram, 16 time passes, 32 our track grows.
#include <cstdint>
#include <cstdlib>

#include "base/byte_io.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"

namespace {

using namespace ec;

struct sink final : moq::lower_layer {
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

struct listener final : moq::upper_layer {
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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  sink below;
  listener above;
  moq::track_store store;
  base::mono_time now{};
  auto* t = store.add({{{"n"}}, "c"}, {}, now).value();
  moq::session_config config;
  config.role = data[0] & 1 ? moq::session_role::client : moq::session_role::server;
  config.protocol = data[0] & 2 ? "moq-lite-05" : data[0] & 4 ? "moq-lite-04" : "moq-lite-03";
  config.origin_id = 7;
  below.server = config.role == moq::session_role::server;
  moq::session s(config, below, above, &store);
  above.s = &s;
  s.on_connected(now);
  if (!below.server) {
    s.subscribe({{{"n"}}, "a"}, {});
    s.fetch({{{"n"}}, "a"}, {0, 0}, {9, 0}, {});
    s.subscribe_namespace({});
    s.publish_namespace({{"n"}});
    s.track_status({{{"n"}}, "a"});
  }
  base::byte_reader in({data + 1, size - 1});
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
      (void)store.append(*t, o, now);
      if (++grown % 3 == 0) store.end_group(*t, o.group, now);
      if (grown % 7 == 0) store.reset_group(*t, o.group, 1, now);
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
  store.end_track(*t, moq::done_code::track_ended, "over", now);
  store.remove(*t, now);
  s.on_tick(now + std::chrono::seconds(60));
  return 0;
}
