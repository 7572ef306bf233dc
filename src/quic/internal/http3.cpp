#include "quic/internal/http3.hpp"

#include <algorithm>
#include <cstdlib>

#include <malloc.h>

#include <nghttp3/nghttp3.h>

#include "base/bytes.hpp"
#include "base/limits_webtransport.hpp"

namespace ec::quic::internal {
namespace limits = base::limits;

/// Allocates for nghttp3 and counts.
struct http3_codec::memory {
  static size_t& sum(void* user) { return static_cast<http3_codec*>(user)->held_; }
  static void* counted(void* block, void* user) {
    sum(user) += malloc_usable_size(block);
    return block;
  }
  static void* allocate(size_t size, void* user) { return counted(std::malloc(size), user); }
  static void* zeroed(size_t count, size_t size, void* user) { return counted(std::calloc(count, size), user); }
  static void release(void* block, void* user) {
    sum(user) -= malloc_usable_size(block);
    std::free(block);
  }
  static void* resize(void* block, size_t size, void* user) {
    const size_t before = malloc_usable_size(block);
    void* moved = std::realloc(block, size);
    if (moved == nullptr) return nullptr;
    sum(user) -= before;
    return counted(moved, user);
  }
};

/// Callbacks note events; they are taken after the library has returned, so that no call of the user's reaches it from within.
struct http3_codec::callbacks {
  static http3_codec& self(void* user) { return *static_cast<http3_codec*>(user); }
  static std::span<const uint8_t> part(nghttp3_rcbuf* buffer) {
    const auto vec = nghttp3_rcbuf_get_buf(buffer);
    return {vec.base, vec.len};
  }
  static void note(void* user, event::kind what, int64_t stream, uint64_t code = 0) {
    self(user).events_.push_back({.what = what, .stream = static_cast<uint64_t>(stream), .code = code, .fields = {}, .bytes = {}});
  }

  static int recv_settings(nghttp3_conn*, const nghttp3_settings*, void* user) {
    note(user, event::kind::settings, -1); // of no request
    return 0;
  }

  static int begin_headers(nghttp3_conn*, int64_t id, void* user, void*) {
    self(user).heads_[static_cast<uint64_t>(id)] = {};
    return 0;
  }

  static int recv_header(nghttp3_conn*, int64_t id, int32_t, nghttp3_rcbuf* name, nghttp3_rcbuf* value, uint8_t, void* user, void*) {
    auto& head = self(user).heads_[static_cast<uint64_t>(id)];
    if (head.refused) return 0;
    const auto n = part(name);
    const auto v = part(value);
    head.bytes += n.size() + v.size() + 32;
    // Entry by entry: one byte on the wire may name a long field of the static table.
    if (head.bytes > limits::http3_fields_bytes_max) {
      head.refused = true;
      head.fields.clear();
      note(user, event::kind::refused, id);
      return 0;
    }
    head.fields.emplace_back(std::string(base::as_text(n)), std::string(base::as_text(v)));
    return 0;
  }

  static int end_headers(nghttp3_conn*, int64_t id, int, void* user, void*) {
    auto& c = self(user);
    auto head = c.heads_.extract(static_cast<uint64_t>(id));
    if (head.empty() || head.mapped().refused) return 0;
    const auto& fields = head.mapped().fields;
    const bool interim = std::ranges::any_of(fields, [](const auto& f) { return f.first == ":status" && f.second.starts_with('1'); });
    if (!interim) c.events_.push_back({.what = event::kind::fields, .stream = static_cast<uint64_t>(id), .code = 0, .fields = fields, .bytes = {}});
    return 0;
  }

  static int recv_data(nghttp3_conn*, int64_t id, const uint8_t* data, size_t size, void* user, void*) {
    self(user).events_.push_back({.what = event::kind::body, .stream = static_cast<uint64_t>(id), .code = 0, .fields = {}, .bytes = {data, data + size}});
    return 0;
  }

  static int end_stream(nghttp3_conn*, int64_t id, void* user, void*) {
    note(user, event::kind::end, id);
    return 0;
  }

  static int stop_sending(nghttp3_conn*, int64_t id, uint64_t code, void* user, void*) {
    note(user, event::kind::stop, id, code);
    return 0;
  }

  static int reset_stream(nghttp3_conn*, int64_t id, uint64_t code, void* user, void*) {
    note(user, event::kind::reset, id, code);
    return 0;
  }

  static int shutdown(nghttp3_conn*, int64_t, void* user) {
    note(user, event::kind::goaway, -1);
    return 0;
  }

  static nghttp3_ssize read_data(nghttp3_conn*, int64_t id, nghttp3_vec* vec, size_t, uint32_t* flags, void* user, void*) {
    auto& body = self(user).bodies_[static_cast<uint64_t>(id)];
    if (body.waiting.empty() && !body.fin) return NGHTTP3_ERR_WOULDBLOCK;
    if (body.fin) *flags |= NGHTTP3_DATA_FLAG_EOF;
    if (body.waiting.empty()) return 0;
    body.given = std::exchange(body.waiting, {});
    vec[0] = {body.given.data(), body.given.size()};
    return 1;
  }
};

namespace {

std::vector<nghttp3_nv> borrowed(const http3_fields& fields) {
  std::vector<nghttp3_nv> out;
  for (const auto& [name, value] : fields) {
    out.push_back({reinterpret_cast<const uint8_t*>(name.data()), reinterpret_cast<const uint8_t*>(value.data()), name.size(), value.size(), NGHTTP3_NV_FLAG_NONE});
  }
  return out;
}

} // namespace

http3_codec::http3_codec(bool server, http3_settings settings) : settings_(std::move(settings)) {
  nghttp3_callbacks cb{};
  cb.recv_settings = callbacks::recv_settings;
  cb.begin_headers = callbacks::begin_headers;
  cb.recv_header = callbacks::recv_header;
  cb.end_headers = callbacks::end_headers;
  cb.recv_data = callbacks::recv_data;
  cb.end_stream = callbacks::end_stream;
  cb.stop_sending = callbacks::stop_sending;
  cb.reset_stream = callbacks::reset_stream;
  cb.shutdown = callbacks::shutdown;
  nghttp3_settings own;
  nghttp3_settings_default(&own);
  own.max_field_section_size = limits::http3_fields_bytes_max;
  own.qpack_max_dtable_capacity = 0;
  own.qpack_encoder_max_dtable_capacity = 0;
  own.qpack_blocked_streams = 0;
  own.enable_connect_protocol = server ? 1 : 0;
  own.h3_datagram = 1;
  mem_ = std::make_unique<nghttp3_mem>(nghttp3_mem{this, memory::allocate, memory::release, memory::zeroed, memory::resize});
  const int rc = server ? nghttp3_conn_server_new(&conn_, &cb, &own, mem_.get(), this)
                        : nghttp3_conn_client_new(&conn_, &cb, &own, mem_.get(), this);
  if (rc != 0) conn_ = nullptr;
  check(rc, "HTTP/3 cannot start");
}

http3_codec::~http3_codec() {
  if (conn_) nghttp3_conn_del(conn_);
}

size_t http3_codec::held() const {
  size_t sum = held_;
  for (const auto& [id, h] : heads_) sum += h.bytes;
  return sum;
}

void http3_codec::check(int64_t code, std::string_view doing) {
  if (code >= 0 || failed_) return;
  const int rc = static_cast<int>(code);
  failed_ = {nghttp3_err_infer_quic_app_error_code(rc), std::string(doing) + ": " + nghttp3_strerror(rc)};
}

void http3_codec::bind(uint64_t control, uint64_t encoder, uint64_t decoder) {
  if (failed_) return;
  control_ = control;
  check(nghttp3_conn_bind_control_stream(conn_, static_cast<int64_t>(control)), "no control stream");
  if (!failed_) check(nghttp3_conn_bind_qpack_streams(conn_, static_cast<int64_t>(encoder), static_cast<int64_t>(decoder)), "no QPACK streams");
}

void http3_codec::read(uint64_t stream, std::span<const uint8_t> bytes, bool fin) {
  if (failed_ || (bytes.empty() && !fin)) return;
  static constexpr uint8_t nothing = 0;
  check(nghttp3_conn_read_stream(conn_, static_cast<int64_t>(stream), bytes.empty() ? &nothing : bytes.data(), bytes.size(), fin ? 1 : 0),
        "the peer broke HTTP/3");
}

void http3_codec::request(uint64_t stream, const http3_fields& fields) {
  if (failed_) return;
  const auto nv = borrowed(fields);
  bodies_[stream] = {};
  const nghttp3_data_reader reader{callbacks::read_data};
  check(nghttp3_conn_submit_request(conn_, static_cast<int64_t>(stream), nv.data(), nv.size(), &reader, nullptr), "no request can be made");
}

void http3_codec::respond(uint64_t stream, const http3_fields& fields, std::string_view body, bool open) {
  if (failed_) return;
  const auto nv = borrowed(fields);
  auto& out = bodies_[stream];
  out.waiting.assign(body.begin(), body.end());
  out.fin = !open;
  const nghttp3_data_reader reader{callbacks::read_data};
  const int rc = nghttp3_conn_submit_response(conn_, static_cast<int64_t>(stream), nv.data(), nv.size(), open || !body.empty() ? &reader : nullptr);
  if (rc != NGHTTP3_ERR_STREAM_NOT_FOUND) check(rc, "no answer can be made");
}

void http3_codec::send(uint64_t stream, std::span<const uint8_t> bytes, bool fin) {
  const auto at = bodies_.find(stream);
  if (failed_ || at == bodies_.end() || at->second.fin) return;
  at->second.waiting.insert(at->second.waiting.end(), bytes.begin(), bytes.end());
  at->second.fin = fin;
  check(nghttp3_conn_resume_stream(conn_, static_cast<int64_t>(stream)), "a body cannot go on");
}

void http3_codec::allow_requests(uint64_t count) {
  if (failed_ || count <= allowed_) return;
  allowed_ = count;
  nghttp3_conn_set_max_client_streams_bidi(conn_, count);
}

void http3_codec::shut_read(uint64_t stream) {
  heads_.erase(stream);
  if (!failed_) check(nghttp3_conn_shutdown_stream_read(conn_, static_cast<int64_t>(stream)), "a stream cannot be left");
}

void http3_codec::shut_write(uint64_t stream) {
  if (!failed_) nghttp3_conn_shutdown_stream_write(conn_, static_cast<int64_t>(stream));
}

void http3_codec::close(uint64_t stream) {
  if (failed_) return;
  const int rc = nghttp3_conn_close_stream(conn_, static_cast<int64_t>(stream), NGHTTP3_H3_NO_ERROR);
  if (rc != NGHTTP3_ERR_STREAM_NOT_FOUND) check(rc, "the peer closed a stream that HTTP/3 needs");
  bodies_.erase(stream);
  heads_.erase(stream);
}

std::vector<http3_codec::output> http3_codec::take_output() {
  std::vector<output> out;
  while (!failed_) {
    int64_t id = -1;
    int fin = 0;
    nghttp3_vec parts[16];
    const auto count = nghttp3_conn_writev_stream(conn_, &id, &fin, parts, std::size(parts));
    check(count, "HTTP/3 cannot write");
    if (failed_ || id < 0) break;
    output o{static_cast<uint64_t>(id), {}, fin != 0};
    for (nghttp3_ssize i = 0; i < count; ++i) o.bytes.insert(o.bytes.end(), parts[i].base, parts[i].base + parts[i].len);
    // The bytes are ours from here on: the library need not keep them.
    check(nghttp3_conn_add_write_offset(conn_, id, o.bytes.size()), "HTTP/3 cannot write");
    if (!failed_) check(nghttp3_conn_add_ack_offset(conn_, id, o.bytes.size()), "HTTP/3 cannot write");
    if (o.stream == control_ && !settings_sent_) {
      control_head_.insert(control_head_.end(), o.bytes.begin(), o.bytes.end());
      auto whole = with_settings(control_head_, settings_);
      if (!whole) {
        if (whole.error().code == base::errc::need_more) continue;
        failed_ = {h3_internal_error, whole.error().message()};
        break;
      }
      settings_sent_ = true;
      control_head_.clear();
      o.bytes = std::move(whole.value());
    }
    out.push_back(std::move(o));
  }
  return out;
}

} // namespace ec::quic::internal
