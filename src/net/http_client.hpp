#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "net/headers.hpp"
#include "net/url.hpp"

namespace ec::net {

/// How long each step of a request may take.
struct http_timeouts {
  std::chrono::milliseconds connect{5000};
  /// From the connection to the response header. A tuner may think for 5 s before it says 503.
  std::chrono::milliseconds header{15000};
  /// A stream without a byte for so long has stalled.
  std::chrono::milliseconds stall{10000};
};

/// A whole answer, whatever its status.
struct http_answer {
  int status = 0; ///< 100..599
  net::headers headers;
  base::bytes body;
};

/// Fetches a small document. Redirects are not followed, no proxy is used. Blocks for at most connect + header + stall.
/// A status of 400 and more is an answer, not an error. Errors: closed (refused, reset, host unknown), timeout, too_large
/// (body over `body_bytes_max`), malformed (no HTTP), io.
[[nodiscard]] base::result<http_answer> http_get(const url& from, const http_timeouts& timeouts = {},
                                                 size_t body_bytes_max = base::limits::http_body_bytes_max);

/// What is asked of a server, beside its URL.
struct http_call {
  std::string method = "GET"; ///< or "POST"
  net::headers headers = {};  ///< beside those that every request has; values without line breaks
  base::bytes body = {};      ///< of a POST
};

/// The same as http_get for any call.
[[nodiscard]] base::result<http_answer> http_ask(const url& from, const http_call& call, const http_timeouts& timeouts = {},
                                                 size_t body_bytes_max = base::limits::http_body_bytes_max);

/// The body of one answer, read as it comes. One thread opens and reads; `stop` may be called from any thread.
/// What is not read stays in the socket, so that the sender feels the pressure.
class http_stream {
public:
  explicit http_stream(url from, http_timeouts timeouts = {}, http_call call = {});
  ~http_stream();
  http_stream(const http_stream&) = delete;
  http_stream& operator=(const http_stream&) = delete;

  /// Connects and waits for the response header. Succeeds for every status: look at `status()`.
  /// Errors: closed (refused, reset, host unknown, stopped), timeout (connection or header), malformed (no HTTP), io.
  [[nodiscard]] base::result<void> open();
  /// Status of the answer after `open`, 100..599.
  int status() const;
  const net::headers& headers() const;

  /// The bytes that came since the last call, at most some limits::http_burst_bytes_max; empty if nothing came within `wait`.
  /// Errors: closed (the body ended, or `stop`), timeout (stalled), io (broken off).
  [[nodiscard]] base::result<base::bytes> read(std::chrono::milliseconds wait);
  /// True once the body ended in good order, rather than by a fault or `stop`.
  bool ended() const;

  /// Wakes `open` and `read`, which then fail with closed, now and ever after. Thread-safe.
  void stop();

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace ec::net
