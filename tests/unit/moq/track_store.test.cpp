#include "moq/track_store.hpp"

#include <doctest/doctest.h>

#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;
using base::errc;

namespace {

struct fixture {
  moq::track_store store;
  base::mono_time now{};
  moq::track* add(moq::track_config c = {}) { return store.add(track_name("t"), std::move(c), now).value(); }
  /// The code of a refused append; nothing if it was taken.
  std::optional<errc> put(moq::track& t, moq::object o) {
    const auto r = store.append(t, std::move(o), now);
    return r ? std::nullopt : std::optional(r.error().code);
  }
};

} // namespace

TEST_CASE("a published object never changes") {
  fixture f;
  auto& t = *f.add();
  CHECK_FALSE(f.put(t, test_object(1, 0)));
  CHECK(f.put(t, test_object(1, 0)) == errc::exists);
  auto other = test_object(1, 0);
  other.payload = base::bytes::copy("something else");
  CHECK(f.put(t, other) == errc::mismatch);
  CHECK(t.largest() == moq::location{1, 0});
}

TEST_CASE("what does not fit the order of a track is refused") {
  fixture f;
  auto& t = *f.add();
  CHECK_FALSE(f.put(t, test_object(1, 5)));
  CHECK(f.put(t, test_object(1, 4)) == errc::invalid_argument);
  CHECK(f.put(t, test_object(1, 6, 1)) == errc::invalid_argument);
  auto o = test_object(1, 6);
  o.priority = 3;
  CHECK(f.put(t, o) == errc::invalid_argument);
  o = test_object(1, 6);
  o.properties = base::bytes::adopt({0x10, 5});
  CHECK(f.put(t, o) == errc::invalid_argument);
  o = test_object(1, 6);
  o.payload = base::bytes::adopt(std::vector<uint8_t>(base::limits::moq_object_bytes_max + 1));
  CHECK(f.put(t, o) == errc::too_large);
  f.store.end_group(t, 1, f.now);
  CHECK(f.put(t, test_object(1, 6)) == errc::invalid_argument);
  f.store.end_track(t, moq::done_code::track_ended, "over", f.now);
  CHECK(f.put(t, test_object(2, 0)) == errc::closed);
  CHECK(f.store.add(track_name("t"), {}, f.now).error().code == errc::exists);
  CHECK(f.store.add(track_name("x", {".session"}), {}, f.now).error().code == errc::invalid_argument);
  CHECK(f.store.add(track_name("x", {""}), {}, f.now).error().code == errc::invalid_argument);
}

TEST_CASE("the cache keeps to its groups and its bytes, empty objects included") {
  fixture f;
  moq::track_config c;
  c.cache_groups_max = 4;
  c.cache_bytes_max = 10'000;
  auto& t = *f.add(c);
  for (uint64_t g = 0; g < 1000; ++g) {
    for (uint64_t i = 0; i < 5; ++i) {
      moq::object o;
      o.group = g;
      o.id = i;
      CHECK_FALSE(f.put(t, o));
    }
    CHECK(t.groups().size() <= 4);
    CHECK(t.cached_bytes() <= 10'000);
  }
  CHECK(t.evicted_through() == moq::location{995, 4});
  auto large = test_object(1000, 0);
  large.payload = base::bytes::adopt(std::vector<uint8_t>(9'000));
  CHECK_FALSE(f.put(t, large));
  CHECK(t.groups().size() == 1);
  CHECK(f.put(t, test_object(3, 9)) == errc::invalid_argument);
}

TEST_CASE("namespaces are counted: the last track takes its namespace along") {
  fixture f;
  auto& t = *f.add();
  auto& u = *f.store.add(track_name("u"), {}, f.now).value();
  f.store.announce({{"ec", "test"}}, f.now);
  CHECK(f.store.namespaces().size() == 1);
  f.store.remove(t, f.now);
  f.store.remove(u, f.now);
  CHECK(f.store.namespaces().size() == 1);
  f.store.withdraw({{"ec", "test"}}, f.now);
  CHECK(f.store.namespaces().empty());
  CHECK(f.store.find(track_name("t")) == nullptr);
}

TEST_CASE("a group that was reset and is whole after all is there for who fetches it, and no news for who is subscribed") {
  fixture f;
  auto& t = *f.add();
  struct listener final : moq::track_observer {
    std::vector<std::string> heard;
    void on_append(moq::track&, const moq::object& o, bool, base::mono_time) override { heard.push_back("append " + std::to_string(o.group)); }
    void on_end_subgroup(moq::track&, uint64_t, uint64_t, base::mono_time) override {}
    void on_end_group(moq::track&, uint64_t g, base::mono_time) override { heard.push_back("end " + std::to_string(g)); }
    void on_reset_group(moq::track&, uint64_t g, uint64_t, base::mono_time) override { heard.push_back("reset " + std::to_string(g)); }
    void on_end_track(moq::track&, uint64_t, std::string_view, base::mono_time) override {}
  } who;
  t.observe(who);
  CHECK_FALSE(f.put(t, test_object(1, 0)));
  f.store.restore_group(t, 1); // it is offered: nothing happens
  CHECK(f.put(t, test_object(1, 0)) == errc::exists);
  f.store.reset_group(t, 1, moq::reset_code::internal_error, f.now);
  CHECK(f.put(t, test_object(1, 1)) == errc::invalid_argument);
  f.store.restore_group(t, 1);
  for (uint64_t id = 0; id < 3; ++id) CHECK_FALSE(f.put(t, test_object(1, id)));
  f.store.end_group(t, 1, f.now);
  CHECK(t.groups().at(1).objects.size() == 3);
  CHECK(t.groups().at(1).ended);
  CHECK_FALSE(t.groups().at(1).was_reset);
  CHECK(f.put(t, test_object(1, 3)) == errc::invalid_argument);
  CHECK(who.heard == std::vector<std::string>{"append 1", "reset 1"});
  // Reset once more, it is over: its objects are forgotten, and who was told so is not told again.
  f.store.reset_group(t, 1, moq::reset_code::internal_error, f.now);
  CHECK(t.cached_bytes() == 0);
  CHECK(who.heard.size() == 2);
  f.store.restore_group(t, 7); // nobody knows it: it comes as any other
  CHECK_FALSE(f.put(t, test_object(7, 0)));
  CHECK(who.heard.back() == "append 7");
  t.forget(who);
}
