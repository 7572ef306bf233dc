#include "tuner/internal/target_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/byte_io.hpp"
#include "base/clock.hpp"
#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {

using base::errc;
using base::fail;

namespace {

constexpr size_t datagram_packets = 7;
constexpr uint8_t rtp_mpeg_ts = 33;         // [RFC 3551 6]
constexpr uint32_t rtp_source = 0x45434e44; // one for all: each tuner has a port of its own

} // namespace

bool stream_target::multicast() const {
  return IN_MULTICAST(ntohl(to.sin_addr.s_addr));
}

std::string stream_target::host() const {
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &to.sin_addr, text.data(), text.size());
  return text.data();
}

base::result<stream_target> parse_target(std::string_view text) {
  stream_target out;
  const auto shown = std::string(text.substr(0, 80));
  if (text.starts_with("rtp://")) out.rtp = true;
  else if (!text.starts_with("udp://")) return fail(errc::unsupported, "expected udp://ADDRESS:PORT or rtp://ADDRESS:PORT", shown);
  text.remove_prefix(6);
  text = text.substr(0, text.find(' '));
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(errc::malformed, "a target needs a port", shown);
  const auto port = text.substr(colon + 1);
  uint16_t number = 0;
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), number);
  out.to.sin_family = AF_INET;
  out.to.sin_port = htons(number);
  if (ec != std::errc() || end != port.data() + port.size() || number == 0 ||
      inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &out.to.sin_addr) != 1)
    return fail(errc::malformed, "expected an IPv4 address and a port", shown);
  return out;
}

base::result<std::unique_ptr<target_stream>> target_stream::start(std::shared_ptr<feed> from, const stream_target& target, pid_filter filter) {
  descriptor s(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Connected, so that the kernel tells when nobody listens there.
  if (s.get() < 0 || connect(s.get(), reinterpret_cast<const sockaddr*>(&target.to), sizeof target.to) != 0)
    return fail(errc::io, std::strerror(errno), target.host());
  const int wanted = 1 << 20;
  setsockopt(s.get(), SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted); // a smaller one does too
  return std::unique_ptr<target_stream>(new target_stream(std::move(from), std::move(s), target.rtp, std::move(filter)));
}

target_stream::target_stream(std::shared_ptr<feed> from, descriptor socket, bool rtp, pid_filter filter)
    : from_(std::move(from)), socket_(std::move(socket)), rtp_(rtp), filter_(std::move(filter)), thread_([this] { run(); }) {}

target_stream::~target_stream() {
  stop_ = true;
  thread_.join();
}

std::string target_stream::filter_text() const {
  const std::lock_guard lock(mutex_);
  return filter_.text();
}

void target_stream::run() {
  auto place = from_->tune_in();
  std::vector<uint8_t> waiting;
  waiting.reserve(datagram_packets * packet_bytes);
  uint64_t sent = 0;
  auto since = base::mono_now();
  while (!stop_ && !refused_) {
    auto taken = from_->take(place, std::chrono::milliseconds(50));
    if (!taken) {
      if (!from_->broken().empty()) return;
      place = from_->tune_in();
      continue;
    }
    const auto& burst = taken.value().burst;
    const auto bytes = burst.packets.span();
    for (size_t at = 0; at + packet_bytes <= bytes.size() && !refused_; at += packet_bytes) {
      const auto packet = bytes.subspan(at, packet_bytes);
      {
        const std::lock_guard lock(mutex_);
        if (!filter_.pass(packet)) continue;
      }
      waiting.insert(waiting.end(), packet.begin(), packet.end());
      if (waiting.size() < datagram_packets * packet_bytes) continue;
      if (!send(waiting, burst.until)) refused_ = true;
      sent += datagram_packets;
      waiting.clear();
    }
    const auto now = base::mono_now();
    if (const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count(); ms >= 1000) {
      packets_per_second_ = sent * 1000 / static_cast<uint64_t>(ms);
      sent = 0;
      since = now;
    }
  }
}

/// False if nobody listens there. What the kernel has no room for is lost, as on any network.
bool target_stream::send(const std::vector<uint8_t>& packets, std::chrono::nanoseconds at) {
  base::byte_writer out(packets.size() + 12);
  if (rtp_) {
    out.u8(0x80); // version 2, nothing optional [RFC 3550 5.1]
    out.u8(rtp_mpeg_ts);
    out.u16(sequence_++);
    out.u32(static_cast<uint32_t>(at.count() / 100000 * 9)); // 90 kHz
    out.u32(rtp_source);
  }
  out.raw(packets);
  const auto bytes = out.span();
  return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0 || errno != ECONNREFUSED;
}

} // namespace ec::tuner::internal
