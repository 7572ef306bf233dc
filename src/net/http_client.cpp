#include "net/http_client.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <curl/curl.h>

#include "base/clock.hpp"

namespace ec::net {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

struct easy_closer {
  void operator()(CURL* h) const { curl_easy_cleanup(h); }
};
struct list_closer {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct multi_closer {
  void operator()(CURLM* h) const { curl_multi_cleanup(h); }
};
using easy_handle = std::unique_ptr<CURL, easy_closer>;
using multi_handle = std::unique_ptr<CURLM, multi_closer>;

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

base::error from_curl(CURLcode code, const char* detail, const std::string& about) {
  const std::string text = detail && *detail ? detail : curl_easy_strerror(code);
  switch (code) {
  case CURLE_COULDNT_CONNECT:
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR: return {errc::closed, text, about};
  case CURLE_OPERATION_TIMEDOUT: return {errc::timeout, text, about};
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY: return {errc::malformed, "the answer is no HTTP", about};
  default: return {errc::io, text, about};
  }
}

void set_common(CURL* easy, const std::string& target, const http_timeouts& timeouts) {
  curl_easy_setopt(easy, CURLOPT_URL, target.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "ec-node/" EC_VERSION);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeouts.connect.count()));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
}

} // namespace

struct http_stream::state {
  url from;
  std::string target;
  http_timeouts timeouts;
  http_call call;
  std::unique_ptr<curl_slist, list_closer> call_headers; ///< as the library keeps them; outlives the request
  multi_handle multi;
  easy_handle easy;
  char detail[CURL_ERROR_SIZE] = {};
  std::vector<uint8_t> waiting;  ///< body bytes not yet handed out
  size_t bytes_max = base::limits::http_burst_bytes_max;
  net::headers fields;
  int status = 0;
  bool header_done = false;
  bool paused = false;
  bool done = false;
  CURLcode outcome = CURLE_OK;
  base::mono_time last_byte{};
  std::atomic<bool> stopped{false};

  static size_t on_body(char* data, size_t size, size_t count, void* self_ptr) {
    auto& self = *static_cast<state*>(self_ptr);
    const size_t length = size * count;
    if (!self.waiting.empty() && self.waiting.size() + length > self.bytes_max) {
      self.paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    // One allocation for what a read usually finds, not one for each doubling.
    if (self.waiting.capacity() == 0) self.waiting.reserve(std::min<size_t>(self.bytes_max, 64 << 10));
    self.waiting.insert(self.waiting.end(), data, data + length);
    return length;
  }

  static size_t on_header(char* data, size_t size, size_t count, void* self_ptr) {
    auto& self = *static_cast<state*>(self_ptr);
    const size_t length = size * count;
    std::string_view line(data, length);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    if (line.substr(0, 5) == "HTTP/") {
      self.fields.clear();
    } else if (line.empty()) {
      long code = 0;
      curl_easy_getinfo(self.easy.get(), CURLINFO_RESPONSE_CODE, &code);
      self.status = static_cast<int>(code);
      self.header_done = code >= 200;
    } else if (self.fields.size() < base::limits::http_headers_max) {
      const auto colon = line.find(':');
      if (colon != std::string_view::npos) {
        auto value = line.substr(colon + 1);
        while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
        while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
        self.fields.add(std::string(line.substr(0, colon)), std::string(value));
      }
    }
    return length;
  }

  /// Lets the library work once; waits for the socket up to `wait` if there is nothing to do.
  base::result<void> turn(milliseconds wait) {
    int running = 0;
    if (paused && waiting.empty()) {
      paused = false;
      curl_easy_pause(easy.get(), CURLPAUSE_CONT);
    } else if (header_done && waiting.empty() && wait.count() > 0) {
      // A body that is read as it comes is mostly waited for: asking the library first would cost three calls for nothing.
      block(wait);
      wait = milliseconds{0};
    }
    if (const auto code = curl_multi_perform(multi.get(), &running); code != CURLM_OK)
      return fail(errc::io, curl_multi_strerror(code), target);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left))
      if (message->msg == CURLMSG_DONE) {
        done = true;
        outcome = message->data.result;
      }
    if (done || !waiting.empty() || stopped || wait.count() <= 0) return base::ok();
    block(wait);
    return base::ok();
  }

  void block(milliseconds wait) {
    curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(std::min<int64_t>(wait.count(), 60000)), nullptr);
  }
};

http_stream::http_stream(url from, http_timeouts timeouts, http_call call) : state_(std::make_unique<state>()) {
  start_library();
  state_->from = std::move(from);
  state_->target = state_->from.text();
  state_->timeouts = timeouts;
  state_->call = std::move(call);
  state_->multi.reset(curl_multi_init());
}

http_stream::~http_stream() {
  if (state_->easy) curl_multi_remove_handle(state_->multi.get(), state_->easy.get());
}

base::result<void> http_stream::open() {
  auto& s = *state_;
  if (s.easy) return fail(errc::invalid_argument, "the stream is already open", s.target);
  s.easy.reset(curl_easy_init());
  if (!s.easy || !s.multi) return fail(errc::internal, "the HTTP library does not start", s.target);
  auto* easy = s.easy.get();
  set_common(easy, s.target, s.timeouts);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s.detail);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 128L << 10);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &state::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &s);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &state::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &s);
  for (const auto& [name, value] : s.call.headers) {
    auto* longer = curl_slist_append(s.call_headers.get(), (name + ": " + value).c_str());
    if (longer == nullptr) return fail(errc::internal, "no memory for a header", s.target);
    static_cast<void>(s.call_headers.release());
    s.call_headers.reset(longer);
  }
  if (s.call_headers) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, s.call_headers.get());
  if (s.call.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(s.call.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, s.call.body.empty() ? "" : reinterpret_cast<const char*>(s.call.body.data()));
  }
  curl_multi_add_handle(s.multi.get(), easy);
  const auto deadline = base::mono_now() + s.timeouts.connect + s.timeouts.header;
  while (!s.header_done) {
    if (s.stopped) return fail(errc::closed, "stopped", s.target);
    const auto left = std::chrono::ceil<milliseconds>(deadline - base::mono_now());
    if (left.count() <= 0) return fail(errc::timeout, "no answer within the time for the response header", s.target);
    EC_TRYV(s.turn(std::min(left, milliseconds(500))));
    if (s.done && !s.header_done) {
      if (s.outcome == CURLE_OK) return fail(errc::closed, "the server closed the connection without an answer", s.target);
      return fail(from_curl(s.outcome, s.detail, s.target));
    }
  }
  s.last_byte = base::mono_now();
  return base::ok();
}

int http_stream::status() const {
  return state_->status;
}

const net::headers& http_stream::headers() const {
  return state_->fields;
}

base::result<base::bytes> http_stream::read(milliseconds wait) {
  auto& s = *state_;
  if (!s.header_done) return fail(errc::invalid_argument, "the stream is not open", s.target);
  const auto deadline = base::mono_now() + wait;
  while (true) {
    if (s.stopped) return fail(errc::closed, "stopped", s.target);
    if (!s.waiting.empty()) {
      s.last_byte = base::mono_now();
      auto out = base::bytes::adopt(std::move(s.waiting));
      s.waiting = {};
      return out;
    }
    if (s.done) {
      if (s.outcome == CURLE_OK) return fail(errc::closed, "the stream ended", s.target);
      return fail(from_curl(s.outcome, s.detail, s.target));
    }
    const auto now = base::mono_now();
    if (now - s.last_byte >= s.timeouts.stall) return fail(errc::timeout, "no byte came within the time for a stall", s.target);
    const auto left = std::chrono::ceil<milliseconds>(std::min(deadline - now, s.last_byte + s.timeouts.stall - now));
    EC_TRYV(s.turn(std::max(left, milliseconds(0))));
    if (s.waiting.empty() && !s.done && !s.stopped && base::mono_now() >= deadline) {
      // What arrived while waiting is taken before the caller is told that nothing came.
      EC_TRYV(s.turn(milliseconds(0)));
      if (s.waiting.empty() && !s.done) return base::bytes{};
    }
  }
}

bool http_stream::ended() const {
  return state_->done && state_->outcome == CURLE_OK && !state_->stopped;
}

void http_stream::stop() {
  state_->stopped = true;
  if (state_->multi) curl_multi_wakeup(state_->multi.get());
}

base::result<http_answer> http_get(const url& from, const http_timeouts& timeouts, size_t body_bytes_max) {
  return http_ask(from, {}, timeouts, body_bytes_max);
}

base::result<http_answer> http_ask(const url& from, const http_call& call, const http_timeouts& timeouts, size_t body_bytes_max) {
  http_stream stream(from, timeouts, call);
  EC_TRYV(stream.open());
  const auto deadline = base::mono_now() + timeouts.stall;
  std::vector<uint8_t> body;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - base::mono_now());
    if (left.count() <= 0) return fail(errc::timeout, "the document did not come to its end in time", from.text());
    auto part = stream.read(left);
    if (!part) {
      if (stream.ended()) break;
      return fail(std::move(part).error());
    }
    if (body.size() + part.value().size() > body_bytes_max) return fail(errc::too_large, "the document is too large", from.text());
    body.insert(body.end(), part.value().begin(), part.value().end());
  }
  return http_answer{stream.status(), stream.headers(), base::bytes::adopt(std::move(body))};
}

} // namespace ec::net
