// A whole MoQ session of draft 18 or 16, server or client, fed with arrivals: role and draft, then records.
#include "tests/support/fuzz_session.hpp"

using namespace ec;

namespace {

struct listener final : test::fuzz_listener {
  moq::publish_answer on_publish(moq::request_id id, const moq::publish&) override {
    switch (++calls % 4) {
    case 0: return moq::request_error{.code = moq::request_code::uninterested, .retry_after_ms = {}, .reason = "no", .to = {}};
    case 1: s->unsubscribe(id); break;
    default: break;
    }
    return moq::publish_accept{};
  }
  void on_request_ok(moq::request_id id, const moq::request_ok&) override {
    if (++calls % 2 == 0) s->update_prefix(id, {{"n"}});
  }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  test::fuzz_sink below;
  listener above;
  moq::track_store store;
  base::mono_time now{};
  auto* t = store.add({{{"n"}}, "c"}, {}, now).value();
  moq::session_config config;
  config.role = data[0] & 1 ? moq::session_role::client : moq::session_role::server;
  if (data[0] & 2) config.protocol = "moqt-16";
  config.takes_publish = true;
  config.auth_token_cache_bytes = 64;
  config.request_tokens = {{.kind = moq::auth_token::alias_type::use_value, .alias = 0, .type = 0, .value = "t"}};
  below.server = config.role == moq::session_role::server;
  moq::session s(config, below, above, &store);
  above.s = &s;
  s.on_connected(now);
  if (!below.server) {
    s.subscribe({{{"n"}}, "a"}, {});
    s.fetch({{{"n"}}, "a"}, {0, 0}, {9, 0}, {});
    s.subscribe_namespace({});
    s.publish_namespace({{"n"}});
    s.publish({{{"n"}}, "c"}, {});
    s.subscribe_tracks({{"n"}}, true);
    s.track_status({{{"n"}}, "a"});
  }
  test::feed_records(s, {data + 1, size - 1}, store, *t, now, false);
  store.end_track(*t, moq::done_code::track_ended, "over", now);
  return 0;
}
