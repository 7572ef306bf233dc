#include <cstdlib>
#include <set>

#include "tests/support/scripted_http3.hpp"

using namespace ec;

namespace {

/// Hears a session and aborts where it is told what it may not be told.
struct strict_user final : quic::connection_events {
  quic::connection* session = nullptr;
  bool up = false, over = false;
  void alive() const {
    if (!up || over) std::abort();
  }
  void on_connected(std::string_view, const quic::socket_address&) override {
    if (up || over) std::abort();
    up = true;
  }
  void on_stream_data(uint64_t id, base::bytes d, bool) override {
    alive();
    session->consumed(id, d.size());
    if (d.size() > 3 && d[0] == 'w') session->write(id, d, d[1] == 'f');
    if (d.size() > 3 && d[0] == 'r') session->reset(id, d[1]);
    if (d.size() > 3 && d[0] == 's') session->stop_sending(id, d[1]);
    if (d.size() > 3 && d[0] == 'c') session->close(d[1], "closed by what was read");
  }
  void on_stream_reset(uint64_t, uint64_t) override { alive(); }
  void on_stop_sending(uint64_t, uint64_t) override { alive(); }
  void on_datagram(base::bytes) override { alive(); }
  void on_draining() override { alive(); }
  void on_stream_closed(uint64_t) override { alive(); }
  void on_closed(const quic::close_reason&) override {
    if (over) std::abort();
    over = true;
  }
};

struct host final : quic::webtransport_acceptor {
  strict_user user;
  quic::connection_events* on_session(quic::connection& session, const quic::webtransport_request&) override {
    user.session = &session;
    return &user;
  }
  void on_gone(quic::webtransport&) override {}
};

} // namespace

/// What a peer may send to a server (first byte even) or a client (odd) of WebTransport: a list of (what, stream, u16 length, bytes), with
/// streams as QUIC would let them be. No crash, no event out of its time, and in the end the user hears of it exactly once.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool server = data[0] % 2 == 0;
  base::byte_reader in({data + 1, size - 1});
  host h;
  test::fake_connection below(server);
  auto wt = server ? quic::webtransport::serve({.protocols = {"moqt-18"}, .origins = {"https://a"}}, h)
                   : quic::webtransport::dial({.protocols = {"moqt-18"}}, "a:1", "/", h.user);
  h.user.session = wt.get();
  wt->attach(below);
  wt->on_connected("h3", below.peer());
  std::set<uint64_t> ended, closed;
  while (below.endings.empty()) {
    const auto what = in.u8();
    const auto where = in.u8();
    const auto count = in.u16();
    if (!count) break;
    const auto bytes = in.take(std::min<size_t>(*count, in.left()));
    const uint64_t id = *where;
    const bool ours = ((id & 1) == 1) == server;
    if (closed.contains(id) || (ours && !below.written.contains(id))) continue;
    const bool readable = (!ours || (id & 2) == 0) && !ended.contains(id);
    switch (*what % 8) {
    case 0:
    case 1:
      if (!readable) break;
      wt->on_stream_data(id, base::bytes::copy(*bytes), *what % 8 == 1);
      if (*what % 8 == 1) ended.insert(id);
      break;
    case 2:
      if (!readable) break;
      ended.insert(id);
      wt->on_stream_reset(id, *count);
      break;
    case 3:
      if (ours || (id & 2) == 0) wt->on_stop_sending(id, *count);
      break;
    case 4: wt->on_datagram(base::bytes::copy(*bytes)); break;
    case 5:
      closed.insert(id);
      wt->on_stream_closed(id);
      break;
    case 6:
      if (const auto mine = wt->open_bidi()) wt->write(*mine, base::bytes::copy(*bytes), false);
      break;
    case 7: wt->on_streams_available(); break;
    }
  }
  const bool had_user = !server || h.user.up;
  wt->on_closed({quic::close_reason::kind::idle_timeout, 0, "over"});
  if (had_user != h.user.over) std::abort();
  return 0;
}
