#include "manifest/subscriber_state.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "manifest/verifier.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec;
using namespace ec::manifest;
using namespace ec::test;
using base::errc;

namespace {

crypto::verifying_key pub(uint8_t n) {
  return key(n).public_key();
}

key_statement rotate(uint8_t from, uint8_t to) {
  return rotation(key(from), key(to), at(0));
}

key_statement revoke(uint8_t n) {
  return revocation(key(n), at(0));
}

trust_set naming(std::initializer_list<uint8_t> numbers) {
  trust_set t;
  for (const auto n : numbers) REQUIRE(t.add(pub(n)).has_value());
  return t;
}

/// What comes out of a process that trusted `t`, in the next one that is told to trust `named`.
trust_set restarted(const trust_set& t, trust_set named) {
  const auto read = decode_subscriber_state(encode(verifier(stream, t).state()));
  REQUIRE(read.has_value());
  named.recall(read.value().statements);
  return named;
}

} // namespace

TEST_CASE("what was followed before a restart holds after it") {
  auto t = naming({1, 4});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(rotate(2, 3)).has_value());
  REQUIRE(t.follow(revoke(4)).has_value());
  const auto after = restarted(t, naming({1, 4}));
  CHECK(after.trusts(pub(3)));
  CHECK(after.revoked(pub(4)));
  CHECK_FALSE(after.trusts(pub(4)));
  CHECK(after.owners() == 1);
  CHECK(after.followed() == t.followed());
  // And after one more, which learned nothing itself.
  CHECK(restarted(after, naming({1, 4})).trusts(pub(3)));
}

TEST_CASE("a successor that was revoked stays revoked after a restart, and so do the keys that it named") {
  auto t = naming({1, 9});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(rotate(2, 3)).has_value());
  REQUIRE(t.follow(revoke(2)).has_value());
  const auto after = restarted(t, naming({1, 9}));
  CHECK(after.trusts(pub(1)));
  CHECK_FALSE(after.trusts(pub(2)));
  CHECK_FALSE(after.trusts(pub(3)));
  // The first successor that was followed stays the only one.
  auto again = after;
  CHECK(again.follow(rotate(1, 5)).error().code == errc::refused);
}

TEST_CASE("a revocation outlives that its key is not named, so that it is not trusted on first use") {
  auto t = naming({1});
  REQUIRE(t.follow(revoke(1)).has_value());
  auto first = restarted(t, trust_set::first_use());
  CHECK(first.revoked(pub(1)));
  verifier v(stream, first);
  const auto refused = v.accept(forge(1, epoch(5), 10), at(0));
  CHECK_FALSE(refused.accepted.has_value());
  REQUIRE(refused.refusals.size() == 1);
  CHECK(refused.refusals[0].why == refusal_reason::key_revoked);
  CHECK(restarted(first, naming({1})).revoked(pub(1)));
}

TEST_CASE("a successor is not trusted for what was followed when the operator names its predecessor no more") {
  auto t = naming({1, 7});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  const auto after = restarted(t, naming({7}));
  CHECK_FALSE(after.trusts(pub(2)));
  CHECK(after.followed().empty());
}

TEST_CASE("a state file has a format, and nobody can write a statement into it that its key did not sign") {
  subscriber_state s{stream, {rotate(1, 2), revoke(3)}};
  const auto text = encode(s);
  REQUIRE(decode_subscriber_state(text).has_value());
  CHECK(decode_subscriber_state(text).value() == s);
  const auto changed = [&](const std::string& from, const std::string& to) {
    auto t = text;
    REQUIRE(t.find(from) != t.npos);
    return decode_subscriber_state(t.replace(t.find(from), from.size(), to)).error().code;
  };
  CHECK(changed(pub(3).to_string(), pub(4).to_string()) == errc::mismatch);
  CHECK(changed("\"stream_id\"", "\"stream\"") == errc::malformed);
  CHECK(changed("\"statements\"", "\"x\"") == errc::malformed);
  CHECK(changed("],\"stream_id\":\"" + stream + "\",\"version\":1", "],\"stream_id\":\"" + stream + "\",\"version\":2") == errc::unsupported);
  CHECK(decode_subscriber_state("[]").error().code == errc::malformed);
  CHECK(decode_subscriber_state({}).has_value() == false);
}

TEST_CASE("two subscribers of one stream that share a folder lose nothing of each other's") {
  temp_dir dir;
  const auto file = dir / subscriber_state_file_name(stream);
  CHECK(load_subscriber_state(file, stream).error().code == errc::not_found);
  subscriber_state_file one(file), other(file);
  REQUIRE(one.save({stream, {revoke(1)}}).has_value());
  REQUIRE(other.save({stream, {rotate(2, 3)}}).has_value());
  const auto both = load_subscriber_state(file, stream);
  REQUIRE(both.has_value());
  CHECK(both.value().statements == std::vector{rotate(2, 3), revoke(1)});
  // What was merged once stays, also in a file that nobody else wrote since.
  REQUIRE(other.save({stream, {rotate(2, 3)}}).has_value());
  REQUIRE(other.save({stream, {rotate(2, 3)}}).has_value());
  CHECK(load_subscriber_state(file, stream).value().statements == std::vector{rotate(2, 3), revoke(1)});
  REQUIRE(one.save({stream, {revoke(1), revoke(4)}}).has_value());
  CHECK(load_subscriber_state(file, stream).value().statements.size() == 3);
  CHECK(std::filesystem::status(file).permissions() == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("a state that is damaged or of another stream is not started with, and says what to do") {
  temp_dir dir;
  const auto file = dir / subscriber_state_file_name(stream);
  REQUIRE(subscriber_state_file(file).save({stream, {}}).has_value());
  CHECK(load_subscriber_state(file, stream + "x").error().code == errc::invalid_argument);
  REQUIRE(base::write_file_atomic(file, base::as_span(std::string_view("{\"version\"")), 0600).has_value());
  const auto why = load_subscriber_state(file, stream).error();
  CHECK(why.code == errc::malformed);
  CHECK(why.about == file);
  CHECK(why.text.find("restore the file, or remove it knowingly") != std::string::npos);
}
