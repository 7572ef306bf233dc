#include "quic/webtransport.hpp"

#include <algorithm>

#include "quic/internal/reasons.hpp"
#include "quic/internal/webtransport_session.hpp"

namespace ec::quic {
namespace internal {
namespace {

/// The values of all fields of this name, as one list [RFC 9110 5.2].
std::string value_of(const http3_fields& fields, std::string_view name) {
  std::string out;
  for (const auto& [n, value] : fields) {
    if (n != name) continue;
    if (!out.empty()) out += ", ";
    out += value;
  }
  return out;
}

class server_session final : public webtransport_session {
public:
  server_session(webtransport_config config, webtransport_acceptor& accept) : webtransport_session(std::move(config), true, nullptr), accept_(accept) {}

private:
  void on_fields(uint64_t id, const http3_fields& fields) override {
    const auto method = value_of(fields, ":method");
    if (method == "CONNECT") return connect(id, fields);
    const bool head = method == "HEAD";
    if (!head && method != "GET") return answer(id, "405", "Only GET is answered here.\n", head);
    if (value_of(fields, ":path") == "/") return answer(id, "200", config_.about, head);
    answer(id, "404", "Nothing is here.\n", head);
  }

  void on_fields_refused(uint64_t id) override { refuse_stream(id, h3_excessive_load); }

  void on_ended() override { accept_.on_gone(*this); }

  void connect(uint64_t id, const http3_fields& fields) {
    const auto protocol = value_of(fields, ":protocol");
    if (protocol != "webtransport" && protocol != "webtransport-h3") return refuse(id, "501", "Only WebTransport sessions are served here.\n");
    if (session_ || state_ != state::waiting) return refuse(id, "429", "One session on a connection is all that is served here.\n");
    webtransport_request request;
    request.path = value_of(fields, ":path");
    request.authority = value_of(fields, ":authority");
    request.origin = value_of(fields, "origin");
    if (!request.origin.empty() && !config_.origins.empty() && std::ranges::find(config_.origins, request.origin) == config_.origins.end()) {
      return refuse(id, "403", "Pages of this origin may not open a session here.\n");
    }
    auto offered = value_of(fields, "wt-available-protocols");
    const bool older = offered.empty();
    if (older) offered = value_of(fields, "sec-webtransport-protocol");
    for (const auto& name : protocol_names(offered)) {
      if (std::ranges::find(config_.protocols, name) == config_.protocols.end()) continue;
      request.protocol = name;
      break;
    }
    if (request.protocol.empty()) {
      return refuse(id, "406", "No common protocol: this endpoint speaks " + protocol_list(config_.protocols) +
                                 (offered.empty() ? "; name one in wt-available-protocols.\n" : ".\n"));
    }
    auto* user = accept_.on_session(*this, request);
    if (!user) return refuse(id, "503", "No more sessions are served here now.\n");
    http3_fields out{{":status", "200"}, {older ? "sec-webtransport-protocol" : "wt-protocol", protocol_list({request.protocol})}};
    if (!value_of(fields, "sec-webtransport-http3-draft02").empty()) out.emplace_back("sec-webtransport-http3-draft", "draft02");
    codec_->respond(id, out, {}, true);
    give_to_codec(id);
    flush();
    opened(id, request.protocol, user);
  }

  void refuse(uint64_t id, std::string status, std::string_view text) {
    ++counters_.requests_refused;
    answer(id, std::move(status), text, false);
  }

  void answer(uint64_t id, std::string status, std::string_view text, bool head) {
    codec_->respond(id, {{":status", std::move(status)}, {"content-type", "text/plain; charset=utf-8"}, {"content-length", std::to_string(text.size())}},
                    head ? std::string_view{} : text, false);
  }

  webtransport_acceptor& accept_;
};

class client_session final : public webtransport_session {
public:
  client_session(webtransport_config config, std::string authority, std::string path, connection_events& user)
    : webtransport_session(std::move(config), false, &user), wants_(user), authority_(std::move(authority)), path_(std::move(path)) {}

private:
  void on_settings() override {
    // Only now is it known that the peer takes an extended CONNECT [RFC 9220 3].
    if (connect_ || state_ != state::waiting) return;
    connect_ = below_->open_bidi();
    if (!connect_) {
      give_up(h3_general_protocol_error, {close_reason::kind::violation, h3_general_protocol_error, "the peer lets no request be made"});
      return;
    }
    give_to_codec(*connect_);
    http3_fields fields{{":method", "CONNECT"},
                        {":protocol", "webtransport"},
                        {":scheme", "https"},
                        {":authority", authority_},
                        {":path", path_.empty() ? "/" : path_},
                        {"sec-webtransport-http3-draft02", "1"},
                        {"wt-available-protocols", protocol_list(config_.protocols)}};
    if (!config_.origins.empty()) fields.emplace_back("origin", config_.origins.front());
    codec_->request(*connect_, fields);
  }

  void on_fields(uint64_t id, const http3_fields& fields) override {
    if (id != connect_ || state_ != state::waiting) return;
    const auto status = value_of(fields, ":status");
    if (!status.starts_with('2')) {
      unsigned code = 0;
      for (const char c : status.substr(0, 3)) code = code * 10 + (c >= '0' && c <= '9' ? static_cast<unsigned>(c - '0') : 0);
      return give_up(h3_no_error, {close_reason::kind::refused, code, refusal(code)});
    }
    auto answered = value_of(fields, "wt-protocol");
    if (answered.empty()) answered = value_of(fields, "sec-webtransport-protocol");
    const auto names = protocol_names(answered);
    const auto offered = protocol_list(config_.protocols);
    if (names.empty()) {
      return give_up(h3_no_error, {close_reason::kind::refused, 0, "the server chose no protocol (we offer " + offered + ")"});
    }
    if (std::ranges::find(config_.protocols, names[0]) == config_.protocols.end()) {
      return give_up(h3_no_error, {close_reason::kind::refused, 0, "the server chose '" + printable(names[0]) + "', which was not offered (we offer " + offered + ")"});
    }
    opened(id, names[0], &wants_);
  }

  void on_fields_refused(uint64_t) override {
    give_up(h3_excessive_load, {close_reason::kind::violation, h3_excessive_load, "the server's answer is larger than what is taken"});
  }

  std::string refusal(unsigned status) const {
    const std::string what = "the server refuses the session with HTTP status " + std::to_string(status);
    switch (status) {
    case 401:
    case 403: return what + " (not allowed)";
    case 404: return what + " (nothing is at " + (path_.empty() ? "/" : path_) + ")";
    case 406: return what + " (no common protocol: we offer " + protocol_list(config_.protocols) + ")";
    case 429: return what + " (it serves one session on a connection)";
    default: return what;
    }
  }

  connection_events& wants_;
  std::string authority_;
  std::string path_;
  std::optional<uint64_t> connect_;
};

} // namespace
} // namespace internal

std::vector<std::pair<uint64_t, uint64_t>> webtransport_config::default_settings() {
  return {
    {0x2b603742, 1}, // draft 2, which Chromium looks for
    {0xc671706a, 1}, // drafts 7 to 12: sessions at most
    {0x2b603743, 1}, // in between
    {0x14e9cd29, 1}, // drafts 13 and 14
    {0x2c7cf000, 1}, // the newest
    {0xffd277, 1},   // datagrams, before RFC 9297
  };
}

std::unique_ptr<webtransport> webtransport::serve(webtransport_config config, webtransport_acceptor& accept) {
  return std::make_unique<internal::server_session>(std::move(config), accept);
}

std::unique_ptr<webtransport> webtransport::dial(webtransport_config config, std::string authority, std::string path, connection_events& user) {
  return std::make_unique<internal::client_session>(std::move(config), std::move(authority), std::move(path), user);
}

} // namespace ec::quic
