// A whole moq-lite session, server or client, of any draft, fed with arrivals: role and draft, then records.
#include "tests/support/fuzz_session.hpp"

using namespace ec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  test::fuzz_sink below;
  test::fuzz_listener above;
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
  test::feed_records(s, {data + 1, size - 1}, store, *t, now, true);
  store.end_track(*t, moq::done_code::track_ended, "over", now);
  store.remove(*t, now);
  s.on_tick(now + std::chrono::seconds(60));
  return 0;
}
