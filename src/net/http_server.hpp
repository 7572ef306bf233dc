#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/headers.hpp"

namespace ec::net {

/// One request. The server answers GET and HEAD, and POST where it is told to, and refuses the rest with 405.
struct http_request {
  std::string method; ///< "GET", "HEAD" or "POST"
  std::string path;   ///< percent-encoded as it came, begins with '/'
  std::string query;  ///< without '?', encoded
  net::headers headers;
  std::string peer;   ///< "address:port" of the client
  base::bytes body;   ///< of a POST
};

/// A body of unknown length. The server calls `read` on the connection's own thread, never twice at once, and destroys
/// the body as soon as the client leaves, the body ends or the server stops.
class http_body {
public:
  virtual ~http_body() = default;
  /// Writes up to `out.size()` bytes and tells how many; 0 if nothing came within `wait`. It must not block longer.
  /// Any error ends the body: the connection is closed; after io it is reset, as by a device that crashed.
  virtual base::result<size_t> read(std::span<uint8_t> out, std::chrono::milliseconds wait) = 0;
};

/// What a handler answers. With `stream` set the body is sent as it comes: `Connection: close`, no Content-Length, not
/// chunked, and the socket's end is the body's end, as tuners do; or `chunked`, so that its reader can tell the end from a fault. Otherwise
/// `body` goes out with its length.
struct http_response {
  int status = 200;
  net::headers headers;
  base::bytes body;
  std::unique_ptr<http_body> stream;
  bool chunked = false;
  std::chrono::seconds reader_patience{0}; ///< a reader of `stream` that takes nothing for so long is dropped; 0: when its host is gone
};

struct http_server_config {
  std::string listen = "127.0.0.1:0"; ///< numeric address or localhost, and port; port 0 takes a free one
  unsigned connections_max = 256;     ///< a thread each; more are refused
  std::chrono::seconds idle{15};      ///< a client that sends no request for so long is dropped
  size_t post_bytes_max = 0;          ///< of the body of a POST, at most http_request_body_bytes_max; more gets 413; 0: no POST
  unsigned connections_per_address_max = 0; ///< 0: as many as all
};

/// A small HTTP/1.1 server with one thread for each connection. The handler runs on those threads, at the same time for
/// several connections, and must be thread-safe. Destroying or stopping the server ends every body and joins all threads.
class http_server {
public:
  using handler = std::function<http_response(const http_request&)>;

  /// Binds and starts. Errors: malformed (address), io (cannot bind; the text has the reason).
  [[nodiscard]] static base::result<std::unique_ptr<http_server>> start(const http_server_config& config, handler answer);
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  uint16_t port() const;
  /// "host:port" as bound.
  const std::string& address() const;
  /// Ends all connections and joins their threads. Idempotent; never call it from a handler.
  void stop();

private:
  struct state;
  explicit http_server(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace ec::net
