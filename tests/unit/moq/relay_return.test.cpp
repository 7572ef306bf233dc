// Publishers that vanish and come back: who is subscribed goes on in the same subscription.
#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

void put_group(relay_net& net, relay_joint& j, moq::track& t, uint64_t group) {
  net.put(j, t, test_object(group, 0));
  net.put(j, t, test_object(group, 1));
  net.end(j, t, group);
}

std::string group_of(uint64_t group) {
  const auto g = std::to_string(group);
  return "object 0 " + g + "/0; object 0 " + g + "/1; end 0 " + g + " whole";
}

/// A relay, a publisher there, and a subscriber to its track.
struct watched {
  relay_net net;
  relay_node& relay = net.add_relay();
  relay_joint& first = net.add_publisher(relay, "p");
  moq::track& one = first.publish("t", net.now);
  relay_joint& s = net.join(relay, "s");

  watched() {
    s.near->subscribe(track_name("t"), {});
    net.pump();
  }
};

} // namespace

TEST_CASE("a publisher that is back within seconds goes on in the same subscription, whatever version it speaks, also two relays away") {
  for (const std::string protocol : {"moqt-18", "moqt-16", "moq-lite-05", "moq-lite-04", "moq-lite-03"}) {
    CAPTURE(protocol);
    relay_net net;
    net.protocol = protocol;
    auto& root = net.add_relay();
    auto& leaf = net.add_relay();
    auto& first = net.add_publisher(root, "p");
    auto& one = first.publish("t", net.now);
    net.chain(leaf, root);
    net.protocol = "moqt-18";
    auto& s = net.join(leaf, "s");
    net.wait(200ms); // what is offered has come through
    s.near->subscribe(track_name("t"), {});
    net.wait(200ms);
    put_group(net, first, one, 1);
    const auto before = s.says.take();
    CHECK_MESSAGE(before.ends_with(group_of(1)), before);
    net.cut(first);
    net.wait(3s);
    net.protocol = protocol;
    auto& again = net.join(root, "p");
    auto& two = again.publish("t", net.now);
    again.near->publish_namespace(track_name("").ns);
    net.pump();
    net.wait(1s);
    put_group(net, again, two, 2);
    put_group(net, again, two, 3);
    net.wait(10s);
    CHECK(s.says.take() == group_of(2) + "; " + group_of(3));
    CHECK(root.relay.counters().publishers_resumed == 1);
    CHECK(leaf.relay.counters().publishers_lost == 0); // nothing of it is seen there
  }
}

TEST_CASE("a publisher that is back before the relay knows that it was gone takes over from itself") {
  watched w;
  auto& [net, relay, first, one, s] = w;
  put_group(net, first, one, 1);
  auto& again = net.join(relay, "p"); // the first session is silent: its time-out is to come
  auto& two = again.publish("t", net.now);
  again.near->publish_namespace(track_name("").ns);
  net.pump();
  put_group(net, again, two, 2);
  net.wait(1s);
  put_group(net, again, two, 3);
  net.cut(first);
  put_group(net, again, two, 4);
  net.wait(10s);
  const auto told = s.says.take();
  CHECK_MESSAGE(told.ends_with(group_of(4)), told);
  CHECK_MESSAGE(told.find("done") == std::string::npos, told);
  CHECK_MESSAGE(told.find("reset") == std::string::npos, told);
}

TEST_CASE("a publisher that has a track only after its offer is asked again, while another seems to give it") {
  watched w;
  auto& [net, relay, first, one, s] = w;
  put_group(net, first, one, 1);
  auto& again = net.add_publisher(relay, "p"); // the first session is silent: its time-out is to come
  const auto asked = relay.relay.counters().subscriptions_upstream;
  CHECK(asked == 2);
  net.wait(150ms);
  auto& two = again.publish("t", net.now);
  net.wait(300ms);
  CHECK(relay.relay.counters().subscriptions_upstream == 3);
  put_group(net, again, two, 2);
  CHECK(s.says.take().ends_with(group_of(1) + "; " + group_of(2)));
  net.cut(first);
  put_group(net, again, two, 3);
  CHECK(s.says.take() == group_of(3));
  CHECK(relay.relay.counters().publishers_lost == 0);
}

TEST_CASE("a publisher that never has a track is asked ever more rarely, and not once it has gone") {
  watched w;
  auto& net = w.net;
  auto& relay = w.relay;
  auto& other = net.add_publisher(relay, "other");
  net.wait(std::chrono::seconds(100));
  const auto asked = relay.relay.counters().subscriptions_upstream;
  CHECK(asked > 6);
  CHECK(asked < 14);
  net.cut(other);
  net.wait(std::chrono::seconds(100));
  CHECK(relay.relay.counters().subscriptions_upstream == asked);
}

TEST_CASE("a publisher that is back and begins its group again gives nothing twice") {
  watched w;
  auto& [net, relay, first, one, s] = w;
  net.put(first, one, test_object(1, 0));
  net.pump();
  net.cut(first);
  net.wait(2s);
  auto& again = net.join(relay, "p");
  auto& two = again.publish("t", net.now);
  again.near->publish_namespace(track_name("").ns);
  net.pump();
  put_group(net, again, two, 1); // both objects of the group of which one was given
  put_group(net, again, two, 2);
  CHECK(s.says.take() == "subscribed 0; object 0 1/0; object 0 1/1; end 0 1 whole; " + group_of(2));
  CHECK(relay.relay.counters().objects_duplicate == 1);
}
