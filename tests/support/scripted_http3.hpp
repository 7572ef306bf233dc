#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_io.hpp"
#include "quic/internal/http3.hpp"
#include "quic/webtransport.hpp"
#include "tests/support/fake_connection.hpp"

/// One side of WebTransport against a peer that is written by hand, byte by byte: no QUIC in between.
namespace ec::test {

/// A HEADERS frame of literal fields without Huffman code [RFC 9204 4.5.6], made by nobody's library.
inline std::string headers_frame(const quic::internal::http3_fields& fields) {
  std::string block(2, '\0');
  const auto number = [&](uint8_t first, size_t bits, size_t value) {
    const size_t limit = (size_t{1} << bits) - 1;
    if (value < limit) {
      block += static_cast<char>(first | value);
      return;
    }
    block += static_cast<char>(first | limit);
    for (value -= limit; value >= 128; value /= 128) block += static_cast<char>(value % 128 | 128);
    block += static_cast<char>(value);
  };
  for (const auto& [name, value] : fields) {
    number(0x20, 3, name.size());
    block += name;
    number(0, 7, value.size());
    block += value;
  }
  base::byte_writer out;
  out.quic_varint(1);
  out.quic_varint(block.size());
  out.raw(block);
  return std::string(base::as_text(out.span()));
}

/// A DATA frame.
inline std::string data_frame(std::string_view body) {
  base::byte_writer out;
  out.quic_varint(0);
  out.quic_varint(body.size());
  out.raw(body);
  return std::string(base::as_text(out.span()));
}

inline quic::internal::http3_fields connect_fields(std::string protocols = "\"moqt-18\"") {
  quic::internal::http3_fields out{{":method", "CONNECT"}, {":protocol", "webtransport"}, {":scheme", "https"}, {":authority", "a:1"}, {":path", "/p"}};
  if (!protocols.empty()) out.emplace_back("wt-available-protocols", std::move(protocols));
  return out;
}

inline const std::string client_control{"\x00\x04\x00", 3}; ///< an empty SETTINGS frame

/// Records what a session tells its user.
struct session_user : quic::connection_events {
  std::string protocol;
  std::map<uint64_t, std::string> data;
  std::map<uint64_t, bool> fins;
  std::map<uint64_t, uint64_t> resets, stops;
  std::vector<std::string> datagrams;
  size_t drains = 0;
  std::optional<quic::close_reason> closed;
  void on_connected(std::string_view p, const quic::socket_address&) override { protocol = p; }
  void on_stream_data(uint64_t id, base::bytes d, bool fin) override {
    data[id] += d.text();
    fins[id] = fin;
  }
  void on_stream_reset(uint64_t id, uint64_t code) override { resets[id] = code; }
  void on_stop_sending(uint64_t id, uint64_t code) override { stops[id] = code; }
  void on_datagram(base::bytes d) override { datagrams.emplace_back(d.text()); }
  void on_draining() override { ++drains; }
  void on_closed(const quic::close_reason& why) override { closed = why; }
};

struct scripted_client : quic::webtransport_acceptor {
  fake_connection below{true};
  session_user user;
  std::vector<quic::webtransport_request> requests;
  size_t gone = 0;
  size_t step = SIZE_MAX; ///< bytes in one event
  std::unique_ptr<quic::webtransport> session;

  explicit scripted_client(quic::webtransport_config config = {.protocols = {"moqt-18"}}) : session(quic::webtransport::serve(std::move(config), *this)) {
    session->attach(below);
    session->on_connected("h3", below.peer());
  }
  quic::connection_events* on_session(quic::connection&, const quic::webtransport_request& request) override {
    requests.push_back(request);
    return &user;
  }
  void on_gone(quic::webtransport&) override { ++gone; }

  void feed(uint64_t id, std::string_view bytes, bool fin = false) {
    size_t at = 0;
    do {
      const auto part = bytes.substr(at, step);
      at += part.size();
      session->on_stream_data(id, base::bytes::copy(part), fin && at == bytes.size());
    } while (at < bytes.size());
  }
  void connect(uint64_t id = 0) {
    if (id == 0) feed(2, client_control);
    feed(id, headers_frame(connect_fields()));
  }
  /// The status of what was answered on a stream, and the body; found by reading it as HTTP/3.
  std::string answer(uint64_t id) const {
    quic::internal::http3_codec reader(false, {});
    reader.bind(2, 6, 10);
    reader.read(3, base::as_span(below.written.at(3)), false);
    for (uint64_t made = 0; made <= id; made += 4) reader.request(made, connect_fields());
    reader.take_events();
    const auto at = below.written.find(id);
    if (at == below.written.end()) return {};
    reader.read(id, base::as_span(at->second), below.fins.at(id));
    std::string out;
    for (const auto& e : reader.take_events()) {
      if (e.what == quic::internal::http3_codec::event::kind::fields) {
        for (const auto& [name, value] : e.fields)
          if (name == ":status" || name.find("protocol") != std::string::npos || name.find("draft") != std::string::npos) out += value + " ";
      }
      if (e.what == quic::internal::http3_codec::event::kind::body) out += base::as_text(e.bytes);
    }
    return out;
  }
};

} // namespace ec::test
