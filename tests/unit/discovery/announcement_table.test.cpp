#include "discovery/announcement_table.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "discovery/stream_listing.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using discovery::announcement;
using discovery::carrier_kind;
using discovery::verdict;

namespace {

const discovery::origin peer{carrier_kind::gossip, "198.51.100.1:5000"};

/// A table with its two clocks, which start at noon.
struct bench {
  discovery::announcement_table table;
  std::chrono::milliseconds passed{0};

  explicit bench(const discovery::table_limits& limits = {}) : table(limits) {}
  base::mono_time now() const { return base::mono_time{} + 1h + passed; }
  verdict push(const std::string& text, const discovery::origin& from = peer) {
    return table.push(base::as_span(text), from, noon + passed, now()).what;
  }
  size_t sources(const std::string& stream = wptv) const { return table.find(identity::stream_id::parse(stream).value()).size(); }
};

announcement later(announcement a, uint64_t sequence) {
  a.sequence = sequence;
  return a;
}

std::string channel(int n) {
  return "ec/stream/v1/broadcast/standard-atsc/tsid-" + std::to_string(n) + "/channel-7.1/profile-ts-v1/variant-main";
}

} // namespace

TEST_CASE("an announcement counts until its time is over") {
  bench b;
  CHECK(b.push(signed_by(1, draft(1))) == verdict::added);
  CHECK(b.sources() == 1);
  b.passed = 59'999ms;
  CHECK(b.table.expire(b.now()).empty());
  CHECK(b.sources() == 1);
  b.passed = 60s;
  REQUIRE(b.table.deadline() == b.now());
  const auto gone = b.table.expire(b.now());
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].what->stream_id.text() == wptv);
  CHECK(b.sources() == 0);
  CHECK(b.table.size() == 0);
  CHECK(b.push(signed_by(1, draft(1))) == verdict::expired);
}

TEST_CASE("two nodes that announce one broadcast are one stream with two sources") {
  bench b;
  // One knows more of the broadcast than the other, which has only the weaker name.
  auto strong = draft(1);
  strong.aliases = {"ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1"};
  const std::string weak = "ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main";
  CHECK(b.push(signed_by(1, strong)) == verdict::added);
  auto other = strong;
  other.signer = key_of(2).public_key();
  other.transports = draft(2).transports;
  CHECK(b.push(signed_by(2, other)) == verdict::added);
  CHECK(b.push(signed_by(3, draft(3, weak))) == verdict::added);
  CHECK(b.push(signed_by(4, draft(4, channel(9)))) == verdict::added);
  const auto streams = discovery::list_streams(b.table.all());
  REQUIRE(streams.size() == 2);
  const auto& both = streams[0].names.size() == 2 ? streams[0] : streams[1];
  CHECK(both.names == std::vector<std::string>{wptv, weak});
  CHECK(both.sources.size() == 3);
  // Asked for by either name; who calls it so stands first.
  const auto found = b.table.find(identity::stream_id::parse(weak).value());
  REQUIRE(found.size() == 3);
  CHECK(found[0].what->stream_id.text() == weak);
  CHECK(b.sources() == 3);
  CHECK(b.sources(channel(9)) == 1);
  // The profile is part of the name: what is made of the broadcast in another way is another stream.
  CHECK(b.sources("ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv/profile-ts-v2/variant-main") == 0);
}

TEST_CASE("a newer word of a source takes the place of its older one, whatever order they come in") {
  bench b;
  auto moved = later(draft(1), 5);
  moved.transports = {discovery::direct_transport{"203.0.113.9:4443", "moqt-18", {}}};
  CHECK(b.push(signed_by(1, later(draft(1), 4))) == verdict::added);
  CHECK(b.push(signed_by(1, moved)) == verdict::renewed);
  CHECK(b.push(signed_by(1, later(draft(1), 4))) == verdict::replayed);
  CHECK(b.push(signed_by(1, moved)) == verdict::duplicate);
  REQUIRE(b.sources() == 1);
  CHECK(discovery::full_address(b.table.all()[0].what->transports[0]).starts_with("moqt://203.0.113.9:4443"));
}

TEST_CASE("a source that says it is gone is gone, and its older words do not bring it back") {
  bench b;
  CHECK(b.push(signed_by(1, draft(1))) == verdict::added);
  auto end = later(draft(1), 2);
  end.transports.clear();
  CHECK(b.push(signed_by(1, end)) == verdict::withdrawn);
  CHECK(b.sources() == 0);
  CHECK(b.push(signed_by(1, draft(1))) == verdict::replayed);
  CHECK(b.table.expire(b.now()).empty());
  b.passed = 60s;
  CHECK(b.table.expire(b.now()).empty()); // nobody is told again
  CHECK(b.table.size() == 0);
  CHECK(b.push(signed_by(1, later([] { auto a = draft(1); a.updated_unix_ms += 60'000; return a; }(), 3))) == verdict::added);
}

TEST_CASE("a signer whose clock is ahead gains no time by it, and one too far ahead is refused") {
  bench b;
  auto ahead = draft(1);
  ahead.updated_unix_ms += 100'000;
  const auto text = signed_by(1, ahead);
  CHECK(b.push(text) == verdict::added);
  b.passed = 60s;
  CHECK(b.table.expire(b.now()).size() == 1);
  CHECK(b.sources() == 0);
  CHECK(b.push(text) == verdict::duplicate); // its bytes are in date for another 100 s
  CHECK(b.sources() == 0);
  b.passed = 160s;
  b.table.expire(b.now());
  CHECK(b.table.size() == 0);
  CHECK(b.push(text) == verdict::expired);
  auto far = draft(2);
  far.updated_unix_ms += 160'000 + 120'001;
  CHECK(b.push(signed_by(2, far)) == verdict::from_future);
}

TEST_CASE("a signer that says two things under one sequence is caught, and only the signer can do it") {
  bench b;
  CHECK(b.push(signed_by(1, draft(1))) == verdict::added);
  auto other = draft(1);
  other.manifests = true;
  CHECK(b.push(signed_by(2, other)) == verdict::bad_signature);
  CHECK(b.push(signed_by(1, other)) == verdict::equivocation);
  REQUIRE(b.sources() == 1);
  CHECK_FALSE(b.table.all()[0].what->manifests); // the first stays
  // On another stream, or of another of his nodes, a sequence is another.
  CHECK(b.push(signed_by(1, draft(1, channel(2)))) == verdict::added);
  auto cellar = draft(1);
  cellar.source_node = "cellar";
  CHECK(b.push(signed_by(1, cellar)) == verdict::added);
}

TEST_CASE("a thousand forged announcements a second cost a few signatures, and an honest one passes at once") {
  bench b;
  auto forged = draft(1);
  for (int i = 0; i < 60'000; ++i) {
    b.passed = std::chrono::milliseconds(i);
    if (i % 100 == 0) forged.stream_id = identity::stream_id::parse(channel(i / 100)).value();
    forged.sequence = static_cast<uint64_t>(i) + 1;
    forged.updated_unix_ms = noon_ms + static_cast<uint64_t>(i);
    b.push(discovery::encode(forged)); // with no signature
    if (i == 30'000) {
      auto honest = draft(1);
      honest.updated_unix_ms = noon_ms + 30'000;
      CHECK(b.push(signed_by(1, honest), {carrier_kind::gossip, "198.51.100.2:5000"}) == verdict::added);
    }
  }
  // 256 at once, 16 a second then, and each that was looked at counts for eight.
  CHECK(b.table.signatures_checked() <= 1 + 256 + 16 * 60 / 8 + 8);
  CHECK(b.table.count(verdict::bad_signature) == b.table.signatures_checked() - 1);
  CHECK(b.table.count(verdict::over_address_rate) + b.table.count(verdict::bad_signature) == 60'000);
  CHECK(b.table.size() == 1);
}

TEST_CASE("forged announcements from everywhere are bounded too, and use up nothing of the one they name") {
  bench b;
  std::vector<std::string> forged;
  for (int i = 0; i < 50; ++i) forged.push_back(discovery::encode(later(draft(1, channel(i)), 7)));
  for (size_t i = 0; i < 5'200; ++i) b.push(forged[i % 50], {carrier_kind::gossip, "[2001:db8:" + std::to_string(i % 5000) + "::1]:5000"});
  CHECK(b.table.signatures_checked() <= 4096);
  CHECK(b.table.count(verdict::over_check_rate) > 0);
  CHECK(b.table.count(verdict::over_address_rate) > 0); // of more than 4,096 addresses none is followed
  CHECK(b.table.count(verdict::over_key_rate) == 0);
  CHECK(b.table.size() == 0);
  // While strangers come in such numbers another stranger has to wait, and no longer than they go on.
  CHECK(b.push(signed_by(1, draft(1))) == verdict::over_address_rate);
  b.passed = 1s;
  CHECK(b.push(signed_by(1, draft(1))) == verdict::added);
}

TEST_CASE("one key, one address, one stream have their bounds, which cost no signature") {
  discovery::table_limits few{.announcements = 100, .per_key = 3, .per_address = 5, .per_stream = 4};
  bench b(few);
  for (int i = 0; i < 3; ++i) CHECK(b.push(signed_by(1, draft(1, channel(i)))) == verdict::added);
  const auto checked = b.table.signatures_checked();
  CHECK(b.push(signed_by(1, draft(1, channel(3)))) == verdict::full_key);
  for (int i = 0; i < 2; ++i) CHECK(b.push(signed_by(2, draft(2, channel(i)))) == verdict::added);
  CHECK(b.push(signed_by(3, draft(3))) == verdict::full_address);
  for (uint32_t i = 3; i < 7; ++i) CHECK(b.push(signed_by(i, draft(i)), {carrier_kind::gossip, "192.0.2." + std::to_string(i) + ":1"}) == verdict::added);
  CHECK(b.push(signed_by(8, draft(8)), {carrier_kind::gossip, "192.0.2.8:1"}) == verdict::full_stream);
  CHECK(b.table.signatures_checked() == checked + 6);
  // Who is known may always say something newer.
  CHECK(b.push(signed_by(1, later(draft(1, channel(0)), 2))) == verdict::renewed);
}

TEST_CASE("one key may not talk without end, and only its own words count against it") {
  bench b;
  size_t over = 0;
  for (uint64_t i = 1; i <= 600; ++i) {
    const auto from = discovery::origin{carrier_kind::gossip, "192.0.2." + std::to_string(i % 200) + ":1"};
    if (b.push(signed_by(1, later(draft(1), i)), from) == verdict::over_key_rate) ++over;
  }
  CHECK(over == 600 - 512);
  CHECK(b.push(signed_by(2, draft(2))) == verdict::added);
}

TEST_CASE("in a full table who brought the most makes room, never the others") {
  discovery::table_limits few{.announcements = 10, .per_key = 100, .per_address = 100, .per_stream = 100};
  bench b(few);
  const discovery::origin flood{carrier_kind::gossip, "192.0.2.66:1"};
  CHECK(b.push(signed_by(1, draft(1))) == verdict::added);
  for (uint32_t i = 0; i < 9; ++i) CHECK(b.push(signed_by(10 + i, draft(10 + i, channel(static_cast<int>(i)))), flood) == verdict::added);
  const auto checked = b.table.signatures_checked();
  CHECK(b.push(signed_by(30, draft(30, channel(30))), flood) == verdict::full);
  CHECK(b.table.signatures_checked() == checked);
  CHECK(b.push(signed_by(2, draft(2)), {carrier_kind::gossip, "192.0.2.2:1"}) == verdict::added);
  CHECK(b.table.crowded_out() == 1);
  CHECK(b.table.size() == 10);
  CHECK(b.sources() == 2);
}

TEST_CASE("an address counts with its neighbours where one owner has them all") {
  CHECK(discovery::neighbourhood("192.0.2.7:4443") == "192.0.2.7");
  CHECK(discovery::neighbourhood("[2001:db8:1:2:3:4:5:6]:1") == discovery::neighbourhood("[2001:db8:1:2::9]:2"));
  CHECK(discovery::neighbourhood("[2001:db8:1:2::1]:1") != discovery::neighbourhood("[2001:db8:1:3::1]:1"));
  CHECK(discovery::neighbourhood("[2001:db8::1]:1") == discovery::neighbourhood("[2001:db8:0:0:7::1]:1"));
  CHECK(discovery::neighbourhood("[::1]:1") == ":");
}

TEST_CASE("every verdict has a name of its own") {
  std::set<std::string_view> names;
  for (size_t i = 0; i < discovery::verdicts; ++i) names.insert(discovery::name(static_cast<verdict>(i)));
  CHECK(names.size() == discovery::verdicts);
}
