#pragma once

#include <doctest/doctest.h>

#include <utility>

#include "tests/support/moq_link.hpp"

namespace ec::test {

/// Two sessions joined in memory, of which the server serves one track, "chunks".
struct track_link : moq_link {
  moq::track* t = nullptr;
  explicit track_link(moq::track_config config = {}, moq::session_config client_config = {}, moq::session_config server_config = {}) :
    moq_link(std::move(client_config), std::move(server_config)) {
    t = server_tracks.add(track_name("chunks"), std::move(config), now).value();
    start();
  }
  void put(uint64_t group, uint64_t id, uint64_t subgroup = 0) {
    REQUIRE(server_tracks.append(*t, test_object(group, id, subgroup), now).has_value());
  }
  /// Groups `from` to `to` with two objects each, all ended but the last if `open`.
  void groups(uint64_t from, uint64_t to, bool open = false) {
    for (uint64_t g = from; g <= to; ++g) {
      put(g, 0);
      put(g, 1);
      if (!open || g < to) server_tracks.end_group(*t, g, now);
    }
  }
  moq::request_id subscribe(moq::subscribe_options o = {}) {
    const auto id = client->subscribe(track_name("chunks"), o);
    pump();
    return id;
  }
};

inline moq::subscribe_options filtered(moq::subscription_filter::kind type, moq::location start = {}, uint64_t end = 0) {
  moq::subscribe_options o;
  o.filter = {type, start, end};
  return o;
}

} // namespace ec::test
