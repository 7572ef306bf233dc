#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/http_client.hpp"

namespace ec::tuner {

enum class source_kind { hdhomerun, http, file, standard_input, udp, rtp, dvb, hls };

/// Why a source gives nothing more.
enum class fault_kind {
  ended,           ///< the input is over: a file's end, or the stream that the server closed
  stopped,         ///< stop() was called
  busy,            ///< all tuners are in use, or this one is (803, 804, 805, 809, a bare 503)
  no_signal,       ///< tuned, but nothing came (806, 807)
  unknown_channel, ///< the device does not have it (801, 404)
  content_protected, ///< the device will not send it to anybody (811)
  refused_content, ///< the device will not send it so, or cannot (802, 808, 810)
  unreachable,     ///< refused, no route, host unknown, reset
  stalled,         ///< connected, and then silence
  http_status,     ///< any other status
  unreadable,      ///< the file cannot be read, or the answer is no HTTP, or no stream by its content type
};

/// What to do about a fault.
enum class retry_advice {
  never,     ///< over, or wrong for good
  soon,      ///< try again with the usual back-off
  patiently, ///< somebody else must act first (a tuner freed, a signal back): back off to the cap
};

/// One fault of a source.
struct source_fault {
  fault_kind kind = fault_kind::ended;
  retry_advice retry = retry_advice::never;
  int http_status = 0; ///< 0: none
  int device_code = 0; ///< 801..811 of X-HDHomeRun-Error; 0: none
  std::string text;    ///< for a person, names the source
};

/// Stable lower-case names for logs and metrics: "unknown-channel", "patiently".
std::string_view name(source_kind kind);
std::string_view name(fault_kind kind);
std::string_view name(retry_advice advice);

/// What a status other than 200 means; `device_error` is the header X-HDHomeRun-Error, may be empty.
source_fault fault_of_answer(int status, std::string_view device_error, std::string_view about);

/// What is known of a source before a byte is read: the fields of a source-scoped stream id.
struct source_facts {
  source_kind kind = source_kind::file;
  std::string device;  ///< "host:port", "group:port" of datagrams, or the file's name; empty for standard input
  std::string channel; ///< "5.1" of an HDHomeRun; the URL's path for http and hls; else empty
  std::string spec;    ///< as given
  bool live = false;   ///< real time decides the pace: a slow reader loses; otherwise the source waits for its reader
  bool transcoded = false;     ///< the device was asked to code it anew: not the station's bytes
  std::optional<net::url> url; ///< of http, hls and hdhomerun
};

/// A stream of TS bytes from anywhere. One thread reads; `stop` may be called from any thread. It connects at the first
/// `read`. After a fault a source stays down: open another one.
class source {
public:
  virtual ~source() = default;

  /// The bytes that came next, cut anywhere; empty if nothing came within `wait`. Errors: closed (the input ended in good
  /// order, or `stop`), busy, not_found, refused, timeout, io, malformed; `fault()` then says more.
  [[nodiscard]] virtual base::result<base::bytes> read(std::chrono::milliseconds wait) = 0;
  /// Wakes `read`, which then fails with closed. Thread-safe, idempotent.
  virtual void stop() = 0;

  const source_facts& facts() const { return facts_; }
  /// True if something is known to be missing right in front of the bytes that the last `read` gave.
  bool gap_before() const { return gap_; }
  /// Set once `read` has failed.
  const std::optional<source_fault>& fault() const { return fault_; }

protected:
  explicit source(source_facts facts) : facts_(std::move(facts)) {}
  /// Remembers the fault and makes the error that `read` returns.
  base::error down(source_fault fault);
  /// What `gap_before` says of the bytes that `read` is about to give.
  void mark_gap(bool gap) { gap_ = gap; }

private:
  source_facts facts_;
  std::optional<source_fault> fault_;
  bool gap_ = false;
};

/// The fastest that a file may be played, times real time.
inline constexpr double pace_max = 1000;

struct source_options {
  net::http_timeouts timeouts;
  /// Files and standard input only. 0: as fast as the reader takes it. Otherwise PCR sets the pace: 1 is real time, 2 twice
  /// as fast.
  double pace = 0;
};

/// Reads what `--input` takes: `http://host:5004/auto/v5.1[?duration=S]`, `http://host:5004/tuner1/v5.1`,
/// `hdhomerun://host/auto/v5.1` (port 5004), `hdhomerun://host/v5.1` (the same), any other http(s) URL of a transport stream, or of a media
/// playlist of such segments (its path ends with .m3u8), `udp://[SENDER]@GROUP:PORT[?iface=ADDRESS]` and `rtp://` likewise, `dvb:/dev/dvb/adapterN` that
/// another program tunes, a file path, `-` for standard input. Does not connect or open yet, but a path that does not exist is an error at once.
/// Errors: malformed, unsupported, not_found, invalid_argument (pace).
[[nodiscard]] base::result<std::unique_ptr<source>> open_source(std::string_view spec, const source_options& options = {});

} // namespace ec::tuner
