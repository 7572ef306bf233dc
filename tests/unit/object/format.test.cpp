#include "object/format.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/json.hpp"
#include "object/cipher.hpp"
#include "object/sealer.hpp"
#include "tests/support/data.hpp"

namespace ec::object {
namespace {

namespace json = base::json;

json::value vectors() {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  const auto text = test::read_text(std::filesystem::path(root != nullptr ? root : ".") / "tests/vectors/object/v1.json");
  auto parsed = json::parse(text);
  REQUIRE(parsed);
  return parsed.value();
}

std::vector<uint8_t> pattern(size_t size, unsigned seed) {
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * 7 + (i >> 8) * 13 + seed);
  return out;
}

uint64_t number(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  REQUIRE_MESSAGE(found != nullptr, std::string(key));
  return static_cast<uint64_t>(*found->as_int());
}
std::string text(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  return found == nullptr ? std::string() : *found->as_string();
}

chunk_tail some_tail() {
  chunk_tail out{1, 180'000, 188, {crypto::blake3(base::as_span("x"))}, {}, {}};
  return out;
}

TEST_CASE("the sealer gives the objects of the golden vectors, byte by byte") {
  const auto doc = vectors();
  size_t checked = 0;
  for (const auto& v : *doc.find("chunks")->as_array()) {
    INFO(text(v, "name"));
    const auto secret = *base::from_hex(text(v, "network_secret"));
    auto cipher = stream_cipher::make(text(v, "stream_id"), secret);
    REQUIRE(cipher);
    CHECK(cipher.value().key_id() == text(v, "key_id"));
    const auto bytes = pattern(number(v, "size"), static_cast<unsigned>(number(v, "seed")));
    const auto group = number(v, "group");
    const bool damaged = v.find("publisher") != nullptr;

    sealer seal(std::move(cipher).value(), {"ts-v1", text(v, "publisher")});
    std::vector<sealed_object> objects;
    sealed_chunk chunk;
    if (damaged) {
      const base::bytes part = base::bytes::copy(bytes);
      auto made = seal.seal_damaged(group, number(v, "first_pts"), number(v, "duration"), text(v, "reason"), {&part, 1});
      REQUIRE(made);
      objects = made.value().objects;
      chunk = made.value().chunk;
    } else {
      objects.push_back(seal.open(group, number(v, "first_pts")).value());
      for (uint32_t place = 0; piece_size(bytes.size(), place) > 0; ++place)
        objects.push_back(
          seal.piece(group, place, std::span(bytes).subspan(place * base::limits::piece_bytes, piece_size(bytes.size(), place))).value());
      auto done = seal.finish(group, number(v, "duration"));
      REQUIRE(done);
      objects.push_back(done.value().tail);
      chunk = done.value().chunk;
      CHECK(digest_of_chunk(number(v, "first_pts"), number(v, "duration"), bytes) == chunk.digest);
    }
    CHECK(chunk.digest.hex() == text(v, "chunk_digest"));
    CHECK(chunk.damaged == damaged);
    CHECK(chunk.size == bytes.size());

    const auto& want = *v.find("objects")->as_array();
    REQUIRE(objects.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      CHECK(objects[i].group == group);
      CHECK(objects[i].object == number(want[i], "object"));
      CHECK(objects[i].payload.size() == number(want[i], "bytes"));
      CHECK(crypto::blake3(objects[i].payload).hex() == text(want[i], "blake3"));
      if (want[i].find("text") != nullptr) CHECK(objects[i].payload.text() == text(want[i], "text"));
      if (want[i].find("hex") != nullptr) CHECK(base::to_hex(objects[i].payload) == text(want[i], "hex"));
      ++checked;
    }
    const auto on = damaged ? track::damaged : track::chunks;
    CHECK(decode_head(on, objects.front().payload));
    const auto tail = decode_tail(on, objects.back().payload);
    REQUIRE(tail);
    CHECK(tail.value().digest() == chunk.digest);
  }
  CHECK(checked >= 14);
}

TEST_CASE("every refused vector is refused, and by its decoder alone") {
  const auto doc = vectors();
  size_t refused = 0;
  for (const auto& v : *doc.find("refused")->as_array()) {
    INFO(text(v, "why"));
    const auto on = text(v, "track") == "chunks" ? track::chunks : track::damaged;
    const auto in = text(v, "text");
    if (text(v, "kind") == "head") CHECK_FALSE(decode_head(on, base::as_span(in)));
    else CHECK_FALSE(decode_tail(on, base::as_span(in)));
    ++refused;
  }
  CHECK(refused >= 20);
}

TEST_CASE("a tail over its limit is refused before it is parsed") {
  const std::string big(base::limits::object_tail_bytes_max + 1, '{');
  const auto tail = decode_tail(track::chunks, base::as_span(big));
  REQUIRE_FALSE(tail);
  CHECK(tail.error().code == base::errc::too_large);
  const auto head = decode_head(track::chunks, base::as_span(big.substr(0, base::limits::object_head_bytes_max + 1)));
  REQUIRE_FALSE(head);
  CHECK(head.error().code == base::errc::too_large);
}

TEST_CASE("the largest chunk's tail fits its limit") {
  chunk_tail tail{1, 1, base::limits::chunk_bytes_max, {}, damage_mark{std::string(128, 'p'), std::string(64, 'r')}, {}};
  tail.pieces.resize(piece_count(tail.size));
  tail.proof = membership{uint64_t{1} << 53, 1023, 1024, std::vector<crypto::digest>(16)};
  REQUIRE(valid(tail));
  const auto payload = encode(tail);
  CHECK(payload.size() <= base::limits::object_tail_bytes_max);
  const auto back = decode_tail(track::damaged, payload);
  REQUIRE(back);
  CHECK(back.value() == tail);
}

TEST_CASE("a version or cipher of the future is told apart from a corrupt object") {
  const chunk_head head{"ts-v1", 5, std::string(32, 'a'), {}};
  auto payload = encode(head);
  std::string in(payload.begin(), payload.end());
  in.replace(in.find("\"version\":1"), 11, "\"version\":2");
  CHECK(decode_head(track::chunks, base::as_span(in)).error().code == base::errc::unsupported);
}

TEST_CASE("the chunk digest binds every fact") {
  const auto base_tail = some_tail();
  const auto differs = [&](auto change) {
    auto other = base_tail;
    change(other);
    return other.digest() != base_tail.digest();
  };
  CHECK(differs([](chunk_tail& t) { t.first_pts += 1; }));
  CHECK(differs([](chunk_tail& t) { t.duration += 1; }));
  CHECK(differs([](chunk_tail& t) { t.size += 1; }));
  CHECK(differs([](chunk_tail& t) { t.pieces[0].bytes[31] ^= 1; }));
  CHECK(differs([](chunk_tail& t) { t.pieces.push_back(t.pieces[0]); }));
  CHECK(differs([](chunk_tail& t) { t.damage = damage_mark{"p", "r"}; }));
  auto one = base_tail;
  auto two = base_tail;
  one.damage = damage_mark{"pr", "r"};
  two.damage = damage_mark{"p", "rr"};
  CHECK(one.digest() != two.digest());
  auto proven = base_tail;
  proven.proof = membership{1, 0, 1, {}};
  CHECK(proven.digest() == base_tail.digest());
  CHECK(decode_tail(track::chunks, encode(proven)));
}

TEST_CASE("a proof with impossible numbers is refused") {
  auto tail = some_tail();
  tail.proof = membership{1, 1, 1, {}};
  CHECK_FALSE(decode_tail(track::chunks, encode(tail)));
  tail.proof = membership{1, 0, 1, std::vector<crypto::digest>(17)};
  CHECK_FALSE(decode_tail(track::chunks, encode(tail)));
}

TEST_CASE("pieces cut a chunk without rest") {
  CHECK(piece_count(1) == 1);
  CHECK(piece_count(65'424) == 1);
  CHECK(piece_count(65'425) == 2);
  CHECK(piece_size(65'425, 0) == 65'424);
  CHECK(piece_size(65'425, 1) == 1);
  CHECK(piece_size(65'425, 2) == 0);
  CHECK(piece_count(base::limits::chunk_bytes_max) <= base::limits::chunk_pieces_max);
}

} // namespace
} // namespace ec::object
