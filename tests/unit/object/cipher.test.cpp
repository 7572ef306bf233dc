#include "object/cipher.hpp"

#include <doctest/doctest.h>

#include <set>

namespace ec::object {
namespace {

stream_cipher make(std::string_view id = "ec/stream/v1/test", std::string_view secret = {}) {
  return stream_cipher::make(id, base::as_span(secret)).value();
}

base::bytes seal(const stream_cipher& c, piece_place at, std::string_view text) {
  return c.seal(at, base::as_span(text), crypto::blake3(base::as_span(text)));
}

TEST_CASE("a piece opens with its key at its place and nowhere else") {
  const auto cipher = make();
  const auto sealed = seal(cipher, {5, 2, {}}, "hello");
  const auto opened = cipher.open({5, 2, {}}, sealed);
  REQUIRE(opened);
  CHECK(opened.value().plaintext.text() == "hello");
  CHECK(opened.value().digest == crypto::blake3(base::as_span("hello")));
  const auto refused = [&](const stream_cipher& c, piece_place at) { return c.open(at, sealed).error().code == base::errc::bad_signature; };
  CHECK(refused(cipher, {6, 2, {}}));
  CHECK(refused(cipher, {5, 3, {}}));
  CHECK(refused(cipher, {5, 2, "p"}));
  CHECK(refused(make("ec/stream/v1/other"), {5, 2, {}}));
  CHECK(refused(make("ec/stream/v1/test", "secret"), {5, 2, {}}));
}

TEST_CASE("one flipped bit anywhere is refused") {
  const auto cipher = make();
  const auto sealed = seal(cipher, {5, 2, {}}, "hello");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::vector<uint8_t> changed(sealed.begin(), sealed.end());
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ (1u << (bit % 8)));
    CHECK_FALSE(cipher.open({5, 2, {}}, changed));
  }
}

TEST_CASE("every length that no piece has is refused") {
  const auto cipher = make();
  const auto sealed = seal(cipher, {5, 2, {}}, "hello");
  for (size_t size = 0; size < sealed.size(); ++size) CHECK_FALSE(cipher.open({5, 2, {}}, sealed.span().first(size)));
  std::vector<uint8_t> big(sealed_piece_bytes_max + 1, 1);
  CHECK(cipher.open({5, 2, {}}, big).error().code == base::errc::too_large);
}

TEST_CASE("equal pieces give equal objects; other bytes or another place give another nonce") {
  const auto cipher = make();
  const auto again = make();
  CHECK(seal(cipher, {1, 0, {}}, "a") == seal(again, {1, 0, {}}, "a"));
  std::set<std::vector<uint8_t>> nonces;
  size_t sealed = 0;
  for (const char* text : {"a", "b"})
    for (const uint64_t group : {1, 2})
      for (const uint32_t place : {0, 1})
        for (const char* publisher : {"", "p", "q"}) {
          const auto s = seal(cipher, {group, place, publisher}, text);
          nonces.insert({s.begin() + 1, s.begin() + 13});
          ++sealed;
        }
  CHECK(nonces.size() == sealed);
}

TEST_CASE("a piece sealed under a nonce of one's own choice is refused") {
  // What a publisher that knows the key could do: seal by hand.
  const auto cipher = make();
  const auto honest = seal(cipher, {1, 0, {}}, "a");
  const auto digest = crypto::blake3(base::as_span("another"));
  const auto odd = cipher.seal({1, 0, {}}, base::as_span("a"), digest);
  CHECK_FALSE(odd == honest);
  CHECK(cipher.open({1, 0, {}}, odd).error().code == base::errc::mismatch);
}

TEST_CASE("the key id tells secrets apart and is bounded in what it takes") {
  CHECK(make().key_id() == make().key_id());
  CHECK(make().key_id() != make("ec/stream/v1/test", "s").key_id());
  CHECK(make("ab", "c").key_id() != make("a", "bc").key_id());
  CHECK_FALSE(stream_cipher::make(""));
  CHECK_FALSE(stream_cipher::make(std::string(base::limits::stream_id_bytes_max + 1, 'x')));
  CHECK_FALSE(stream_cipher::make("x", std::vector<uint8_t>(base::limits::network_secret_bytes_max + 1)));
}

} // namespace
} // namespace ec::object
