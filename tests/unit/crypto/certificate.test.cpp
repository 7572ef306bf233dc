#include "crypto/certificate.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <stdlib.h>

#include "tests/support/data.hpp"

using namespace std::chrono_literals;
using ec::base::errc;
using ec::base::wall_time;
using ec::crypto::certificate_pair;

namespace {

struct folder {
  std::filesystem::path path;
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "ec-certificate-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }
};

constexpr wall_time start{1'790'000'000s};

} // namespace

TEST_CASE("the first start makes a key that only its owner reads, and a certificate of 13 days") {
  const folder dir;
  auto made = certificate_pair::load_or_make(dir.path / "state", start, {"localhost", "127.0.0.1", "::1"});
  REQUIRE(made);
  const auto mode = std::filesystem::status(dir.path / "state" / "endpoint.key").permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(made.value().not_after() - made.value().not_before() == 13 * 24h);
  CHECK(made.value().not_before() <= start);
  CHECK_FALSE(made.value().renewal_due(start));
  CHECK(made.value().renewal_due(start + 10 * 24h));

  auto again = certificate_pair::load_or_make(dir.path / "state", start + 24h, {"localhost", "127.0.0.1", "::1"});
  REQUIRE(again);
  CHECK(again.value().certificate_digest() == made.value().certificate_digest());
}

TEST_CASE("a renewed certificate has the same key, so that a pin stays valid") {
  const folder dir;
  auto made = certificate_pair::load_or_make(dir.path, start, {"localhost"});
  REQUIRE(made);
  auto renewed = certificate_pair::load_or_make(dir.path, start + 11 * 24h, {"localhost"});
  REQUIRE(renewed);
  CHECK(renewed.value().certificate_digest() != made.value().certificate_digest());
  CHECK(renewed.value().spki() == made.value().spki());
  auto renamed = certificate_pair::load_or_make(dir.path, start + 11 * 24h, {"node.example"});
  REQUIRE(renamed);
  CHECK(renamed.value().certificate_digest() != renewed.value().certificate_digest());
  CHECK(renamed.value().spki() == made.value().spki());
  auto past = certificate_pair::load_or_make(dir.path, start, {"node.example"});
  REQUIRE(past);
  CHECK(past.value().not_before() <= start);
}

TEST_CASE("a damaged certificate file is made anew; a damaged or open key file is an error, never a new key") {
  const folder dir;
  auto made = certificate_pair::load_or_make(dir.path, start, {});
  REQUIRE(made);
  std::ofstream(dir.path / "endpoint.crt") << "-----BEGIN CERTIFICATE-----\nnonsense\n";
  auto mended = certificate_pair::load_or_make(dir.path, start, {});
  REQUIRE(mended);
  CHECK(mended.value().spki() == made.value().spki());

  std::filesystem::permissions(dir.path / "endpoint.key", std::filesystem::perms(0644));
  auto open = certificate_pair::load_or_make(dir.path, start, {});
  REQUIRE_FALSE(open);
  CHECK(open.error().code == errc::permission);
  std::filesystem::permissions(dir.path / "endpoint.key", std::filesystem::perms(0600));
  std::ofstream(dir.path / "endpoint.key") << "not a key";
  auto broken = certificate_pair::load_or_make(dir.path, start, {});
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == errc::malformed);
}

TEST_CASE("a file pair is loaded, and a key that is not the certificate's is refused") {
  const folder one;
  const folder two;
  auto a = certificate_pair::load_or_make(one.path, start, {});
  auto b = certificate_pair::load_or_make(two.path, start, {});
  REQUIRE(a);
  REQUIRE(b);
  auto good = certificate_pair::load(one.path / "endpoint.crt", one.path / "endpoint.key");
  REQUIRE(good);
  CHECK(good.value().spki() == a.value().spki());
  auto mixed = certificate_pair::load(one.path / "endpoint.crt", two.path / "endpoint.key");
  REQUIRE_FALSE(mixed);
  CHECK(mixed.error().code == errc::mismatch);
  auto missing = certificate_pair::load(one.path / "nothing.crt", two.path / "endpoint.key");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == errc::not_found);
  CHECK(missing.error().about.find("nothing.crt") != std::string::npos);
}
