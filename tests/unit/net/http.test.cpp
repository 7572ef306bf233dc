// Client and server against each other over loopback, and the client against sockets that misbehave.
#include "net/http_client.hpp"
#include "net/http_server.hpp"

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;

namespace {

constexpr net::http_timeouts quick{.connect = 2000ms, .header = 2000ms, .stall = 2000ms};

net::url local(uint16_t port, std::string path = "/", std::string query = "") {
  return {"http", "127.0.0.1", port, std::move(path), std::move(query)};
}

/// How many of something there are; tells when that changes.
class gauge {
public:
  void add(int more) {
    const std::scoped_lock lock(mutex_);
    count_ += more;
    changed_.notify_all();
  }
  /// Waits until there are `wanted`; false if that does not happen.
  bool becomes(int wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return count_ == wanted; });
  }
  /// What a body that has nothing does: waits for as long as it may, on something that never comes.
  void nothing_comes(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [] { return false; });
  }
  int now() {
    const std::scoped_lock lock(mutex_);
    return count_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

/// A body of numbered blocks, then its end, or silence for ever.
class counting_body final : public net::http_body {
public:
  counting_body(size_t blocks, bool then_silent, gauge* alive) : left_(blocks), silent_(then_silent), alive_(alive) { alive_->add(1); }
  ~counting_body() override { alive_->add(-1); }
  base::result<size_t> read(std::span<uint8_t> out, std::chrono::milliseconds wait) override {
    if (left_ == 0) {
      if (!silent_) return base::fail(base::errc::closed, "the end");
      alive_->nothing_comes(wait);
      return size_t{0};
    }
    --left_;
    const auto size = std::min<size_t>(out.size(), 1000);
    std::memset(out.data(), static_cast<int>(left_ & 0xff), size);
    return size;
  }

private:
  size_t left_;
  bool silent_;
  gauge* alive_;
};

/// A listening TCP socket that accepts one client, reads its request and answers with fixed bytes (or none).
class raw_server {
public:
  explicit raw_server(std::string answer, bool accepts = true) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
    REQUIRE(listen(fd_, 1) == 0);
    socklen_t length = sizeof where;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &length);
    port_ = ntohs(where.sin_port);
    if (accepts)
      thread_ = std::thread([this, answer = std::move(answer)] {
        const int client = accept(fd_, nullptr, nullptr);
        if (client < 0) return;
        char request[4096];
        [[maybe_unused]] auto got = recv(client, request, sizeof request, 0);
        got = send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
        shutdown(client, SHUT_WR);
        while (recv(client, request, sizeof request, 0) > 0) {}
        close(client);
      });
  }
  ~raw_server() {
    shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(fd_);
  }
  uint16_t port() const { return port_; }

private:
  int fd_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

} // namespace

TEST_SUITE("net/http") {

TEST_CASE("a document comes with status, header fields and body") {
  auto server = net::http_server::start({}, [](const net::http_request& in) {
    net::http_response out;
    out.status = in.path == "/here" ? 200 : 404;
    out.headers.add("X-Seen", in.method + " " + in.path + " " + in.query);
    out.body = base::bytes::copy(std::string_view("hello"));
    return out;
  });
  REQUIRE(server.has_value());
  const auto got = net::http_get(local(server.value()->port(), "/here", "a=%20b"), quick);
  REQUIRE(got.has_value());
  CHECK(got.value().status == 200);
  CHECK(got.value().body.text() == "hello");
  CHECK(got.value().headers.find("x-seen") == "GET /here a=%20b");
  CHECK(got.value().headers.find("content-length") == "5");
  CHECK(net::http_get(local(server.value()->port(), "/gone"), quick).value().status == 404);
  CHECK(net::http_get(local(server.value()->port(), "/here"), quick, 4).error().code == base::errc::too_large);
}

TEST_CASE("a streamed body has no length, is not chunked, and ends when the socket closes") {
  gauge alive;
  auto server = net::http_server::start({}, [&](const net::http_request&) {
    net::http_response out;
    out.stream = std::make_unique<counting_body>(500, false, &alive);
    return out;
  });
  REQUIRE(server.has_value());
  net::http_stream in(local(server.value()->port()), quick);
  REQUIRE(in.open().has_value());
  CHECK(in.status() == 200);
  CHECK_FALSE(in.headers().find("content-length").has_value());
  CHECK_FALSE(in.headers().find("transfer-encoding").has_value());
  CHECK(in.headers().find("connection") == "close");
  size_t total = 0;
  while (true) {
    auto part = in.read(1000ms);
    if (!part) {
      CHECK(part.error().code == base::errc::closed);
      break;
    }
    total += part.value().size();
  }
  CHECK(in.ended());
  CHECK(total == 500 * 1000);
  server.value()->stop();
  CHECK(alive.now() == 0);
}

TEST_CASE("a silent stream gives nothing within the wait, then it has stalled") {
  gauge alive;
  auto server = net::http_server::start({}, [&](const net::http_request&) {
    net::http_response out;
    out.stream = std::make_unique<counting_body>(1, true, &alive);
    return out;
  });
  REQUIRE(server.has_value());
  net::http_stream in(local(server.value()->port()), {.connect = 2000ms, .header = 2000ms, .stall = 200ms});
  REQUIRE(in.open().has_value());
  CHECK(in.read(1000ms).value().size() == 1000);
  CHECK(in.read(20ms).value().empty());
  auto end = in.read(5000ms);
  REQUIRE_FALSE(end.has_value());
  CHECK(end.error().code == base::errc::timeout);
  CHECK_FALSE(in.ended());
}

TEST_CASE("the server lets go of a stream whose client has left, even while it is silent") {
  gauge alive;
  auto server = net::http_server::start({}, [&](const net::http_request&) {
    net::http_response out;
    out.stream = std::make_unique<counting_body>(1, true, &alive);
    return out;
  });
  REQUIRE(server.has_value());
  {
    net::http_stream in(local(server.value()->port()), quick);
    REQUIRE(in.open().has_value());
    CHECK(in.read(1000ms).value().size() == 1000);
    CHECK(alive.now() == 1);
  }
  CHECK(alive.becomes(0));
}

TEST_CASE("stopping the server ends a silent stream") {
  gauge alive;
  auto server = net::http_server::start({}, [&](const net::http_request&) {
    net::http_response out;
    out.stream = std::make_unique<counting_body>(1, true, &alive);
    return out;
  });
  REQUIRE(server.has_value());
  net::http_stream in(local(server.value()->port()), quick);
  REQUIRE(in.open().has_value());
  CHECK(in.read(1000ms).has_value());
  server.value()->stop();
  CHECK(alive.now() == 0);
  CHECK_FALSE(in.read(1000ms).has_value());
}

TEST_CASE("stop wakes a reader in another thread") {
  gauge alive;
  auto server = net::http_server::start({}, [&](const net::http_request&) {
    net::http_response out;
    out.stream = std::make_unique<counting_body>(1, true, &alive);
    return out;
  });
  REQUIRE(server.has_value());
  net::http_stream in(local(server.value()->port()), {.connect = 2000ms, .header = 2000ms, .stall = 60000ms});
  REQUIRE(in.open().has_value());
  CHECK(in.read(1000ms).has_value());
  std::thread other([&] { in.stop(); });
  const auto end = in.read(50000ms);
  other.join();
  REQUIRE_FALSE(end.has_value());
  CHECK(end.error().code == base::errc::closed);
  CHECK_FALSE(in.ended());
}

TEST_CASE("a refused connection, a silent server, one that hangs up and one that speaks no HTTP are told apart") {
  uint16_t unused = 0;
  { unused = raw_server("", false).port(); }
  CHECK(net::http_get(local(unused), quick).error().code == base::errc::closed);
  {
    raw_server silent("", false); // the kernel accepts, nobody answers
    CHECK(net::http_get(local(silent.port()), {.connect = 100ms, .header = 200ms, .stall = 100ms}).error().code == base::errc::timeout);
  }
  {
    raw_server hangs_up("");
    CHECK(net::http_get(local(hangs_up.port()), quick).error().code == base::errc::closed);
  }
  {
    raw_server no_http("SSH-2.0-OpenSSH_9.2\r\n");
    CHECK(net::http_get(local(no_http.port()), quick).error().code == base::errc::malformed);
  }
  {
    raw_server cut_short("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    CHECK(net::http_get(local(cut_short.port()), quick).error().code == base::errc::io);
  }
}

TEST_CASE("only GET and HEAD are answered") {
  auto server = net::http_server::start({}, [](const net::http_request&) { return net::http_response{}; });
  REQUIRE(server.has_value());
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(server.value()->port());
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
  const std::string request = "DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  REQUIRE(send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  char answer[16] = {};
  REQUIRE(recv(fd, answer, 12, MSG_WAITALL) == 12);
  CHECK(std::string(answer) == "HTTP/1.1 405");
  close(fd);
}

TEST_CASE("a POST brings its body where the server takes one, up to the bound, and other headers with it") {
  const auto echo = [](const net::http_request& r) {
    net::http_response out;
    out.status = r.method == "POST" ? 201 : 200;
    out.body = base::bytes::copy(r.method + " " + std::string(r.headers.find("x-mark").value_or("none")) + " " + std::string(r.body.text()));
    return out;
  };
  auto server = net::http_server::start({.post_bytes_max = 1000}, echo);
  REQUIRE(server.has_value());
  const auto where = local(server.value()->port(), "/x");
  const auto ask = [&](std::string body) {
    return net::http_ask(where, {.method = "POST", .headers = {{"X-Mark", "seen"}, {"Content-Type", "application/json"}}, .body = base::bytes::copy(body)}, quick);
  };
  const auto answer = ask("hello");
  REQUIRE_MESSAGE(answer.has_value(), answer.error().message());
  CHECK(answer.value().status == 201);
  CHECK(answer.value().body.text() == "POST seen hello");
  CHECK(ask("").value().body.text() == "POST seen ");
  CHECK(ask(std::string(1000, 'a')).value().status == 201);
  CHECK(ask(std::string(1001, 'a')).value().status == 413);
  CHECK(ask(std::string(500'000, 'a')).value().status == 413);
  CHECK(net::http_get(where, quick).value().body.text() == "GET none ");
  auto closed = net::http_server::start({}, echo);
  REQUIRE(closed.has_value());
  CHECK(net::http_ask(local(closed.value()->port()), {.method = "POST", .body = base::bytes::copy("hello")}, quick).value().status == 405);
}

TEST_CASE("a taken port is an error with the reason") {
  auto first = net::http_server::start({}, [](const net::http_request&) { return net::http_response{}; });
  REQUIRE(first.has_value());
  auto second = net::http_server::start({.listen = first.value()->address()}, [](const net::http_request&) { return net::http_response{}; });
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == base::errc::io);
  CHECK(second.error().text.find("in use") != std::string::npos);
}

}
