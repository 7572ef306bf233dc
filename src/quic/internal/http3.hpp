#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quic/internal/webtransport_wire.hpp"

struct nghttp3_conn;
struct nghttp3_mem;

namespace ec::quic::internal {

using http3_fields = std::vector<std::pair<std::string, std::string>>;

/// HTTP/3's own streams (control, QPACK, requests) [RFC 9114, 9204] as a codec: bytes of streams in and out, no connection. Streams of
/// WebTransport sessions never come here. The dynamic table is off in both directions.
class http3_codec {
public:
  struct event {
    enum class kind {
      settings, ///< of the peer
      fields,   ///< of a request, or of an answer that is not interim
      body,     ///< of DATA frames
      end,      ///< the peer's side of the stream is complete
      refused,  ///< the fields of this stream are more than is taken: give it up
      stop,     ///< send STOP_SENDING with `code`
      reset,    ///< send RESET_STREAM with `code`
      goaway,   ///< the peer is shutting down
    };
    kind what;
    uint64_t stream = 0;
    uint64_t code = 0;
    http3_fields fields{};
    std::vector<uint8_t> bytes{};
  };
  struct output {
    uint64_t stream = 0;
    std::vector<uint8_t> bytes;
    bool fin = false;
  };
  /// Why the connection has to end.
  struct failure {
    uint64_t code = 0; ///< of HTTP/3 or QPACK
    std::string text;
  };

  /// `settings` are sent besides those of HTTP/3 itself.
  http3_codec(bool server, http3_settings settings);
  http3_codec(const http3_codec&) = delete;
  http3_codec& operator=(const http3_codec&) = delete;
  ~http3_codec();

  /// Our own unidirectional streams, opened. Before requests and answers.
  void bind(uint64_t control, uint64_t encoder, uint64_t decoder);
  /// Bytes that the peer sent on a stream, in order.
  void read(uint64_t stream, std::span<const uint8_t> bytes, bool fin);
  /// Client: sends a request whose body stays open.
  void request(uint64_t stream, const http3_fields& fields);
  /// Server: answers; the body may go on through `send` where it stays open.
  void respond(uint64_t stream, const http3_fields& fields, std::string_view body, bool open);
  /// More of an open body.
  void send(uint64_t stream, std::span<const uint8_t> bytes, bool fin);
  /// The peer may open bidirectional streams of a number below this.
  void allow_requests(uint64_t count);
  /// No more of the peer's bytes of this stream, or no more of ours, will pass.
  void shut_read(uint64_t stream);
  void shut_write(uint64_t stream);
  /// The stream is over in both directions.
  void close(uint64_t stream);

  /// What happened, and what to write, since the last time.
  std::vector<event> take_events() { return std::exchange(events_, {}); }
  std::vector<output> take_output();
  /// Once set, nothing more is read or written.
  const std::optional<failure>& failed() const { return failed_; }
  /// Bytes that the library holds, and what is decoded of field sections that are not whole.
  size_t held() const;

private:
  struct callbacks;
  struct memory;
  struct body {
    std::vector<uint8_t> waiting; ///< from `send`
    std::vector<uint8_t> given;   ///< lent to nghttp3 until it is copied out
    bool fin = false;
  };
  struct head {
    http3_fields fields;
    size_t bytes = 0;
    bool refused = false;
  };

  void check(int64_t code, std::string_view doing);

  size_t held_ = 0; ///< by the library
  std::unique_ptr<nghttp3_mem> mem_; ///< the library keeps its address
  nghttp3_conn* conn_ = nullptr;
  http3_settings settings_;
  std::map<uint64_t, body> bodies_;
  std::map<uint64_t, head> heads_; ///< of field sections that are not complete
  std::vector<event> events_;
  std::vector<uint8_t> control_head_; ///< until the SETTINGS frame is whole
  std::optional<uint64_t> control_;
  bool settings_sent_ = false;
  uint64_t allowed_ = 0;
  std::optional<failure> failed_;
};

} // namespace ec::quic::internal
