#include "manifest/signer.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/limits.hpp"
#include "base/limits_repair.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec::manifest;
using namespace ec::test;
using ec::base::errc;
namespace limits = ec::base::limits;

TEST_CASE("a signer's attestations form a chain that verifies") {
  auto s = signer_of(1);
  std::optional<ec::crypto::digest> previous;
  uint64_t sequence = s.state().next_sequence;
  CHECK(sequence == static_cast<uint64_t>(start_ms));
  for (uint64_t i = 0; i < 5; ++i) {
    const auto made = s.prepare(epoch(100 + i), at(static_cast<int64_t>(i) * 2000), 42 + i);
    REQUIRE(made.has_value());
    const auto& p = made.value();
    const auto& a = p.manifest.attestations.front();
    CHECK(a.sequence == sequence++);
    CHECK(a.previous == previous);
    CHECK(a.signed_unix_ms == static_cast<uint64_t>(start_ms + static_cast<int64_t>(i) * 2000));
    CHECK(a.broadcast_unix_ms == 42 + i);
    CHECK(ec::crypto::verify(s.key(), signed_bytes(a, p.manifest_id), a.signature));
    CHECK(p.payload == encode(p.manifest));
    CHECK(*p.own == p.manifest.content);
    CHECK_FALSE(p.again);
    previous = a.digest(p.manifest_id);
    CHECK(p.state.previous == previous);
  }
}

TEST_CASE("a clock that is set back does not make the chain's times fall") {
  auto s = signer_of(1);
  REQUIRE(s.prepare(epoch(1), at(5000)).has_value());
  const auto later = s.prepare(epoch(2), at(-60000));
  REQUIRE(later.has_value());
  CHECK(later.value().manifest.attestations.front().signed_unix_ms == static_cast<uint64_t>(start_ms + 5000));
}

TEST_CASE("two contents of one epoch are never signed") {
  auto s = signer_of(1);
  REQUIRE(s.prepare(epoch(8, 4), at(0)).has_value());
  CHECK(s.prepare(epoch(8, 4, 7), at(1)).error().code == errc::refused);
  CHECK(s.prepare(damaged(8, 4), at(1)).error().code == errc::refused);
  CHECK(s.prepare(epoch(9, 1, 7), at(1)).error().code == errc::refused);
  auto other_duration = epoch(8, 4);
  other_duration.chunk_duration_ms = 4000;
  CHECK(s.prepare(other_duration, at(1)).error().code == errc::refused);
  // The refusals left no trace in the chain.
  CHECK(s.state().next_sequence == static_cast<uint64_t>(start_ms) + 1);
  CHECK(s.prepare(epoch(12, 4), at(2)).has_value());
}

TEST_CASE("an equal content may be attested again, as after a crash before it was published") {
  auto s = signer_of(1);
  const auto first = s.prepare(epoch(5), at(0)).value();
  const auto second = s.prepare(epoch(5), at(1000)).value();
  CHECK(second.again);
  CHECK(second.manifest_id == first.manifest_id);
  CHECK(second.manifest.attestations.front().sequence == first.manifest.attestations.front().sequence + 1);
  CHECK(s.state().epochs.size() == 1);
}

TEST_CASE("a damaged content is followed by a whole one that agrees, and by nothing else") {
  auto s = signer_of(1);
  REQUIRE(s.prepare(damaged(8, 4, 1), at(0)).has_value());
  CHECK(s.prepare(damaged(8, 4, 2), at(1)).error().code == errc::refused);
  auto also_damaged = damaged(8, 4, 1);
  also_damaged.chunks[1].digest = chunk(1, 50);
  CHECK(s.prepare(also_damaged, at(1)).error().code == errc::refused);
  CHECK(s.prepare(epoch(8, 4, 7), at(1)).error().code == errc::refused); // its other chunks differ
  REQUIRE(s.prepare(epoch(8, 4), at(2)).has_value());
  CHECK(s.prepare(damaged(8, 4, 1), at(3)).error().code == errc::refused);
  CHECK(s.state().epochs.size() == 1);

  auto gap = epoch(12, 4);
  gap.chunks[3] = {{}, chunk_state::missing};
  REQUIRE(s.prepare(gap, at(4)).has_value());
  CHECK(s.prepare(epoch(12, 4), at(5)).has_value());
}

TEST_CASE("what breaks the format or belongs to another stream is not signed") {
  auto s = signer_of(1);
  auto unaligned = epoch(8, 4);
  unaligned.chunk_start_index = 9;
  auto foreign = epoch(1);
  foreign.stream_id = "ec/stream/v1/source/kind-file/device-b/channel-1/profile-ts-v1/variant-main";
  auto empty = epoch(1);
  empty.chunks.clear();
  for (const auto& c : {unaligned, foreign, empty}) CHECK(s.prepare(c, at(0)).error().code == errc::invalid_argument);
  CHECK(s.prepare(epoch(1), at(0), UINT64_MAX).error().code == errc::invalid_argument);
  CHECK(signer::make(key(2), s.state()).error().code == errc::invalid_argument);
}

TEST_CASE("what is no longer remembered is not signed, and the memory stays bounded") {
  auto s = signer_of(1);
  for (uint64_t i = 0; i < limits::signer_epochs_max + 10; ++i) REQUIRE(s.prepare(epoch(100 + i), at(0)).has_value());
  CHECK(s.state().epochs.size() == limits::signer_epochs_max);
  CHECK(s.state().closed_below == 110);
  CHECK(s.prepare(epoch(109, 1, 7), at(0)).error().code == errc::refused);
  CHECK(s.prepare(epoch(109), at(0)).error().code == errc::refused);
  CHECK(s.prepare(epoch(110), at(0)).has_value());
}

TEST_CASE("a state survives its file, and the signer goes on where it was") {
  const temp_dir dir;
  const auto path = dir / "state";
  auto s = signer_of(1);
  REQUIRE(s.prepare(damaged(8, 4), at(0)).has_value());
  const auto last = s.prepare(epoch(12, 4), at(1)).value();
  REQUIRE(save_signer_state(path, last.state).has_value());
  auto loaded = load_signer_state(path, s.key(), stream);
  REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message());
  CHECK(encode(loaded.value()) == encode(last.state));
  auto again = signer::make(key(1), std::move(loaded).value()).value();
  CHECK(again.prepare(epoch(12, 4, 7), at(2)).error().code == errc::refused);
  const auto next = again.prepare(epoch(8, 4), at(2)).value();
  CHECK(next.manifest.attestations.front().sequence == static_cast<uint64_t>(start_ms) + 2);
  CHECK(next.manifest.attestations.front().previous == last.manifest.attestations.front().digest(last.manifest_id));
}

TEST_CASE("a state that is missing, damaged or of someone else is told apart, and never taken for a new one") {
  const temp_dir dir;
  const auto path = dir / "state";
  auto s = signer_of(1);
  CHECK(load_signer_state(path, s.key(), stream).error().code == errc::not_found);
  const auto text = encode(s.prepare(epoch(1), at(0)).value().state);
  REQUIRE(ec::base::write_file_atomic(path, ec::base::as_span(text), 0600).has_value());
  CHECK(load_signer_state(path, key(2).public_key(), stream).error().code == errc::invalid_argument);
  CHECK(load_signer_state(path, s.key(), stream + "x").error().code == errc::invalid_argument);
  for (size_t i = 0; i < text.size(); i += 3) {
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto read = decode_signer_state(changed, "file");
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().about == "file");
    CHECK(read.error().text.find("restore the file") != std::string::npos);
  }
  CHECK_FALSE(decode_signer_state("").has_value());
  CHECK_FALSE(decode_signer_state(text.substr(0, text.size() / 2)).has_value());
}

TEST_CASE("a lost state gives a new chain above the old one, whatever was signed before") {
  auto before = signer_of(1, 0);
  REQUIRE(before.prepare(epoch(1), at(0)).has_value());
  auto after = signer_of(1, 60000);
  const auto made = after.prepare(epoch(2), at(60000)).value();
  CHECK(made.manifest.attestations.front().sequence > before.state().next_sequence);
  CHECK_FALSE(made.manifest.attestations.front().previous.has_value());
}

TEST_CASE("a signer says in its attestation which chunks it took from another source, and the content does not change by it") {
  auto alone = signer_of(1), repaired = signer_of(2);
  const std::vector<repaired_chunk> said{{800, 3, 900}, {803, 0, 900}};
  const auto as_received = alone.prepare(epoch(800, 4), at(0));
  const auto as_repaired = repaired.prepare(epoch(800, 4), at(0), std::nullopt, said);
  REQUIRE(as_received.has_value());
  REQUIRE(as_repaired.has_value());
  CHECK(as_repaired.value().manifest_id == as_received.value().manifest_id);
  const auto& a = as_repaired.value().manifest.attestations.front();
  CHECK(ec::crypto::verify(repaired.key(), signed_bytes(a, as_repaired.value().manifest_id), a.signature));
  CHECK(repaired_in(a, as_repaired.value().manifest.content).value() == said);
  const auto read = decode(as_repaired.value().payload);
  REQUIRE(read.has_value());
  CHECK(std::get<signed_manifest>(read.value()) == as_repaired.value().manifest);
  // Nobody takes the statement off: the signature covers it.
  auto bare = a;
  bare.extra.clear();
  CHECK_FALSE(ec::crypto::verify(repaired.key(), signed_bytes(bare, as_repaired.value().manifest_id), bare.signature));
}

TEST_CASE("what is called repaired must be whole in the content, in order, and small enough to say") {
  auto s = signer_of(1);
  const auto refused = [&](std::vector<repaired_chunk> said, content c) {
    const auto r = s.prepare(std::move(c), at(0), std::nullopt, said);
    return !r && r.error().code == errc::invalid_argument;
  };
  CHECK(refused({{804, 1, 900}}, epoch(800, 4)));
  CHECK(refused({{801, 1, 900}, {800, 1, 900}}, epoch(800, 4)));
  CHECK(refused({{800, 901, 900}}, epoch(800, 4)));
  CHECK(refused({{800, 0, 0}}, epoch(800, 4)));
  std::vector<repaired_chunk> many;
  for (uint64_t i = 0; i <= limits::repairs_stated_max; ++i) many.push_back({32 * 9 + i, 9'999, 99'999});
  CHECK(refused(many, epoch(32 * 9, 32)));
  many.pop_back();
  CHECK(s.prepare(epoch(32 * 9, 32), at(0), std::nullopt, many).has_value());
}

TEST_CASE("the longest statement about repaired chunks fits an attestation") {
  auto s = signer_of(1);
  std::vector<repaired_chunk> many;
  constexpr uint64_t last_epoch = ((uint64_t{1} << 53) - 1) / 32 - 1;
  for (uint64_t i = 0; i < limits::repairs_stated_max; ++i) many.push_back({32 * last_epoch + i, 356'962, 356'962});
  const auto made = s.prepare(epoch(32 * last_epoch, 32), at(0), std::nullopt, many);
  REQUIRE(made.has_value());
  CHECK(decode(made.value().payload).has_value());
}
