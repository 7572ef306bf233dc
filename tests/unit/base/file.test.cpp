#include "base/file.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

using namespace ec::base;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

std::string text_at(const std::string& path) {
  return std::string(read_file(path, 1000).value().text());
}

} // namespace

TEST_CASE("a file that is written has its content and exactly its mode") {
  const ec::test::temp_dir dir;
  const auto path = dir / "a";
  const auto umask = ::umask(0077);
  REQUIRE(write_file_atomic(path, as_span("one"), 0644).has_value());
  CHECK(mode_of(path) == 0644);
  CHECK(text_at(path) == "one");
  REQUIRE(write_file_atomic(path, as_span("two"), 0600, durability::process).has_value());
  ::umask(umask);
  CHECK(mode_of(path) == 0600);
  CHECK(text_at(path) == "two");
  CHECK(dir.names() == std::vector<std::string>{"a"});
}

TEST_CASE("a new file never replaces one that is there, nor a link that points nowhere") {
  const ec::test::temp_dir dir;
  REQUIRE(write_new_file(dir / "key", as_span("first"), 0600).has_value());
  const auto again = write_new_file(dir / "key", as_span("second"), 0600);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == errc::exists);
  CHECK(again.error().about == dir / "key");
  CHECK(text_at(dir / "key") == "first");
  REQUIRE(::symlink("nowhere", (dir / "link").c_str()) == 0);
  CHECK(write_new_file(dir / "link", as_span("second"), 0600).error().code == errc::exists);
  CHECK(dir.names() == std::vector<std::string>{"key", "link"});
}

TEST_CASE("a write that cannot be done says why and leaves nothing behind") {
  const ec::test::temp_dir dir;
  const auto missing = write_file_atomic(dir / "no/such", as_span("x"), 0644);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == errc::not_found);
  CHECK(missing.error().message() == (dir / "no/such") + ": cannot write: No such file or directory");
  REQUIRE(::mkdir((dir / "taken").c_str(), 0700) == 0);
  CHECK(write_file_atomic(dir / "taken", as_span("x"), 0644).error().code == errc::io);
  CHECK(write_file_atomic(dir / "taken/", as_span("x"), 0644).error().code == errc::invalid_argument);
  CHECK(dir.names() == std::vector<std::string>{"taken"});
}

TEST_CASE("reading stops at its bound and names what is missing") {
  const ec::test::temp_dir dir;
  REQUIRE(write_file_atomic(dir / "f", std::vector<uint8_t>(40000, 7), 0644).has_value());
  CHECK(read_file(dir / "f", 40000).value().size() == 40000);
  CHECK(read_file(dir / "f", 39999).error().code == errc::too_large);
  CHECK(read_file("/dev/zero", 1000).error().code == errc::too_large);
  CHECK(read_file(dir / "g", 1000).error().code == errc::not_found);
  CHECK(read_file(dir / "", 1000).error().code == errc::io);
}

TEST_CASE("a secret that others may read is refused with the way out") {
  const ec::test::temp_dir dir;
  REQUIRE(write_new_file(dir / "s", as_span("secret"), 0640).has_value());
  const auto refused = read_secret_file(dir / "s", 100);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::permission);
  CHECK(refused.error().text.find("chmod 600") != std::string::npos);
  REQUIRE(::chmod((dir / "s").c_str(), 0400) == 0);
  CHECK(as_text(read_secret_file(dir / "s", 100).value()) == "secret");
  CHECK(read_secret_file(dir / "s", 5).error().code == errc::too_large);
  CHECK(read_secret_file("/dev/null", 5).error().code == errc::invalid_argument);
}

TEST_CASE("a secret that its owner shares is read where that is allowed, and nowhere else") {
  const ec::test::temp_dir dir;
  REQUIRE(write_file_atomic(dir / "key", as_span("secret"), 0640, durability::process).has_value());
  CHECK(read_secret_file(dir / "key", 100).error().code == errc::permission);
  const auto got = read_secret_file(dir / "key", 100, secret_rights::as_it_is);
  REQUIRE(got.has_value());
  CHECK(as_text(got.value()) == "secret");
}

namespace {

result<void> append_text(append_file& to, std::initializer_list<std::string_view> texts) {
  std::vector<std::span<const uint8_t>> parts;
  for (const auto text : texts) parts.push_back(as_span(text));
  return to.append(parts);
}

/// As long as it lives no file of this process grows over `bytes`: what a full disk looks like.
class small_disk {
public:
  explicit small_disk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit now{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
  }
  ~small_disk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

private:
  rlimit before_{};
  void (*handler_)(int);
};

} // namespace

TEST_CASE("a file that grows is opened anew at its end, and read at any place") {
  const ec::test::temp_dir dir;
  const auto path = dir / "log";
  {
    auto file = append_file::open(path, 0644);
    REQUIRE(file.has_value());
    CHECK(file.value().size() == 0);
    REQUIRE(append_text(file.value(), {"one ", "two"}).has_value());
    CHECK(file.value().size() == 7);
  }
  auto file = append_file::open(path, 0644);
  REQUIRE(file.has_value());
  REQUIRE(append_text(file.value(), {" three"}).has_value());
  CHECK(text_at(path) == "one two three");
  CHECK(file.value().read_at(4, 3).value().text() == "two");
  CHECK(file.value().read_at(8, 100).value().text() == "three");
  CHECK(file.value().read_at(100, 1).value().empty());
  REQUIRE(file.value().cut(3).has_value());
  REQUIRE(append_text(file.value(), {"!"}).has_value());
  CHECK(text_at(path) == "one!");
}

TEST_CASE("an append that the disk has no room for leaves nothing behind, and the next one that fits is whole") {
  const ec::test::temp_dir dir;
  const auto path = dir / "log";
  auto file = append_file::open(path, 0644);
  REQUIRE(file.has_value());
  REQUIRE(append_text(file.value(), {"0123456789"}).has_value());
  {
    const small_disk disk(16);
    const auto refused = append_text(file.value(), {"abcd", "efgh"});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::io);
    CHECK(refused.error().about == path);
    CHECK(file.value().size() == 10);
    CHECK(text_at(path) == "0123456789");
    REQUIRE(append_text(file.value(), {"abcd"}).has_value());
  }
  REQUIRE(append_text(file.value(), {"efgh"}).has_value());
  CHECK(text_at(path) == "0123456789abcdefgh");
}

TEST_CASE("a file that grows has one writer, is a regular file, and needs its folder") {
  const ec::test::temp_dir dir;
  {
    const auto first = append_file::open(dir / "log", 0644);
    REQUIRE(first.has_value());
    CHECK(append_file::open(dir / "log", 0644).error().code == errc::busy);
  }
  CHECK(append_file::open(dir / "log", 0644).has_value());
  CHECK(append_file::open("/dev/null", 0644).error().code == errc::invalid_argument);
  CHECK(append_file::open(dir / "none/log", 0644).error().code == errc::not_found);
}

TEST_CASE("a long file is read part by part to its end") {
  const ec::test::temp_dir dir;
  REQUIRE(write_file_atomic(dir / "a", as_span("abcdefg"), 0644, durability::process).has_value());
  auto file = input_file::open(dir / "a");
  REQUIRE(file.has_value());
  std::string all;
  size_t parts = 0;
  while (true) {
    const auto part = file.value().read(3).value();
    if (part.empty()) break;
    CHECK(part.size() <= 3);
    all += part.text();
    ++parts;
  }
  CHECK(all == "abcdefg");
  CHECK(parts == 3);
  CHECK(input_file::open(dir / "b").error().code == errc::not_found);
  CHECK(input_file::open(dir.path()).value().read(1).error().code == errc::io);
}
