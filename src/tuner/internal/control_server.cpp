#include "tuner/internal/control_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/limits_tuner.hpp"
#include "base/log.hpp"
#include "net/url.hpp"
#include "tuner/internal/descriptor.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

struct connection {
  descriptor socket;
  std::string peer;
  std::vector<uint8_t> in;
  uint64_t last_used = 0;
  bool over = false;
};

std::string host_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return text.data();
}

/// The address of this host by which `peer` is reached.
std::string address_towards(const sockaddr_in& peer) {
  const descriptor probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  socklen_t size = sizeof own;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0 ||
      getsockname(probe.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return "127.0.0.1";
  return host_of(own);
}

struct sockets {
  descriptor udp, tcp;
  sockaddr_in bound{};
};

base::result<sockets> bind_both(sockaddr_in at) {
  sockets out;
  out.udp = descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  out.tcp = descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  // After a restart the port may still be in TIME_WAIT.
  setsockopt(out.tcp.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto address = [](sockaddr_in& a) { return reinterpret_cast<sockaddr*>(&a); };
  socklen_t size = sizeof at;
  if (bind(out.udp.get(), address(at), sizeof at) != 0 || getsockname(out.udp.get(), address(at), &size) != 0 ||
      bind(out.tcp.get(), address(at), sizeof at) != 0 || listen(out.tcp.get(), 16) != 0)
    return fail(errc::io, std::strerror(errno), host_of(at) + ":" + std::to_string(ntohs(at.sin_port)));
  out.bound = at;
  return out;
}

} // namespace

struct control_server::state {
  std::unique_ptr<control_device> device;
  net::host_port documents;
  sockets listening;
  std::string address;
  descriptor wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::vector<connection> connections;
  uint64_t turn = 0;
  std::thread thread;

  std::string base_url(const sockaddr_in& peer) const {
    const bool wildcard = documents.host == "0.0.0.0" || documents.host == "::";
    return "http://" + net::url{"http", wildcard ? address_towards(peer) : documents.host, documents.port, "/", ""}.authority();
  }

  void run() {
    bool over = false;
    while (!over) {
      std::vector<pollfd> fds{{wake.get(), POLLIN, 0}, {listening.udp.get(), POLLIN, 0}, {listening.tcp.get(), POLLIN, 0}};
      for (const auto& c : connections) fds.push_back({c.socket.get(), POLLIN, 0});
      if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
      over = fds[0].revents != 0;
      for (size_t i = 0; i < connections.size(); ++i)
        connections[i].over = fds[i + 3].revents != 0 && !serve(connections[i]);
      std::erase_if(connections, [](const connection& c) { return c.over; });
      if (fds[1].revents != 0) discover();
      if (fds[2].revents != 0) accept_one();
      ++turn;
    }
    connections.clear();
    device.reset(); // and its streams
  }

  void discover() {
    std::array<uint8_t, 2048> datagram{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const auto got = recvfrom(listening.udp.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0) return;
    const auto reply = device->discovered({datagram.data(), static_cast<size_t>(got)}, base_url(from));
    if (!reply.empty()) sendto(listening.udp.get(), reply.data(), reply.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&from), size);
  }

  void accept_one() {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    descriptor taken(accept4(listening.tcp.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (taken.get() < 0) return;
    if (connections.size() >= base::limits::control_connections_max) connections.erase(std::ranges::min_element(connections, {}, &connection::last_used));
    connections.push_back({std::move(taken), host_of(from), {}, turn});
  }

  /// False: to be closed.
  bool serve(connection& c) {
    std::array<uint8_t, 4096> block{};
    const auto got = recv(c.socket.get(), block.data(), block.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    c.last_used = turn;
    c.in.insert(c.in.end(), block.begin(), block.begin() + got);
    while (true) {
      const auto size = control_packet_size(c.in);
      if (!size) return size.error().code == errc::need_more;
      if (c.in.size() < size.value()) return true;
      const auto reply = device->answer(std::span(c.in).first(size.value()), c.peer);
      if (!reply) {
        base::log::info("simulator", "control-refused", {{"peer", c.peer}, {"why", reply.error().message()}});
        return false;
      }
      // A client that does not read its answers is no client.
      const auto& out = reply.value();
      if (send(c.socket.get(), out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size())) return false;
      c.in.erase(c.in.begin(), c.in.begin() + static_cast<ptrdiff_t>(size.value()));
    }
  }
};

control_server::control_server(std::unique_ptr<state> s) : state_(std::move(s)) {}

control_server::~control_server() {
  stop();
}

base::result<std::unique_ptr<control_server>> control_server::start(const std::string& listen, std::string documents, control_device_config config) {
  EC_TRY(const auto at, net::parse_host_port(listen));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(at.port);
  if (inet_pton(AF_INET, (at.host == "localhost" ? "127.0.0.1" : at.host).c_str(), &address.sin_addr) != 1)
    return fail(errc::malformed, "expected an IPv4 address and a port", listen);
  auto s = std::make_unique<state>();
  EC_TRY(s->documents, net::parse_host_port(documents));
  // A port that the kernel picked for UDP may be taken for TCP: then another one.
  auto bound = bind_both(address);
  for (int i = 0; i < 16 && !bound && at.port == 0; ++i) bound = bind_both(address);
  if (!bound) return fail(bound.error());
  s->listening = std::move(bound).value();
  s->address = host_of(s->listening.bound) + ":" + std::to_string(ntohs(s->listening.bound.sin_port));
  s->device = std::make_unique<control_device>(std::move(config));
  s->thread = std::thread([self = s.get()] { self->run(); });
  return std::unique_ptr<control_server>(new control_server(std::move(s)));
}

const std::string& control_server::address() const {
  return state_->address;
}

void control_server::stop() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(state_->wake.get(), &one, sizeof one);
  if (state_->thread.joinable()) state_->thread.join();
}

} // namespace ec::tuner::internal
