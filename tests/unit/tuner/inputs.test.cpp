// Sources other than a tuner's HTTP stream: datagrams with and without RTP, the segments of an HLS origin, a DVB adapter. Over loopback.
#include "tuner/source.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/limits_tuner.hpp"
#include "net/http_server.hpp"
#include "tests/support/temp_dir.hpp"
#include "tuner/internal/datagram_source.hpp"
#include "tuner/internal/origin_playlist.hpp"
#include "tuner/internal/rtp_window.hpp"

using namespace ec;
using namespace ec::tuner::internal;
using namespace std::chrono_literals;

namespace {

const base::mono_time zero{};

std::vector<uint8_t> rtp(uint16_t sequence, std::vector<uint8_t> payload, uint32_t source = 7) {
  std::vector<uint8_t> out{0x80, 33, static_cast<uint8_t>(sequence >> 8), static_cast<uint8_t>(sequence), 0, 0, 0, 0,
    static_cast<uint8_t>(source >> 24), static_cast<uint8_t>(source >> 16), static_cast<uint8_t>(source >> 8), static_cast<uint8_t>(source)};
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

/// Numbers as they come out, a '|' in front of each that is marked.
std::string text(const std::vector<rtp_window::piece>& pieces) {
  std::string out;
  for (const auto& p : pieces) out += (p.gap ? "|" : "") + std::string(1, static_cast<char>(p.payload.span()[0]));
  return out;
}

struct window {
  rtp_window w{200ms};
  std::string push(uint16_t sequence, char name, std::chrono::milliseconds at = 0ms, uint32_t source = 7) {
    const auto raw = rtp(sequence, {static_cast<uint8_t>(name)}, source);
    return text(w.push(parse_rtp(raw).value(), zero + at));
  }
};

std::vector<uint8_t> packets(uint8_t name, size_t count = 7) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back(0x47);
    out.insert(out.end(), 187, name);
  }
  return out;
}

/// The packets' names, one letter each, a '|' in front of what is marked.
struct reader {
  std::unique_ptr<tuner::source> from;
  std::string got;

  /// Until it has `wanted`, or fails.
  base::error until(const std::string& wanted) {
    for (int i = 0; i < 400 && got != wanted; ++i) {
      auto part = from->read(100ms);
      if (!part) return part.error();
      const auto bytes = part.value().span();
      if (bytes.empty()) continue;
      if (from->gap_before()) got += '|';
      for (size_t at = 1; at < bytes.size(); at += 188) got += static_cast<char>(bytes[at]);
    }
    return {};
  }
};

std::unique_ptr<tuner::source> open(const std::string& spec, std::chrono::milliseconds stall = 10s) {
  auto got = tuner::open_source(spec, {.timeouts = {.connect = 2s, .header = 2s, .stall = stall}, .pace = 0});
  REQUIRE_MESSAGE(got.has_value(), (got ? "" : got.error().message()));
  return std::move(got).value();
}

/// A port of loopback that is free for UDP.
uint16_t free_port() {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(bind(s, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(getsockname(s, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  close(s);
  return ntohs(at.sin_port);
}

/// Sends datagrams to an address, by loopback.
struct sender {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  sender(const char* host, uint16_t port) {
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, host, &to.sin_addr);
    in_addr loopback{htonl(INADDR_LOOPBACK)};
    setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback);
  }
  sender(const sender&) = delete;
  ~sender() { close(s); }
  void send(const std::vector<uint8_t>& datagram) const {
    REQUIRE(sendto(s, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) == static_cast<ssize_t>(datagram.size()));
  }
};

/// An HTTP server whose documents a test changes while it runs.
struct origin {
  std::mutex mutex;
  std::map<std::string, std::string> documents;
  std::map<std::string, int> asked;
  std::unique_ptr<net::http_server> server;

  origin() {
    server = net::http_server::start({}, [this](const net::http_request& request) {
      const std::lock_guard lock(mutex);
      ++asked[request.path];
      net::http_response out;
      const auto found = documents.find(request.path);
      if (found == documents.end()) out.status = 404;
      else out.body = base::bytes::copy(found->second);
      return out;
    }).value();
  }
  void put(const std::string& path, std::string content) {
    const std::lock_guard lock(mutex);
    documents[path] = std::move(content);
  }
  void put(const std::string& path, uint8_t name) {
    const auto p = packets(name, 1);
    put(path, std::string(p.begin(), p.end()));
  }
  int times(const std::string& path) {
    const std::lock_guard lock(mutex);
    return asked[path];
  }
  std::string url(const std::string& path) const { return "http://" + server->address() + path; }
};

} // namespace

TEST_SUITE("tuner/inputs") {

TEST_CASE("an RTP packet is taken apart, with all that may stand before and behind its payload") {
  auto plain = rtp(0x1234, {1, 2, 3}, 0xcafe0001);
  auto got = parse_rtp(plain).value();
  CHECK(got.sequence == 0x1234);
  CHECK(got.source == 0xcafe0001);
  CHECK(got.payload_type == 33);
  CHECK(std::ranges::equal(got.payload, std::vector<uint8_t>{1, 2, 3}));
  // Marker, two contributing sources, an extension of one word, two bytes of padding.
  const std::vector<uint8_t> all{0xb2, 0xa1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7, 1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 3, 3, 3, 3, 'x', 0, 2};
  got = parse_rtp(all).value();
  CHECK(got.payload_type == 33);
  CHECK(std::ranges::equal(got.payload, std::vector<uint8_t>{'x'}));
  for (size_t size = 0; size < 28; ++size) CHECK_FALSE(parse_rtp(std::span(all).first(size)).has_value());
  for (auto wrong : {std::vector<uint8_t>{0x40, 33}, {0xa0, 33}, {0x8f, 33}, {0x90, 33}}) {
    wrong.resize(12);
    CHECK_FALSE(parse_rtp(wrong).has_value());
  }
  auto padded = rtp(1, {1, 9});
  padded[0] |= 0x20;
  CHECK_FALSE(parse_rtp(padded).has_value()); // nine bytes of padding, of which there are two
  padded.back() = 0;
  CHECK_FALSE(parse_rtp(padded).has_value());
}

TEST_CASE("packets out of order come out in order, over the turn of the sequence") {
  window w;
  CHECK(w.push(65534, 'a') == "a");
  CHECK(w.push(0, 'c').empty());
  CHECK(w.push(1, 'd').empty());
  CHECK(w.push(65535, 'b') == "bcd");
  CHECK(w.push(0, 'c').empty()); // a duplicate
  CHECK(w.w.late() == 1);
  CHECK(w.w.lost() == 0);
  CHECK(w.push(2, 'e') == "e");
}

TEST_CASE("a packet that does not come is waited for, then lost, and the next is marked") {
  window w;
  CHECK(w.push(10, 'a') == "a");
  CHECK(w.push(12, 'c', 50ms).empty());
  CHECK(w.push(14, 'e', 60ms).empty());
  CHECK(w.w.due() == zero + 250ms);
  CHECK(text(w.w.expire(zero + 249ms)).empty());
  CHECK(text(w.w.expire(zero + 250ms)) == "|c");
  CHECK(w.push(11, 'b', 251ms).empty()); // too late
  CHECK(w.w.due() == zero + 260ms);
  CHECK(w.push(13, 'd', 255ms) == "de"); // in time: no mark
  CHECK(w.w.lost() == 1);
  CHECK(w.w.late() == 1);
  CHECK_FALSE(w.w.due());
}

TEST_CASE("not more packets wait than there is room for") {
  window w;
  CHECK(w.push(0, 'a') == "a");
  for (uint16_t i = 0; i < base::limits::rtp_reorder_packets_max; ++i) CHECK(w.push(static_cast<uint16_t>(2 + 2 * i), 'x').empty());
  CHECK(w.push(static_cast<uint16_t>(2 + 2 * base::limits::rtp_reorder_packets_max), 'y') == "|x");
  CHECK(w.w.lost() == 1);
}

TEST_CASE("a sender that starts anew is followed, with a mark, and what waited is not lost") {
  window w;
  CHECK(w.push(100, 'a') == "a");
  CHECK(w.push(102, 'c').empty());
  CHECK(w.push(40000, 'x') == "|c|x");
  CHECK(w.push(40001, 'y') == "y");
  CHECK(w.push(40002, 'z', 0ms, 8) == "|z"); // another source
  CHECK(w.push(40003, 'q', 0ms, 8) == "q");
}

TEST_CASE("addresses of datagrams are read strictly") {
  const auto address = parse_datagram_address("udp://@239.1.1.1:5000").value();
  CHECK(address.text() == "239.1.1.1:5000");
  CHECK(address.multicast());
  CHECK_FALSE(address.rtp);
  CHECK(parse_datagram_address("rtp://239.1.1.1:5000/").value().rtp);
  CHECK_FALSE(parse_datagram_address("udp://0.0.0.0:5000").value().multicast());
  const auto from = parse_datagram_address("rtp://192.0.2.1@232.1.1.1:5000?iface=127.0.0.1").value();
  CHECK(from.sender->s_addr == inet_addr("192.0.2.1"));
  CHECK(from.interface.s_addr == inet_addr("127.0.0.1"));
  for (const auto* bad : {"udp://", "udp://@", "udp://@239.1.1.1", "udp://@239.1.1.1:0", "udp://@239.1.1.1:65536", "udp://@239.1.1.1:5000x", "udp://host:5000",
         "udp://[::1]:5000", "udp://x@239.1.1.1:5000", "udp://192.0.2.1@192.0.2.2:5000", "udp://@239.1.1.1:5000?iface=lo", "udp://@239.1.1.1:5000?ttl=3", "udp://@239.1.1.1:5000/x"})
    CHECK_FALSE_MESSAGE(tuner::open_source(bad).has_value(), bad);
  const auto facts = tuner::open_source("rtp://@239.1.1.1:5000").value()->facts();
  CHECK(facts.kind == tuner::source_kind::rtp);
  CHECK(facts.device == "239.1.1.1:5000");
  CHECK(facts.live);
}

TEST_CASE("a multicast group is read, and a unicast port") {
  const auto port = free_port();
  for (const std::string& host : {std::string("239.255.77.77"), std::string("127.0.0.1")}) {
    reader r{open("udp://@" + host + ":" + std::to_string(port) + (host == "127.0.0.1" ? "" : "?iface=127.0.0.1")), {}};
    CHECK(r.from->read(0ms).value().empty()); // listens now
    const sender s(host.c_str(), port);
    s.send(packets('a', 1));
    s.send(packets('b', 2));
    r.until("abb");
    CHECK(r.got == "abb");
  }
}

TEST_CASE("RTP that comes out of order and with a hole is put in order and marked") {
  const auto port = free_port();
  reader r{open("rtp://127.0.0.1:" + std::to_string(port)), {}};
  CHECK(r.from->read(0ms).value().empty());
  const sender s("127.0.0.1", port);
  s.send(rtp(1, packets('a', 1)));
  s.send(rtp(3, packets('c', 1)));
  s.send(rtp(2, packets('b', 1)));
  s.send({0x80, 200, 0, 1, 0, 0, 0, 0}); // RTCP: not ours
  s.send(rtp(5, packets('e', 1)));
  r.until("abc|e");
  CHECK(r.got == "abc|e");
}

TEST_CASE("the other scheme is named where it was meant") {
  const auto port = free_port();
  for (const bool wrapped : {true, false}) {
    reader r{open((wrapped ? "udp" : "rtp") + ("://127.0.0.1:" + std::to_string(port))), {}};
    CHECK(r.from->read(0ms).value().empty());
    sender("127.0.0.1", port).send(wrapped ? rtp(1, packets('a')) : packets('a'));
    const auto why = r.until("never");
    CHECK(why.code == base::errc::malformed);
    CHECK(why.text.find(wrapped ? "write rtp://" : "write udp://") != std::string::npos);
    CHECK(r.from->fault()->retry == tuner::retry_advice::never);
  }
}

TEST_CASE("a group that nobody sends to has stalled; one that cannot be joined is told") {
  const auto port = std::to_string(free_port());
  reader silent{open("udp://127.0.0.1:" + port, 30ms), {}};
  CHECK(silent.until("never").code == base::errc::timeout);
  CHECK(silent.from->fault()->kind == tuner::fault_kind::stalled);
  reader elsewhere{open("udp://192.0.2.1:" + port), {}}; // no address of this host
  CHECK(elsewhere.until("never").code == base::errc::io);
  CHECK(elsewhere.from->fault()->retry == tuner::retry_advice::soon);
  auto stopped = open("udp://127.0.0.1:" + port);
  std::thread other([&] { stopped->stop(); });
  base::error why;
  while (why.text.empty())
    if (auto got = stopped->read(10s); !got) why = got.error();
  other.join();
  CHECK(why.code == base::errc::closed);
}

TEST_CASE("a media playlist is read as it is written") {
  const auto list = parse_origin_playlist("#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n#EXT-X-DISCONTINUITY-SEQUENCE:2\r\n"
    "#EXTINF:3.5,title\r\na.ts\r\n\r\n# a comment\r\n#EXT-X-DISCONTINUITY\r\n#EXTINF:4,\r\nhttp://192.0.2.1/b.ts?x\r\n#EXT-X-GAP\r\n#EXTINF:4,\r\nc.ts\r\n#EXT-X-ENDLIST").value();
  CHECK(list.target_duration == 4s);
  CHECK(list.ended);
  CHECK(list.segments == std::vector<origin_segment>{{7, "a.ts", false, false}, {8, "http://192.0.2.1/b.ts?x", true, false}, {9, "c.ts", false, true}});
  const std::string head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";
  CHECK(parse_origin_playlist(head).value().segments.empty());
  CHECK_FALSE(parse_origin_playlist(head).value().ended);
  for (const std::string& bad : {std::string(), std::string("#EXTM3U8\n"), std::string("a.ts\n"), std::string("#EXTM3U\n"), "\xef\xbb\xbf" + head, head + "a.ts\n", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:4.5\n"),
         head + "#EXT-X-MEDIA-SEQUENCE:x\n", head + "#EXTINF:4,\na.ts\n#EXT-X-MEDIA-SEQUENCE:9\n", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:99999\n")})
    CHECK_MESSAGE(parse_origin_playlist(bad).error().code == base::errc::malformed, bad);
  for (const std::string_view tag : {"#EXT-X-KEY:METHOD=AES-128,URI=\"k\"", "#EXT-X-MAP:URI=\"i.mp4\"", "#EXT-X-BYTERANGE:10@0", "#EXT-X-STREAM-INF:BANDWIDTH=1"})
    CHECK_MESSAGE(parse_origin_playlist(head + std::string(tag) + "\n").error().code == base::errc::unsupported, tag);
  CHECK(parse_origin_playlist(head + "#EXT-X-KEY:METHOD=NONE\n").has_value());
  std::string many = head;
  for (size_t i = 0; i <= base::limits::origin_segments_max; ++i) many += "#EXTINF:4,\na\n";
  CHECK(parse_origin_playlist(many).error().code == base::errc::too_large);
  CHECK(parse_origin_playlist(std::string(base::limits::origin_playlist_bytes_max + 1, '\n')).error().code == base::errc::too_large);
}

TEST_CASE("a recording at an HLS origin is read from its first segment to its last") {
  origin o;
  o.put("/live/a.m3u8", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n1.ts\n#EXTINF:1,\n../two/2.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\n3.ts\n#EXTINF:1,\n4.ts\n#EXTINF:1,\n5.ts\n#EXT-X-ENDLIST\n"));
  for (const char* path : {"/live/1.ts", "/two/2.ts", "/live/3.ts", "/live/5.ts"}) o.put(path, static_cast<uint8_t>(path[std::string(path).size() - 4]));
  reader r{open(o.url("/live/a.m3u8?token=1")), {}};
  CHECK(r.from->facts().kind == tuner::source_kind::hls);
  CHECK_FALSE(r.from->facts().live);
  const auto why = r.until("never");
  CHECK(r.got == "12|3|5"); // 4 is not there
  CHECK(why.code == base::errc::closed);
  CHECK(r.from->fault()->kind == tuner::fault_kind::ended);
  CHECK(o.times("/live/a.m3u8") == 1);
}

TEST_CASE("a playlist that goes on is begun near its end and followed, and what left it is marked") {
  origin o;
  const std::string head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:";
  for (char c = '1'; c <= '9'; ++c) o.put(std::string("/") + c + ".ts", static_cast<uint8_t>(c));
  o.put("/a.m3u8", head + "1\n#EXTINF:1,\n1.ts\n#EXTINF:1,\n2.ts\n#EXTINF:1,\n3.ts\n#EXTINF:1,\n4.ts\n");
  reader r{open(o.url("/a.m3u8")), {}};
  r.until("234");
  CHECK(r.got == "234");
  o.put("/a.m3u8", head + "4\n#EXTINF:1,\n4.ts\n#EXTINF:1,\n5.ts\n");
  r.until("2345");
  CHECK(r.got == "2345");
  o.put("/a.m3u8", head + "8\n#EXTINF:1,\n8.ts\n");
  r.until("2345|8");
  CHECK(r.got == "2345|8");
  o.put("/a.m3u8", head + "0\n#EXTINF:1,\n1.ts\n"); // the origin was started anew
  r.until("2345|8|1");
  CHECK(r.got == "2345|8|1");
}

TEST_CASE("an origin that stands still has stalled; what is no playlist is told; it stops at once") {
  origin o;
  o.put("/still.m3u8", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:0\n"));
  o.put("/page.m3u8", std::string("<html>"));
  o.put("/many.m3u8", std::string("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n"));
  o.put("/slow.m3u8", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:1000\n"));
  const auto fault_of = [&](const std::string& path) {
    reader r{open(o.url(path)), {}};
    r.until("never");
    REQUIRE(r.from->fault());
    return *r.from->fault();
  };
  CHECK(fault_of("/page.m3u8").kind == tuner::fault_kind::unreadable);
  CHECK(fault_of("/many.m3u8").retry == tuner::retry_advice::never);
  CHECK(fault_of("/many.m3u8").text.find("multivariant") != std::string::npos);
  CHECK(fault_of("/none.m3u8").kind == tuner::fault_kind::unknown_channel);
  o.put("/still.m3u8", std::string("#EXTM3U\n#EXT-X-TARGETDURATION:1\n"));
  CHECK(fault_of("/still.m3u8").kind == tuner::fault_kind::stalled);
  CHECK(o.times("/still.m3u8") >= 6);
  auto slow = open(o.url("/slow.m3u8"));
  CHECK(slow->read(10ms).value().empty());
  std::thread other([&] { slow->stop(); });
  base::error why;
  while (why.text.empty())
    if (auto got = slow->read(100s); !got) why = got.error();
  other.join();
  CHECK(why.code == base::errc::closed);
}

TEST_CASE("a DVB adapter is read by its recorder device; one that is not there is told with what to do") {
  test::temp_dir dir;
  const auto adapter = dir / "adapter0";
  std::filesystem::create_directory(adapter);
  const auto missing = tuner::open_source("dvb:" + dir / "adapter7");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == base::errc::not_found);
  CHECK(missing.error().text.find("adapter") != std::string::npos);
  CHECK(tuner::open_source("dvb:").error().code == base::errc::malformed);
  const auto path = adapter + "/dvr0";
  CHECK_FALSE(tuner::open_source("dvb:" + adapter).has_value());
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  reader r{open("dvb:" + adapter, 200ms), {}};
  CHECK(r.from->facts().kind == tuner::source_kind::dvb);
  CHECK(r.from->facts().live);
  const int out = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const auto p = packets('a', 3);
  REQUIRE(write(out, p.data(), p.size()) == static_cast<ssize_t>(p.size()));
  r.until("aaa");
  CHECK(r.got == "aaa");
  CHECK(r.until("never").code == base::errc::timeout); // tuned, and nothing comes
  CHECK(r.from->fault()->text.find("tuned") != std::string::npos);
  close(out);
}

} // TEST_SUITE
