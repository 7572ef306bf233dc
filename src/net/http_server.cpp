#include "net/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "net/url.hpp"

namespace ec::net {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

struct address_closer {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

base::result<int> listen_on(const host_port& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | (where.host == "localhost" ? 0 : AI_NUMERICHOST);
  addrinfo* list = nullptr;
  if (const int rc = getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &list); rc != 0)
    return fail(errc::malformed, std::string("not an address to listen on: ") + gai_strerror(rc), where.host);
  const std::unique_ptr<addrinfo, address_closer> owner(list);
  const int fd = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC, list->ai_protocol);
  if (fd < 0) return fail(errc::io, std::strerror(errno), where.host);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, 64) != 0) {
    const int why = errno;
    close(fd);
    return fail(errc::io, std::string("cannot listen: ") + std::strerror(why), where.host + ":" + std::to_string(where.port));
  }
  return fd;
}

uint16_t port_of(const sockaddr* address) {
  if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
}

std::string name_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port_of(address));
  }
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(port_of(address));
}

/// A streamed body with what is needed to notice that its client has left while nothing is being sent.
struct streaming {
  std::unique_ptr<http_body> body;
  int fd = -1;
  const std::atomic<bool>* stopping = nullptr;

  bool client_left() const {
    pollfd p{fd, POLLRDHUP, 0};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  }
};

ssize_t read_stream(void* cls, uint64_t, char* out, size_t room) {
  auto& s = *static_cast<streaming*>(cls);
  while (!*s.stopping) {
    const auto got = s.body->read({reinterpret_cast<uint8_t*>(out), room}, milliseconds(100));
    if (!got && got.error().code == errc::io) {
      // The library would end it in good order first; this resets a connection at once.
      const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
      if (connect(s.fd, &nowhere, sizeof nowhere) != 0) base::log::debug("http_server", "no-reset", {{"reason", std::strerror(errno)}});
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (!got) return MHD_CONTENT_READER_END_OF_STREAM;
    if (got.value() > 0) return static_cast<ssize_t>(std::min(got.value(), room));
    if (s.client_left()) return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  return MHD_CONTENT_READER_END_OF_STREAM;
}

void free_stream(void* cls) {
  delete static_cast<streaming*>(cls);
}

/// A buffer response keeps its bytes alive until the library has sent them.
ssize_t read_body(void* cls, uint64_t position, char* out, size_t room) {
  const auto& body = *static_cast<base::bytes*>(cls);
  if (position >= body.size()) return MHD_CONTENT_READER_END_OF_STREAM;
  const auto part = std::min<size_t>(room, body.size() - static_cast<size_t>(position));
  std::memcpy(out, body.data() + position, part);
  return static_cast<ssize_t>(part);
}

void free_body(void* cls) {
  delete static_cast<base::bytes*>(cls);
}

MHD_Result take_header(void* cls, enum MHD_ValueKind, const char* name, const char* value) {
  auto& fields = *static_cast<headers*>(cls);
  if (fields.size() >= base::limits::http_headers_max) return MHD_NO;
  fields.add(name, value ? value : "");
  return MHD_YES;
}

} // namespace

struct http_server::state {
  MHD_Daemon* daemon = nullptr;
  handler answer;
  uint16_t port = 0;
  std::string address;
  std::atomic<bool> stopping{false};

  size_t post_bytes_max = 0;

  /// What is known of a request before its handler is asked.
  struct coming {
    std::string target;        ///< raw, which the library only shows before it splits and decodes it
    std::vector<uint8_t> body;
    bool begun = false;        ///< the library calls once with the header alone, and then with parts of the body
    bool too_large = false;
  };

  static void* on_target(void*, const char* target, MHD_Connection*) { return new coming{.target = target, .body = {}}; }

  static void on_done(void*, MHD_Connection*, void** request, enum MHD_RequestTerminationCode) {
    delete static_cast<coming*>(*request);
    *request = nullptr;
  }

  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char*, const char* method, const char*,
                               const char* upload, size_t* upload_size, void** request) {
    auto& self = *static_cast<state*>(cls);
    auto* const so_far = static_cast<coming*>(*request);
    http_request in;
    in.method = method;
    const bool takes_body = in.method == "POST" && self.post_bytes_max > 0 && so_far != nullptr;
    if (takes_body && !so_far->begun) {
      so_far->begun = true;
      return MHD_YES; // an answer now would close the connection before the body is read
    }
    if (*upload_size != 0) {
      // A body nobody asked for is read and forgotten, the answer stands.
      if (takes_body && !so_far->too_large) {
        so_far->too_large = so_far->body.size() + *upload_size > self.post_bytes_max;
        if (so_far->too_large) so_far->body = {};
        else so_far->body.insert(so_far->body.end(), upload, upload + *upload_size);
      }
      *upload_size = 0;
      return MHD_YES;
    }
    const std::string target = so_far ? so_far->target : "/";
    const auto question = target.find('?');
    in.path = target.substr(0, question);
    if (question != std::string::npos) in.query = target.substr(question + 1);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &take_header, &in.headers);
    if (const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS); info && info->client_addr)
      in.peer = name_of(info->client_addr);

    http_response out;
    if (in.method != "GET" && in.method != "HEAD" && !takes_body) {
      out.status = 405;
      out.headers.add("Allow", self.post_bytes_max > 0 ? "GET, HEAD, POST" : "GET, HEAD");
    } else if (takes_body && so_far->too_large) {
      out.status = 413;
    } else if (in.path.empty() || in.path.front() != '/') {
      out.status = 400;
    } else {
      if (takes_body) in.body = base::bytes::adopt(std::move(so_far->body));
      out = self.answer(in);
    }
    return self.send(connection, std::move(out));
  }

  MHD_Result send(MHD_Connection* connection, http_response out) {
    MHD_Response* response = nullptr;
    if (out.stream) {
      const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      const int fd = info ? info->connect_fd : -1;
      // A client whose host vanished must not keep the stream for ever.
      const unsigned user_timeout_ms = 15000;
      setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
      const int on = 1;
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, static_cast<unsigned>(out.reader_patience.count()));
      auto s = std::make_unique<streaming>(streaming{std::move(out.stream), fd, &stopping});
      response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, base::limits::http_stream_block_bytes, &read_stream, s.get(),
                                                   &free_stream);
      if (!response) return MHD_NO;
      s.release(); // freed by free_stream
      // HTTP/1.1 in the status line, but closed at the end and never chunked.
      if (!out.chunked) MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    } else {
      auto body = std::make_unique<base::bytes>(std::move(out.body));
      response = MHD_create_response_from_callback(body->size(), 32 << 10, &read_body, body.get(), &free_body);
      if (!response) return MHD_NO;
      body.release(); // freed by free_body
    }
    for (const auto& [name, value] : out.headers) MHD_add_response_header(response, name.c_str(), value.c_str());
    const auto rc = MHD_queue_response(connection, static_cast<unsigned>(out.status), response);
    MHD_destroy_response(response);
    return rc;
  }
};

http_server::http_server(std::unique_ptr<state> s) : state_(std::move(s)) {}

http_server::~http_server() {
  stop();
}

base::result<std::unique_ptr<http_server>> http_server::start(const http_server_config& config, handler answer) {
  EC_TRY(const auto where, parse_host_port(config.listen));
  EC_TRY(const auto fd, listen_on(where));
  auto s = std::make_unique<state>();
  s->answer = std::move(answer);
  s->post_bytes_max = std::min(config.post_bytes_max, base::limits::http_request_body_bytes_max);
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
  s->port = port_of(reinterpret_cast<sockaddr*>(&bound));
  s->address = name_of(reinterpret_cast<sockaddr*>(&bound));
  const unsigned flags = unsigned{MHD_USE_INTERNAL_POLLING_THREAD} | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
                         (bound.ss_family == AF_INET6 ? unsigned{MHD_USE_IPv6} : 0u);
  s->daemon = MHD_start_daemon(flags, 0, nullptr, nullptr, &state::on_request, s.get(),
    MHD_OPTION_LISTEN_SOCKET, fd,
    MHD_OPTION_CONNECTION_LIMIT, config.connections_max,
    MHD_OPTION_PER_IP_CONNECTION_LIMIT, config.connections_per_address_max,
    MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(config.idle.count()),
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, base::limits::http_connection_bytes,
    MHD_OPTION_URI_LOG_CALLBACK, &state::on_target, nullptr,
    MHD_OPTION_NOTIFY_COMPLETED, &state::on_done, nullptr,
    MHD_OPTION_END);
  if (!s->daemon) {
    close(fd);
    return fail(errc::io, "the HTTP server does not start", s->address);
  }
  return std::unique_ptr<http_server>(new http_server(std::move(s)));
}

uint16_t http_server::port() const {
  return state_->port;
}

const std::string& http_server::address() const {
  return state_->address;
}

void http_server::stop() {
  if (!state_->daemon) return;
  state_->stopping = true;
  MHD_stop_daemon(state_->daemon);
  state_->daemon = nullptr;
}

} // namespace ec::net
