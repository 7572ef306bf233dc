#include "quic/internal/send_queue.hpp"

#include <doctest/doctest.h>

#include <memory>

#include "quic/internal/batcher.hpp"

using ec::base::bytes;
using namespace ec::quic::internal;

TEST_CASE("a send queue gathers from where it is, and releases what is acknowledged") {
  send_queue q;
  auto owner = std::make_shared<std::vector<uint8_t>>(std::initializer_list<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  q.push(bytes::share(owner, std::span(*owner).subspan(0, 4)), false);
  q.push(bytes::share(owner, std::span(*owner).subspan(4, 6)), true);
  CHECK(owner.use_count() == 3);
  std::span<const uint8_t> parts[4];
  bool last = false;
  CHECK(q.gather(parts, last) == 2);
  CHECK(last);
  q.sent(6, false);
  CHECK(q.gather(parts, last) == 1);
  CHECK(parts[0].size() == 4);
  CHECK(parts[0][0] == 6);
  CHECK(q.unsent() == 4);
  CHECK(q.unacked() == 6);
  CHECK(q.acked(4) == 4);
  CHECK(owner.use_count() == 2);
  q.sent(4, true);
  CHECK_FALSE(q.sendable());
  CHECK(q.acked(10) == 6);
  CHECK(owner.use_count() == 1);
}

TEST_CASE("dropping the unsent keeps what was sent until it is acknowledged") {
  send_queue q;
  q.push(bytes::adopt({1, 2, 3, 4}), false);
  q.push(bytes::adopt({5, 6}), true);
  q.sent(3, false);
  CHECK(q.drop_unsent() == 3);
  CHECK(q.unsent() == 0);
  CHECK(q.unacked() == 3);
  CHECK_FALSE(q.sendable());
  CHECK(q.acked(3) == 3);
}

TEST_CASE("the gather of few parts says that the end is not reached") {
  send_queue q;
  for (uint8_t i = 0; i < 5; ++i) q.push(bytes::adopt({i}), i == 4);
  std::span<const uint8_t> parts[2];
  bool last = true;
  CHECK(q.gather(parts, last) == 2);
  CHECK_FALSE(last);
}

TEST_CASE("the schedule is strict between urgencies and fair among equals") {
  send_schedule s;
  send_turn a{5, 0, 1, false};
  send_turn b{5, 0, 2, false};
  send_turn c{1, 0, 3, false};
  s.add(a);
  s.add(b);
  CHECK(s.front() == &a);
  s.rotate(a);
  CHECK(s.front() == &b);
  s.rotate(b);
  CHECK(s.front() == &a);
  s.add(c);
  CHECK(s.front() == &c);
  s.set_urgency(c, 9);
  CHECK(s.front() == &a);
  s.remove(a);
  s.remove(b);
  CHECK(s.front() == &c);
  s.remove(c);
  CHECK(s.empty());
}

namespace {
struct recorder final : ec::quic::udp_port {
  std::vector<ec::quic::udp_batch> batches;
  size_t room = 100;
  ec::quic::udp_counters counted;
  int fd() const override { return -1; }
  ec::quic::socket_address local() const override { return {}; }
  size_t send(std::span<const ec::quic::udp_batch> b, ec::base::mono_time) override {
    const size_t taken = std::min(room, b.size());
    batches.insert(batches.end(), b.begin(), b.begin() + static_cast<ptrdiff_t>(taken));
    return taken;
  }
  std::span<const ec::quic::udp_arrival> receive() override { return {}; }
  std::optional<ec::quic::udp_unreachable> next_unreachable() override { return std::nullopt; }
  const ec::quic::udp_counters& counters() const override { return counted; }
};
} // namespace

TEST_CASE("packets of one size share a message; a shorter one ends it, a larger one, another ECN or peer begins a new one") {
  send_batcher b;
  recorder port;
  const auto one = ec::quic::socket_address::parse("10.0.0.1:1").value();
  const auto two = ec::quic::socket_address::parse("10.0.0.2:1").value();
  const auto add = [&](const ec::quic::socket_address& to, uint8_t ecn, size_t size) {
    REQUIRE_FALSE(b.space(1500).empty());
    b.add({}, to, ecn, size);
  };
  add(one, 0, 1200);
  add(one, 0, 1200);
  add(one, 0, 300);  // the last of its message
  add(one, 0, 300);
  add(one, 0, 1400); // a probe: larger
  add(one, 1, 1400);
  add(two, 1, 1400);
  port.room = 2;
  CHECK_FALSE(b.flush(port, {}));
  port.room = 100;
  CHECK(b.flush(port, {}));
  REQUIRE(port.batches.size() == 5);
  CHECK(port.batches[0].bytes.size() == 2700);
  CHECK(port.batches[0].segment == 1200);
  CHECK(port.batches[1].bytes.size() == 300);
  CHECK(port.batches[2].segment == 1400);
  CHECK(port.batches[3].ecn == 1);
  CHECK(port.batches[4].remote == two);
  CHECK(b.empty());
}
