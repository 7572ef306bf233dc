#include "tuner/internal/datagram_source.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/url.hpp"
#include "tuner/internal/descriptor.hpp"
#include "tuner/internal/packet.hpp"
#include "tuner/internal/rtp_window.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

constexpr milliseconds reorder_patience{200};
constexpr size_t datagrams_at_once = 64; ///< per read, some 80 KB
constexpr uint8_t mpeg_ts = 33;          // [RFC 3551 6]

std::optional<in_addr> parse_address(std::string_view text) {
  in_addr out{};
  return inet_pton(AF_INET, std::string(text).c_str(), &out) == 1 ? std::optional(out) : std::nullopt;
}

class datagram_source final : public source {
public:
  datagram_source(source_facts facts, const datagram_address& address, const source_options& options)
      : source(std::move(facts)), address_(address), stall_(options.timeouts.stall), window_(reorder_patience) {}

  base::result<base::bytes> read(milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    if (socket_.get() < 0)
      if (auto opened = open(); !opened) return fail(opened.error());
    const auto until = base::mono_now() + wait;
    while (true) {
      if (stopped_) return fail(down(said(fault_kind::stopped, retry_advice::never, "stopped")));
      if (!pieces_.empty()) return take();
      const auto now = base::mono_now();
      if (now - heard_ >= stall_) return fail(down(said(fault_kind::stalled, retry_advice::soon, "no datagram came for " + std::to_string(stall_.count()) + " ms: is anybody sending there?")));
      auto next = std::min(until, heard_ + stall_);
      if (const auto due = window_.due()) next = std::min(next, *due);
      const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next - now));
      pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      poll(fds, 2, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
      if (fds[0].revents != 0)
        if (auto got = receive(); !got) return fail(got.error());
      keep(window_.expire(base::mono_now()));
      if (pieces_.empty() && !stopped_ && base::mono_now() >= until) return base::bytes{};
    }
  }

  void stop() override {
    stopped_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
  }

private:
  source_fault said(fault_kind kind, retry_advice retry, const std::string& text) const {
    return {.kind = kind, .retry = retry, .http_status = 0, .device_code = 0, .text = facts().spec + ": " + text};
  }

  base::result<void> open() {
    heard_ = base::mono_now();
    socket_ = descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto set = [this](int level, int option, const auto& value) { return setsockopt(socket_.get(), level, option, &value, sizeof value) == 0; };
    const int on = 1, buffer = 4 << 20;
    set(SOL_SOCKET, SO_REUSEADDR, on); // several readers of one group
    set(SOL_SOCKET, SO_RCVBUF, buffer); // as much of it as the kernel allows
    set(SOL_SOCKET, SO_RXQ_OVFL, on);
    bool joined = bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address_.at), sizeof address_.at) == 0;
    if (joined && address_.multicast()) {
      if (address_.sender) {
        joined = set(IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, ip_mreq_source{address_.at.sin_addr, address_.interface, *address_.sender});
      } else {
        joined = set(IPPROTO_IP, IP_ADD_MEMBERSHIP, ip_mreq{address_.at.sin_addr, address_.interface});
      }
    }
    if (joined) return base::ok();
    return fail(down(said(fault_kind::unreachable, retry_advice::soon, std::string("cannot listen there: ") + std::strerror(errno))));
  }

  /// What waits in the socket, up to a bound.
  base::result<void> receive() {
    std::array<uint8_t, 65536> datagram; // not cleared: it is filled before it is read
    for (size_t i = 0; i < datagrams_at_once; ++i) {
      iovec part{datagram.data(), datagram.size()};
      alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(uint32_t))> control{};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const auto got = recvmsg(socket_.get(), &message, 0);
      if (got < 0) break;
      heard_ = base::mono_now();
      for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        uint32_t dropped = 0;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
        std::memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
        if (dropped != dropped_) lost_here_ = true; // this host was too slow; RTP shows it by itself
        dropped_ = dropped;
      }
      EC_TRYV(take_datagram({datagram.data(), static_cast<size_t>(got)}));
    }
    return base::ok();
  }

  base::result<void> take_datagram(std::span<const uint8_t> in) {
    if (in.empty()) return base::ok();
    if (!address_.rtp) {
      const auto wrapped = in[0] == 0x47 ? base::result<rtp_packet>(fail(errc::malformed, "")) : parse_rtp(in);
      if (wrapped && wrapped.value().payload_type == mpeg_ts)
        return fail(down(said(fault_kind::unreadable, retry_advice::never, "RTP comes here: write rtp:// instead of udp://")));
      keep({{base::bytes::copy(in), std::exchange(lost_here_, false)}});
      return base::ok();
    }
    const auto packet = parse_rtp(in);
    if (!packet) {
      if (in[0] == 0x47 && in.size() % packet_bytes == 0)
        return fail(down(said(fault_kind::unreadable, retry_advice::never, "bare packets come here, not RTP: write udp:// instead of rtp://")));
      return base::ok(); // RTCP, or somebody else's
    }
    if (packet.value().payload_type == mpeg_ts) keep(window_.push(packet.value(), base::mono_now()));
    return base::ok();
  }

  void keep(std::vector<rtp_window::piece> pieces) {
    for (auto& p : pieces) pieces_.push_back(std::move(p));
    if (window_.lost() > told_lost_) {
      base::log::warn("source", "rtp-loss", {{"input", facts().spec}, {"lost", window_.lost()}, {"late", window_.late()}});
      told_lost_ = window_.lost();
    }
  }

  /// Pieces up to the next mark in one.
  base::bytes take() {
    mark_gap(pieces_.front().gap);
    std::vector<uint8_t> out;
    do {
      const auto part = pieces_.front().payload.span();
      out.insert(out.end(), part.begin(), part.end());
      pieces_.pop_front();
    } while (!pieces_.empty() && !pieces_.front().gap);
    return base::bytes::adopt(std::move(out));
  }

  const datagram_address address_;
  const milliseconds stall_;
  descriptor socket_;
  descriptor wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  base::mono_time heard_;
  rtp_window window_;
  std::deque<rtp_window::piece> pieces_;
  uint32_t dropped_ = 0;
  bool lost_here_ = false;
  uint64_t told_lost_ = 0;
  std::atomic<bool> stopped_{false};
};

} // namespace

bool datagram_address::multicast() const {
  return IN_MULTICAST(ntohl(at.sin_addr.s_addr));
}

std::string datagram_address::text() const {
  std::array<char, INET_ADDRSTRLEN> host{};
  inet_ntop(AF_INET, &at.sin_addr, host.data(), host.size());
  return std::string(host.data()) + ":" + std::to_string(ntohs(at.sin_port));
}

base::result<datagram_address> parse_datagram_address(std::string_view spec) {
  const auto wrong = [&](std::string text) { return fail(errc::malformed, std::move(text), std::string(spec.substr(0, 200))); };
  datagram_address out;
  out.rtp = spec.starts_with("rtp://");
  auto rest = spec.substr(spec.find("://") + 3);
  const auto question = rest.find('?');
  const auto query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  rest = rest.substr(0, question);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (const auto sign = rest.find('@'); sign != std::string_view::npos) {
    if (sign > 0) {
      out.sender = parse_address(rest.substr(0, sign));
      if (!out.sender) return wrong("expected the IPv4 address of a sender in front of the @");
    }
    rest.remove_prefix(sign + 1);
  }
  if (rest.starts_with('[')) return fail(errc::unsupported, "IPv6 is not read by datagrams", std::string(spec.substr(0, 200)));
  const auto colon = rest.rfind(':');
  const auto host = parse_address(rest.substr(0, colon));
  const auto port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  uint16_t number = 0;
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (!host || ec != std::errc() || end != port.data() + port.size() || number == 0)
    return wrong("expected an IPv4 address and a port, such as udp://@239.1.1.1:5000");
  out.at.sin_family = AF_INET;
  out.at.sin_addr = *host;
  out.at.sin_port = htons(number);
  if (!query.empty()) {
    const auto named = net::query_value(query, "iface");
    const auto address = named ? parse_address(*named) : std::nullopt;
    if (!address) return wrong("expected ?iface= and the IPv4 address of an interface of this host");
    out.interface = *address;
  }
  if (out.sender && !out.multicast()) return wrong("only a multicast group has a sender in front of the @");
  return out;
}

std::unique_ptr<source> make_datagram_source(source_facts facts, const datagram_address& address, const source_options& options) {
  return std::make_unique<datagram_source>(std::move(facts), address, options);
}

} // namespace ec::tuner::internal
