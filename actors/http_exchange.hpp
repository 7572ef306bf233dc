#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/caf.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "moq/types.hpp"

namespace ec::actors {

/// What an HTTP client asks of a relay's loop, besides what its server answers by itself.
struct http_ask {
  enum class kind {
    announced, ///< the namespaces under `track.ns`
    fetch,     ///< one group of `track`
  };
  kind what = kind::announced;
  moq::full_track_name track;
  std::optional<uint64_t> group; ///< of a fetch; unset: the newest
  std::string query;             ///< with its access token, if it has one
  std::vector<std::string> tokens; ///< of its header fields
  std::string peer;              ///< "address:port"
};

/// The beginning of an answer.
struct http_head {
  int status = 200;
  std::string text;                            ///< of an answer that is no group: why, for a person
  std::vector<moq::track_namespace> announced; ///< of a listing
  std::optional<uint64_t> group;               ///< of a fetch: bytes follow
  std::optional<uint64_t> retry_after_seconds;
};

/// One request of an HTTP client between the thread of its connection and the loop of the relay. Its answer waits here, bounded, until it is sent. The
/// loop gives, the connection takes; both may be the first to end it. Thread-safe.
class http_exchange : public std::enable_shared_from_this<http_exchange> {
public:
  using waker = std::function<void(std::shared_ptr<http_exchange>)>;
  /// `wake`: tells the loop that there is room again, or that nobody wants the rest; on the connection's thread.
  http_exchange(http_ask ask, waker wake) : ask_(std::move(ask)), wake_(std::move(wake)) {}

  const http_ask& ask() const { return ask_; }

  // The loop's side.
  void begin(http_head head);
  /// Bytes that wait. Ask for less before giving more: nothing is refused.
  size_t waiting() const;
  void give(base::bytes part);
  /// That was all; `fault` set: not to the end. An exchange that has no head yet gets one of status 500.
  void end(std::optional<std::string> fault = {});
  /// True once nobody takes the rest.
  bool left() const;

  // The connection's side.
  /// Nothing came within `wait`: none.
  std::optional<http_head> head(std::chrono::milliseconds wait);
  /// Up to `out.size()` bytes; 0 if none came within `wait`. Errors: closed (that was all), io (a fault).
  base::result<size_t> take(std::span<uint8_t> out, std::chrono::milliseconds wait);
  /// Nothing more is wanted. Idempotent.
  void leave();

private:
  const http_ask ask_;
  const waker wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<http_head> head_;
  std::deque<base::bytes> parts_;
  size_t waiting_ = 0;
  bool hungry_ = false; ///< it was full, and the loop waits to hear that it is not
  bool ended_ = false;
  bool left_ = false;
  std::optional<std::string> fault_;
};

/// What a relay's HTTP side did since its start. Only grows. Thread-safe.
struct http_counters {
  std::atomic<uint64_t> requests{0};   ///< all of them
  std::atomic<uint64_t> malformed{0};  ///< refused for what they say
  std::atomic<uint64_t> refused{0};    ///< for want of a right to it
  std::atomic<uint64_t> not_found{0};
  std::atomic<uint64_t> groups{0};     ///< given whole
  std::atomic<uint64_t> group_bytes{0};
  std::atomic<uint64_t> cut{0};        ///< groups that were begun and not given whole: lost upstream, left, over a bound
  std::atomic<uint64_t> failed{0};     ///< nothing came in time, or no publisher gave it
};

/// For the loop: a new exchange, or one that has room again.
struct http_request_note {
  std::shared_ptr<http_exchange> exchange;
};

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::http_request_note)
