// The simulator's control port: its packets against pinned bytes, what the device answers, and both of it over loopback.
#include "tuner/internal/control_packet.hpp"

#include <algorithm>
#include <cstdlib>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "base/limits_tuner.hpp"
#include "net/http_client.hpp"
#include "tests/support/data.hpp"
#include "tuner/internal/control_device.hpp"
#include "tuner/internal/packet.hpp"
#include "tuner/internal/pid_filter.hpp"
#include "tuner/simulator.hpp"

using namespace ec;
using namespace ec::tuner::internal;
using namespace std::chrono_literals;

namespace {

std::vector<uint8_t> bytes_of(const base::json::value& v, std::string_view key) {
  const auto* text = v.find(key)->as_string();
  std::vector<uint8_t> out(text->size() / 2);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(std::stoul(text->substr(2 * i, 2), nullptr, 16));
  return out;
}

base::json::value vectors() {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  return base::json::parse(ec::test::read_text(std::filesystem::path(root == nullptr ? "." : root) / "tests/vectors/hdhomerun/control.json")).value();
}

control_packet packet_of(const base::json::value& v) {
  control_packet out;
  out.type = static_cast<control_type>(*v.find("type")->as_int());
  for (const auto& f : *v.find("fields")->as_array()) {
    const auto raw = bytes_of(f, "value");
    out.fields.push_back({static_cast<control_tag>(*f.find("tag")->as_int()), std::string(raw.begin(), raw.end())});
  }
  return out;
}

control_packet get(std::string_view name) {
  control_packet out{control_type::getset_request, {}};
  out.add_text(control_tag::getset_name, name);
  return out;
}

/// A device with two channels that are on the air, of which the first has a multiplex of real tables.
struct device {
  std::vector<std::shared_ptr<feed>> feeds;
  std::shared_ptr<tuner_bank> tuners = std::make_shared<tuner_bank>(2u);
  bool dark = false;
  control_device control;

  static std::shared_ptr<feed> channel(std::string number, uint16_t program) {
    tuner::simulated_channel c;
    c.number = std::move(number);
    c.name = "EC-" + c.number;
    c.program_number = program;
    c.transport_stream_id = 0x0ec1;
    c.broadcast = [] () -> base::result<tuner::broadcast_burst> { return base::fail(base::errc::closed, "nothing is on the air"); };
    return std::make_shared<feed>(std::move(c), 1.0, tuner::fault_plan());
  }

  device() : feeds{channel("5.1", 3), channel("7.1", 4)}, control({"10A1B2C7", "HDHR5-4US", "20250815", feeds, tuners, [this] { return dark; }}) {}

  std::string get(std::string_view name) {
    const auto said = control.get(name);
    return said ? said.value() : said.error().text;
  }
  std::string set(std::string_view name, std::string_view value, uint32_t key = 0, const std::string& peer = "127.0.0.1") {
    const auto said = control.set(name, value, key, peer);
    return said ? said.value() : said.error().text;
  }
};

std::vector<uint8_t> packet(uint16_t pid, std::vector<uint8_t> section = {}) {
  std::vector<uint8_t> out(188, 0xff);
  out[0] = 0x47;
  out[1] = static_cast<uint8_t>((section.empty() ? 0 : 0x40) | pid >> 8);
  out[2] = static_cast<uint8_t>(pid);
  out[3] = 0x10;
  if (section.empty()) return out;
  const auto crc = section_crc(section);
  for (int i = 3; i >= 0; --i) section.push_back(static_cast<uint8_t>(crc >> (8 * i)));
  out[4] = 0;
  std::copy(section.begin(), section.end(), out.begin() + 5);
  return out;
}

std::vector<uint8_t> pat(uint8_t pmt_pid) {
  return packet(0, {0x00, 0xb0, 17, 0x0e, 0xc1, 0xc1, 0, 0, 0, 3, 0xe0, pmt_pid, 0, 4, 0xe0, 0x40});
}
std::vector<uint8_t> pmt(uint16_t pid, uint8_t program, uint8_t video) {
  return packet(pid, {0x02, 0xb0, 23, 0, program, 0xc1, 0, 0, 0xe0, 0x31, 0xf0, 0, 0x02, 0xe0, video, 0xf0, 0, 0x81, 0xe0, 0x34, 0xf0, 0});
}

/// Programs 3 and 4, and null packets: 30 packets in each burst of 1 ms.
tuner::broadcast multiplex() {
  return [n = 0]() mutable -> base::result<tuner::broadcast_burst> {
    std::vector<uint8_t> out;
    const auto add = [&](const std::vector<uint8_t>& p) { out.insert(out.end(), p.begin(), p.end()); };
    add(pat(0x30));
    add(pmt(0x30, 3, 0x31));
    for (int i = 0; i < 14; ++i) {
      add(packet(0x31));
      add(packet(i % 2 == 0 ? 0x41 : null_pid));
    }
    return tuner::broadcast_burst{base::bytes::adopt(std::move(out)), std::chrono::milliseconds(++n)};
  };
}

int udp_socket() {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(s, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  const timeval patience{10, 0};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return s;
}

sockaddr_in address_of(int s) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  REQUIRE(getsockname(s, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  return at;
}

} // namespace

TEST_SUITE("tuner/control") {

TEST_CASE("packets are read from and written as the pinned bytes") {
  const auto all = vectors();
  const auto* cases = all.find("packets")->as_array();
  REQUIRE(cases->size() >= 6);
  for (const auto& c : *cases) {
    CAPTURE(*c.find("name")->as_string());
    const auto wire = bytes_of(c, "hex");
    const auto read = decode_control(wire);
    REQUIRE(read.has_value());
    CHECK(read.value() == packet_of(c));
    const auto written = encode_control(packet_of(c));
    REQUIRE(written.has_value());
    CHECK(written.value() == wire);
  }
}

TEST_CASE("what is no packet is told apart") {
  const auto all = vectors();
  for (const auto& c : *all.find("broken")->as_array()) {
    CAPTURE(*c.find("name")->as_string());
    const auto read = decode_control(bytes_of(c, "hex"));
    REQUIRE_FALSE(read.has_value());
    CHECK(base::name(read.error().code) == *c.find("error")->as_string());
  }
}

TEST_CASE("every beginning of a packet needs more, every flipped bit is refused") {
  const auto whole = encode_control(get("/tuner0/status")).value();
  for (size_t i = 0; i < whole.size(); ++i) CHECK(decode_control(std::span(whole).first(i)).error().code == base::errc::need_more);
  for (size_t i = 0; i < whole.size() * 8; ++i) {
    auto bent = whole;
    bent[i / 8] ^= static_cast<uint8_t>(1u << (i % 8));
    CHECK_FALSE(decode_control(bent).has_value());
  }
}

TEST_CASE("a packet that would be too large is not written") {
  control_packet p = get(std::string(base::limits::control_payload_bytes_max - 4, 'x'));
  CHECK(encode_control(p).has_value());
  p = get(std::string(base::limits::control_payload_bytes_max - 3, 'x'));
  CHECK(encode_control(p).error().code == base::errc::too_large);
}

TEST_CASE("discovery answers who asks for this device or any, and nobody else") {
  device d;
  const auto asked = [&](uint32_t type, uint32_t id) {
    control_packet q{control_type::discover_request, {}};
    q.add_number(control_tag::device_type, type);
    q.add_number(control_tag::device_id, id);
    return d.control.discovered(encode_control(q).value(), "http://192.0.2.7:5004");
  };
  for (const auto& [type, id] : {std::pair{1u, 0xffffffffu}, {0xffffffffu, 0x10A1B2C7u}, {1u, 0x10A1B2C7u}}) {
    const auto reply = decode_control(asked(type, id));
    REQUIRE(reply.has_value());
    CHECK(reply.value().type == control_type::discover_reply);
    CHECK(reply.value().number(control_tag::device_type) == 1u);
    CHECK(reply.value().number(control_tag::device_id) == 0x10A1B2C7u);
    CHECK(reply.value().text(control_tag::base_url) == "http://192.0.2.7:5004");
    CHECK(reply.value().text(control_tag::lineup_url) == "http://192.0.2.7:5004/lineup.json");
  }
  CHECK(asked(5, 0xffffffff).empty());          // a recorder
  CHECK(asked(1, 0x10439EFD).empty());          // another one
  CHECK(d.control.discovered(encode_control(get("help")).value(), "http://192.0.2.7").empty());
  CHECK(d.control.discovered({}, "http://192.0.2.7").empty());
}

TEST_CASE("a question over the control connection is answered with the value, or with the reason why not") {
  device d;
  auto reply = decode_control(d.control.answer(encode_control(get("/sys/model")).value(), "127.0.0.1").value()).value();
  CHECK(reply.type == control_type::getset_reply);
  CHECK(reply.text(control_tag::getset_name) == "/sys/model");
  CHECK(reply.text(control_tag::getset_value) == "hdhomerun5_atsc");
  reply = decode_control(d.control.answer(encode_control(get("/sys/dance")).value(), "127.0.0.1").value()).value();
  CHECK_FALSE(reply.text(control_tag::getset_value));
  CHECK(reply.text(control_tag::error_message) == "ERROR: unknown getset variable");
  control_packet upgrade{static_cast<control_type>(6), {}};
  CHECK(d.control.answer(encode_control(upgrade).value(), "127.0.0.1").error().code == base::errc::unsupported);
  CHECK(encode_control([&] { auto p = get("help"); p.add_text(control_tag::getset_value, d.get("help")); return p; }()).has_value());
}

TEST_CASE("a tuner is tuned by RF channel, by frequency and by virtual channel") {
  device d;
  CHECK(d.get("/tuner0/status") == "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0");
  CHECK(d.set("/tuner0/channel", "auto:14") == "auto:473000000");
  CHECK(d.get("/tuner0/status") == "ch=auto:473000000 lock=8vsb ss=100 snq=100 seq=100 bps=0 pps=0");
  CHECK(d.get("/tuner0/streaminfo") == "3: 5.1 EC-5.1\ntsid=0x0EC1\n");
  CHECK(d.set("/tuner0/channel", "8vsb:479000000") == "8vsb:479000000");
  CHECK(d.get("/tuner0/streaminfo") == "4: 7.1 EC-7.1\ntsid=0x0EC1\n");
  CHECK(d.set("/tuner0/channel", "auto:20") == "auto:509000000");
  CHECK(d.get("/tuner0/status") == "ch=auto:509000000 lock=none ss=0 snq=0 seq=0 bps=0 pps=0");
  CHECK(d.set("/tuner0/vchannel", "5.1") == "5.1");
  CHECK(d.get("/tuner0/vstatus") == "vch=5.1 name=EC-5.1 auth=unspecified cci=none");
  CHECK(d.get("/tuner0/program") == "3");
  CHECK(d.get("/tuner1/channel") == "none"); // the other one stays as it was
  d.dark = true;
  CHECK(d.get("/tuner0/status") == "ch=auto:473000000 lock=none ss=0 snq=0 seq=0 bps=0 pps=0");
  for (const auto* value : {"auto:1", "auto:70", "dance:14", "auto:", "auto:39000000", "auto:9999999999999999999999"})
    CHECK(d.set("/tuner0/channel", value) == "ERROR: invalid channel");
  CHECK(d.set("/tuner0/vchannel", "9.9") == "ERROR: unknown virtual channel");
  CHECK(d.set("/tuner0/program", "65536") == "ERROR: invalid program number");
  CHECK(d.set("/tuner0/filter", "0x2000") == "ERROR: invalid pid filter");
  CHECK(d.set("/tuner0/status", "x") == "ERROR: variable is read only");
  CHECK(d.set("/sys/model", "x") == "ERROR: variable is read only");
  CHECK(d.set("/tuner2/channel", "auto:14") == "ERROR: unknown getset variable");
  CHECK(d.get("/tuner/channel") == "ERROR: unknown getset variable");
}

TEST_CASE("a lock keeps others from a tuner until it is given back or taken by force") {
  device d;
  CHECK(d.set("/tuner0/lockkey", "77", 0, "192.0.2.1") == "192.0.2.1");
  CHECK(d.tuners->in_use() == 1);
  CHECK(d.set("/tuner0/channel", "auto:14") == "ERROR: resource locked by 192.0.2.1");
  CHECK(d.set("/tuner0/lockkey", "78") == "ERROR: resource locked by 192.0.2.1");
  CHECK(d.set("/tuner0/lockkey", "none") == "ERROR: resource locked by 192.0.2.1");
  CHECK(d.set("/tuner0/channel", "auto:14", 77) == "auto:473000000");
  CHECK(d.set("/tuner0/lockkey", "none", 77) == "none");
  CHECK(d.tuners->in_use() == 0);
  CHECK(d.set("/tuner0/lockkey", "77", 0, "192.0.2.1") == "192.0.2.1");
  CHECK(d.set("/tuner0/lockkey", "force") == "none");
  CHECK(d.set("/tuner0/lockkey", "0") == "ERROR: invalid lock key");
}

TEST_CASE("a tuner that streams over HTTP is not touched, and one with a target is not given to HTTP") {
  device d;
  REQUIRE(d.tuners->take(0, "7.1"));
  CHECK(d.get("/tuner0/status") == "ch=8vsb:479000000 lock=8vsb ss=100 snq=100 seq=100 bps=0 pps=0");
  CHECK(d.set("/tuner0/channel", "auto:14") == "ERROR: resource locked by http");
  d.set("/tuner1/channel", "auto:14");
  CHECK(d.set("/tuner1/target", "udp://127.0.0.1:9") == "udp://127.0.0.1:9");
  CHECK_FALSE(d.tuners->take_any("5.1"));
  CHECK(d.set("/tuner1/target", "none") == "none");
  CHECK(d.tuners->take_any("5.1") == std::optional<size_t>(1));
}

TEST_CASE("a stream goes to the client that asked or to a multicast group, and to nobody else") {
  device d;
  CHECK(d.set("/tuner0/target", "udp://192.0.2.1:5000") == "ERROR: target is neither this client nor multicast");
  CHECK(d.set("/tuner0/target", "udp://239.1.1.1:5000") == "udp://239.1.1.1:5000");
  for (const auto* value : {"tcp://127.0.0.1:5000", "udp://127.0.0.1", "udp://127.0.0.1:0", "udp://localhost:5000", "udp://127.0.0.1:70000", ""})
    CHECK(d.set("/tuner0/target", value) == "ERROR: invalid target");
}

TEST_CASE("a PID filter is read as it is printed") {
  CHECK(pid_filter().text() == "0x0000-0x1fff");
  const auto some = pid_filter::parse("0x0000 0x0030-0x0033 1ffb").value();
  CHECK(some.text() == "0x0000 0x0030-0x0033 0x1ffb");
  CHECK(pid_filter::parse(some.text()).value().text() == some.text());
  for (const auto* text : {"0x2000", "0x30-0x20", "-", "0x", "x", "0x0030-"}) CHECK_FALSE(pid_filter::parse(text).has_value());
  std::string many;
  for (int i = 0; i < 65; ++i) many += "0x0001 ";
  CHECK_FALSE(pid_filter::parse(many).has_value());
}

TEST_CASE("the filter of a program follows its tables") {
  auto filter = pid_filter::of_program(3);
  CHECK_FALSE(filter.pass(packet(0x31)));
  CHECK(filter.pass(pat(0x30)));
  CHECK(filter.text() == "0x0000 0x0030");
  CHECK(filter.pass(pmt(0x30, 3, 0x32)));
  CHECK(filter.text() == "0x0000 0x0030-0x0032 0x0034");
  CHECK(filter.pass(packet(0x32)));
  CHECK_FALSE(filter.pass(packet(0x40)));
  CHECK_FALSE(filter.pass(packet(0x1fff)));
  filter.pass(pmt(0x30, 4, 0x99)); // another program's table on the same PID
  CHECK(filter.text() == "0x0000 0x0030-0x0032 0x0034");
  auto bent = pmt(0x30, 3, 0x99);
  bent[20] ^= 1;
  filter.pass(bent); // a wrong CRC
  CHECK(filter.text() == "0x0000 0x0030-0x0032 0x0034");
  filter.pass(pat(0x50));
  filter.pass(pmt(0x50, 3, 0x51));
  CHECK(filter.text() == "0x0000 0x0031 0x0034 0x0050-0x0051");
}

TEST_CASE("the device is found, tuned and received over loopback") {
  tuner::simulator_config config;
  config.listen = "127.0.0.1:0";
  config.control = "127.0.0.1:0";
  config.channels.push_back({.program_number = uint16_t{3}, .broadcast = multiplex()});
  auto started = tuner::simulator::start(std::move(config));
  REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message()));
  auto& simulator = *started.value();
  const auto address = simulator.control_address();
  REQUIRE(address.starts_with("127.0.0.1:"));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoul(address.substr(10))));

  const int udp = udp_socket();
  control_packet question{control_type::discover_request, {}};
  question.add_number(control_tag::device_type, 1);
  question.add_number(control_tag::device_id, 0xffffffff);
  const auto asked = encode_control(question).value();
  REQUIRE(sendto(udp, asked.data(), asked.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
  std::vector<uint8_t> block(4096);
  auto got = recv(udp, block.data(), block.size(), 0);
  REQUIRE(got > 0);
  const auto reply = decode_control(std::span(block).first(static_cast<size_t>(got)));
  REQUIRE(reply.has_value());
  CHECK(reply.value().text(control_tag::base_url) == "http://" + simulator.address());

  const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(connect(tcp, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  const auto say = [&](std::string_view name, const std::string& value) {
    auto p = get(name);
    if (!value.empty()) p.add_text(control_tag::getset_value, value);
    const auto out = encode_control(p).value();
    // In two parts: a connection knows no packets.
    REQUIRE(send(tcp, out.data(), 3, 0) == 3);
    REQUIRE(send(tcp, out.data() + 3, out.size() - 3, 0) == static_cast<ssize_t>(out.size() - 3));
    std::vector<uint8_t> in;
    while (true) {
      const auto size = control_packet_size(in);
      if (size && in.size() >= size.value()) break;
      const auto more = recv(tcp, block.data(), block.size(), 0);
      REQUIRE(more > 0);
      in.insert(in.end(), block.begin(), block.begin() + more);
    }
    const auto p2 = decode_control(in).value();
    return p2.text(control_tag::getset_value).value_or(p2.text(control_tag::error_message).value_or(""));
  };
  const auto receives = [&](std::string scheme, size_t head) {
    const int s = udp_socket();
    const auto target = scheme + "://127.0.0.1:" + std::to_string(ntohs(address_of(s).sin_port));
    CHECK(say("/tuner1/target", target) == target);
    for (int i = 0; i < 20; ++i) {
      const auto size = recv(s, block.data(), block.size(), 0);
      REQUIRE(size == static_cast<ssize_t>(head + 7 * 188));
      if (head > 0) CHECK((block[0] == 0x80 && block[1] == 33 && block[3] == i));
      for (size_t at = head; at < static_cast<size_t>(size); at += 188) {
        CHECK(block[at] == 0x47);
        CHECK(pid_of(std::span(block).subspan(at, 188)) <= 0x31); // the filter took the rest away
      }
    }
    CHECK(simulator.counters().streams_open == 1);
    CHECK(say("/tuner1/target", "none") == "none");
    CHECK(simulator.counters().streams_open == 0);
    close(s);
  };
  CHECK(say("/tuner1/channel", "auto:14") == "auto:473000000");
  CHECK(say("/tuner1/program", "3") == "3");
  receives("udp", 0);
  receives("rtp", 12);

  // What is no packet ends the connection, and only that.
  const uint8_t garbage[] = {0, 4, 0xff, 0xff, 0};
  REQUIRE(send(tcp, garbage, sizeof garbage, 0) == sizeof garbage);
  CHECK(recv(tcp, block.data(), block.size(), 0) <= 0);
  close(tcp);
  close(udp);
  CHECK(net::http_get({"http", "127.0.0.1", simulator.port(), "/discover.json", ""}).value().status == 200);
}

TEST_CASE("a control address that is taken is told") {
  const int udp = udp_socket();
  tuner::simulator_config config;
  config.listen = "127.0.0.1:0";
  config.control = "127.0.0.1:" + std::to_string(ntohs(address_of(udp).sin_port));
  config.channels.push_back({.broadcast = [] () -> base::result<tuner::broadcast_burst> { return base::fail(base::errc::closed, ""); }});
  const auto started = tuner::simulator::start(std::move(config));
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().code == base::errc::io);
  CHECK(started.error().message().find("control port") != std::string::npos);
  CHECK(started.error().message().find("in use") != std::string::npos);
  close(udp);
}

} // TEST_SUITE
