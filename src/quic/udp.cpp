#include "quic/udp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace ec::quic {
namespace {

using base::errc;
using base::fail;
using base::result;

constexpr size_t receive_batch = 16;
constexpr size_t receive_bytes = 65536; // what GRO may join; pages that are never used are never there
constexpr size_t send_batch = 32;
constexpr size_t unreachable_max = 64;

/// Room for PKTINFO, ECN and UDP_SEGMENT or UDP_GRO.
constexpr size_t control_bytes = CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int));

struct alignas(cmsghdr) control_buffer {
  std::array<uint8_t, control_bytes> raw;
};

class control_writer {
public:
  control_writer(msghdr& message, control_buffer& buffer) : message_(message), buffer_(buffer) {
    message_.msg_control = buffer_.raw.data();
    message_.msg_controllen = 0;
  }

  template <class T>
  void add(int level, int type, const T& value) {
    auto* header = reinterpret_cast<cmsghdr*>(buffer_.raw.data() + message_.msg_controllen);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof(T));
    std::memcpy(CMSG_DATA(header), &value, sizeof(T));
    message_.msg_controllen += CMSG_SPACE(sizeof(T));
  }

private:
  msghdr& message_;
  control_buffer& buffer_;
};

template <class T>
T control_value(const cmsghdr& header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(&header), sizeof(T));
  return value;
}

class socket_port final : public udp_port {
public:
  socket_port(int fd, const udp_options& options) : fd_(fd), gso_(options.gso) {
    buffers_ = std::make_unique_for_overwrite<uint8_t[]>(receive_batch * receive_bytes);
  }
  ~socket_port() override { ::close(fd_); }

  result<void> set_up(const socket_address& local, const udp_options& options);

  int fd() const override { return fd_; }
  socket_address local() const override { return local_; }
  size_t send(std::span<const udp_batch> batches, base::mono_time) override;
  std::span<const udp_arrival> receive() override;
  std::optional<udp_unreachable> next_unreachable() override;
  const udp_counters& counters() const override { return counters_; }
  base::mono_time now(base::mono_time given) const override { return std::max(given, base::mono_now()); }

private:
  void fill(msghdr& message, iovec& part, control_buffer& control, sockaddr_in6& name, const udp_batch& batch, std::span<const uint8_t> bytes);
  size_t send_whole(std::span<const udp_batch> batches, bool& full);
  bool send_split(const udp_batch& batch);
  /// What to do after a failed send of `remote`.
  enum class verdict { retry, full, drop };
  verdict judge(int error, const socket_address& remote, bool& retried);
  void drain_errors();
  void option(int level, int option_name, int value) { (void)::setsockopt(fd_, level, option_name, &value, sizeof value); }

  int fd_;
  bool v6_ = false;
  bool gso_;
  bool idle_ = false; ///< the last receive found nothing
  socket_address local_;
  udp_counters counters_;
  std::unique_ptr<uint8_t[]> buffers_;
  std::array<udp_arrival, receive_batch> arrivals_;
  std::deque<udp_unreachable> unreachable_;
};

result<void> socket_port::set_up(const socket_address& local, const udp_options& options) {
  v6_ = local.v6();
  const auto system = [&](const char* what) {
    return fail(errno == EACCES || errno == EPERM ? errc::permission : errno == EADDRINUSE ? errc::busy : errc::io,
                std::string(what) + ": " + std::strerror(errno), local.to_string());
  };
  if (v6_) option(IPPROTO_IPV6, IPV6_V6ONLY, local.wildcard() ? 0 : 1);
  if (options.reuse_port) option(SOL_SOCKET, SO_REUSEPORT, 1);
  if (::bind(fd_, local.data(), local.size()) != 0) return system("cannot bind");

  // Options that a system may lack cost features, not the endpoint: ECN, replies from the right address, PMTU discovery.
  option(IPPROTO_IP, IP_RECVTOS, 1);
  option(IPPROTO_IP, IP_RECVERR, 1);
  option(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (v6_) {
    option(IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    option(IPPROTO_IPV6, IPV6_RECVERR, 1);
    option(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    option(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  } else {
    option(IPPROTO_IP, IP_PKTINFO, 1);
  }
  if (options.gro) option(IPPROTO_UDP, UDP_GRO, 1);
  // FORCE needs a privilege and goes over the system's limit; without it the system grants what it allows.
  for (const auto& [force, plain, size] : {std::array<int, 3>{SO_RCVBUFFORCE, SO_RCVBUF, static_cast<int>(options.receive_buffer_bytes)},
                                           std::array<int, 3>{SO_SNDBUFFORCE, SO_SNDBUF, static_cast<int>(options.send_buffer_bytes)}}) {
    if (::setsockopt(fd_, SOL_SOCKET, force, &size, sizeof size) != 0) option(SOL_SOCKET, plain, size);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return system("cannot tell the local address");
  local_ = socket_address::from(reinterpret_cast<const sockaddr*>(&bound), size);
  return base::ok();
}

void socket_port::fill(msghdr& message, iovec& part, control_buffer& control, sockaddr_in6& name, const udp_batch& batch,
                       std::span<const uint8_t> bytes) {
  const auto remote = v6_ ? batch.remote.mapped() : batch.remote;
  std::memcpy(&name, remote.data(), remote.size());
  part = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
  message = {};
  message.msg_name = &name;
  message.msg_namelen = remote.size();
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  control_writer controls(message, control);
  if (batch.local.specified() && !batch.local.wildcard() && local_.wildcard()) {
    if (v6_) {
      in6_pktinfo info{};
      const auto from = batch.local.mapped();
      std::memcpy(&info.ipi6_addr, from.host_bytes().data(), sizeof info.ipi6_addr);
      controls.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, batch.local.host_bytes().data(), sizeof info.ipi_spec_dst);
      controls.add(IPPROTO_IP, IP_PKTINFO, info);
    }
  }
  if (batch.ecn != 0) {
    if (batch.remote.v6()) controls.add(IPPROTO_IPV6, IPV6_TCLASS, static_cast<int>(batch.ecn));
    else controls.add(IPPROTO_IP, IP_TOS, static_cast<int>(batch.ecn));
  }
  if (bytes.size() > batch.segment) controls.add(IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(batch.segment));
  if (message.msg_controllen == 0) message.msg_control = nullptr;
}

socket_port::verdict socket_port::judge(int error, const socket_address& remote, bool& retried) {
  switch (error) {
  case EINTR: return verdict::retry;
  case EAGAIN:
  case ENOBUFS:
  case ENOMEM: return verdict::full;
  case ECONNREFUSED:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case EHOSTDOWN:
  case ENETDOWN:
  case ENOPROTOOPT:
    // An ICMP answer to an earlier datagram is reported on whichever call comes next: take it from the queue of errors
    // and try again. The second time it is about this datagram.
    drain_errors();
    if (!retried) {
      retried = true;
      return verdict::retry;
    }
    if (unreachable_.size() < unreachable_max) unreachable_.push_back({remote, error});
    return verdict::drop;
  default: return verdict::drop; // EMSGSIZE (a probe over the interface's MTU), EPERM (a filter), EINVAL
  }
}

bool socket_port::send_split(const udp_batch& batch) {
  mmsghdr messages[send_batch] = {};
  iovec parts[send_batch];
  control_buffer controls[send_batch];
  sockaddr_in6 names[send_batch];
  bool sent_any = false;
  for (size_t at = 0; at < batch.bytes.size();) {
    size_t count = 0;
    for (size_t next = at; next < batch.bytes.size() && count < send_batch; next += batch.segment, ++count) {
      const auto bytes = batch.bytes.subspan(next, std::min(batch.segment, batch.bytes.size() - next));
      fill(messages[count].msg_hdr, parts[count], controls[count], names[count], batch, bytes);
    }
    bool retried = false;
    for (;;) {
      const int done = ::sendmmsg(fd_, messages, static_cast<unsigned>(count), 0);
      ++counters_.send_calls;
      if (done > 0) {
        for (int i = 0; i < done; ++i) counters_.sent_bytes += parts[i].iov_len;
        counters_.sent_datagrams += static_cast<size_t>(done);
        at += static_cast<size_t>(done) * batch.segment;
        sent_any = true;
        break;
      }
      const auto what = judge(errno, batch.remote, retried);
      if (what == verdict::retry) continue;
      if (what == verdict::full && !sent_any) return false;
      // In the middle of a batch the rest counts as lost in the network: it is repaired like any loss.
      if (what == verdict::full) {
        counters_.send_errors += (batch.bytes.size() - at + batch.segment - 1) / batch.segment;
        return true;
      }
      ++counters_.send_errors;
      at += batch.segment;
      break;
    }
  }
  return true;
}

size_t socket_port::send_whole(std::span<const udp_batch> batches, bool& full) {
  mmsghdr messages[send_batch] = {};
  iovec parts[send_batch];
  control_buffer controls[send_batch];
  sockaddr_in6 names[send_batch];
  const size_t count = std::min(batches.size(), send_batch);
  for (size_t i = 0; i < count; ++i) fill(messages[i].msg_hdr, parts[i], controls[i], names[i], batches[i], batches[i].bytes);
  bool retried = false;
  for (;;) {
    const int done = ::sendmmsg(fd_, messages, static_cast<unsigned>(count), 0);
    ++counters_.send_calls;
    if (done > 0) {
      for (int i = 0; i < done; ++i) {
        const auto& batch = batches[static_cast<size_t>(i)];
        counters_.sent_bytes += batch.bytes.size();
        counters_.sent_datagrams += (batch.bytes.size() + batch.segment - 1) / batch.segment;
      }
      return static_cast<size_t>(done);
    }
    const int error = errno;
    const auto& first = batches[0];
    const bool segmented = first.bytes.size() > first.segment;
    if (segmented && (error == EIO || error == EINVAL || error == EOPNOTSUPP)) {
      // No segmentation on this path's device (or the MTU shrank below the segment): one by one from here on.
      if (error != EINVAL) gso_ = false;
      if (!send_split(first)) full = true;
      return full ? 0 : 1;
    }
    const auto what = judge(error, first.remote, retried);
    if (what == verdict::retry) continue;
    if (what == verdict::full) {
      full = true;
      return 0;
    }
    counters_.send_errors += (first.bytes.size() + first.segment - 1) / first.segment;
    return 1;
  }
}

size_t socket_port::send(std::span<const udp_batch> batches, base::mono_time) {
  size_t taken = 0;
  bool full = false;
  while (taken < batches.size() && !full) {
    if (gso_) {
      taken += send_whole(batches.subspan(taken), full);
    } else if (send_split(batches[taken])) {
      ++taken;
    } else {
      full = true;
    }
  }
  return taken;
}

std::span<const udp_arrival> socket_port::receive() {
  mmsghdr messages[receive_batch] = {};
  iovec parts[receive_batch];
  control_buffer controls[receive_batch];
  sockaddr_in6 names[receive_batch];
  for (size_t i = 0; i < receive_batch; ++i) {
    parts[i] = {buffers_.get() + i * receive_bytes, receive_bytes};
    auto& header = messages[i].msg_hdr;
    header.msg_name = &names[i];
    header.msg_namelen = sizeof names[i];
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    header.msg_control = controls[i].raw.data();
    header.msg_controllen = control_bytes;
  }
  int got = -1;
  for (int attempt = 0; attempt < 8 && got < 0; ++attempt) {
    got = ::recvmmsg(fd_, messages, receive_batch, MSG_DONTWAIT, nullptr);
    ++counters_.receive_calls;
    if (got >= 0 || errno == EINTR) continue;
    if (errno == EAGAIN) break;
    drain_errors(); // an ICMP answer waits in front of the data
  }
  if (got <= 0) {
    // Woken twice for nothing: what woke us is in the queue of errors.
    if (idle_) drain_errors();
    idle_ = true;
    return {};
  }
  idle_ = false;
  size_t count = 0;
  for (int i = 0; i < got; ++i) {
    const auto& header = messages[i].msg_hdr;
    const size_t size = messages[i].msg_len;
    if (size == 0 || (header.msg_flags & MSG_TRUNC) != 0) continue;
    auto& arrival = arrivals_[count++];
    arrival = {};
    arrival.remote = socket_address::from(reinterpret_cast<const sockaddr*>(&names[i]), header.msg_namelen);
    arrival.bytes = {buffers_.get() + static_cast<size_t>(i) * receive_bytes, size};
    arrival.segment = size;
    for (auto* control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(const_cast<msghdr*>(&header), control)) {
      if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
        const int segment = control_value<int>(*control);
        if (segment > 0) arrival.segment = static_cast<size_t>(segment);
      } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS) {
        arrival.ecn = control_value<uint8_t>(*control) & 3;
      } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS) {
        arrival.ecn = static_cast<uint8_t>(control_value<int>(*control) & 3);
      } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_addr = control_value<in_pktinfo>(*control).ipi_addr;
        arrival.local = socket_address::from(reinterpret_cast<const sockaddr*>(&four), sizeof four);
        arrival.local.set_port(local_.port());
      } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        const auto info = control_value<in6_pktinfo>(*control);
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_addr = info.ipi6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr)) six.sin6_scope_id = info.ipi6_ifindex;
        arrival.local = socket_address::from(reinterpret_cast<const sockaddr*>(&six), sizeof six);
        arrival.local.set_port(local_.port());
      }
    }
    counters_.received_bytes += size;
    counters_.received_datagrams += (size + arrival.segment - 1) / arrival.segment;
  }
  return {arrivals_.data(), count};
}

void socket_port::drain_errors() {
  for (size_t i = 0; i < unreachable_max; ++i) {
    sockaddr_in6 name{};
    uint8_t ignored[64];
    iovec part{ignored, sizeof ignored};
    alignas(cmsghdr) std::array<uint8_t, 512> control;
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd_, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      const bool four = header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR;
      const bool six = header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR;
      if (!four && !six) continue;
      const auto error = control_value<sock_extended_err>(*header);
      if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) continue;
      if (error.ee_errno == EMSGSIZE || unreachable_.size() >= unreachable_max) continue;
      unreachable_.push_back(
        {socket_address::from(reinterpret_cast<const sockaddr*>(&name), message.msg_namelen), static_cast<int>(error.ee_errno)});
    }
  }
}

std::optional<udp_unreachable> socket_port::next_unreachable() {
  if (unreachable_.empty()) return std::nullopt;
  const auto first = unreachable_.front();
  unreachable_.pop_front();
  return first;
}

result<std::unique_ptr<udp_port>> open_family(const socket_address& local, const udp_options& options) {
  const int fd = ::socket(local.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (fd < 0) return fail(errc::io, std::string("cannot open a UDP socket: ") + std::strerror(errno), local.to_string());
  auto port = std::make_unique<socket_port>(fd, options);
  if (const auto up = port->set_up(local, options); !up) return fail(up.error());
  return std::unique_ptr<udp_port>(std::move(port));
}

} // namespace

result<std::unique_ptr<udp_port>> open_udp(const socket_address& local, const udp_options& options) {
  if (local.specified()) return open_family(local, options);
  if (auto both = open_family(socket_address::any(true, 0), options)) return both;
  return open_family(socket_address::any(false, 0), options);
}

} // namespace ec::quic
