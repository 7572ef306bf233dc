#include "actors/relay_http.hpp"

#include <algorithm>
#include <charconv>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "base/limits_relay_http.hpp"
#include "net/http_server.hpp"
#include "net/url.hpp"

namespace ec::actors {
namespace {

namespace limits = base::limits;
using namespace std::chrono_literals;

constexpr std::chrono::seconds head_wait_spare{5}; ///< beyond what the loop takes to say that nothing came

/// The rest of a group on its way to a client.
class group_body final : public net::http_body {
public:
  explicit group_body(std::shared_ptr<http_exchange> exchange) : exchange_(std::move(exchange)) {}
  ~group_body() override { exchange_->leave(); }
  base::result<size_t> read(std::span<uint8_t> out, std::chrono::milliseconds wait) override { return exchange_->take(out, wait); }

private:
  std::shared_ptr<http_exchange> exchange_;
};

/// Segments joined by '/', each so that it stays one.
std::string path_of(const moq::track_namespace& ns) {
  std::string out;
  for (const auto& f : ns.fields) out += (out.empty() ? "" : "/") + net::percent_encoded(f);
  return out;
}

/// What the threads of all connections share.
class http_front {
public:
  http_front(relay_http_config config, quic_endpoint_actor endpoint) :
    config_(std::move(config)), endpoint_(std::move(endpoint)), alternative_("h3=\":" + std::to_string(config_.quic_port) + "\"") {}

  void stop() { stopping_ = true; }

  net::http_response answer(const net::http_request& request) {
    config_.counters->requests.fetch_add(1);
    auto out = route(request);
    out.headers.add("Alt-Svc", alternative_);
    // What is read here is public or opened by a token in the request: no cookie or other right of a page's visitor counts.
    if (config_.origins.empty() || request.path == "/certificate.sha256") {
      out.headers.add("Access-Control-Allow-Origin", "*");
    } else {
      const auto origin = request.headers.find("Origin");
      if (origin && std::ranges::find(config_.origins, *origin) != config_.origins.end()) out.headers.add("Access-Control-Allow-Origin", std::string(*origin));
      out.headers.add("Vary", "Origin");
    }
    out.headers.add("Cache-Control", "no-store");
    out.headers.add("X-Content-Type-Options", "nosniff");
    return out;
  }

private:
  static net::http_response text(int status, const std::string& line, const char* type = "text/plain; charset=utf-8") {
    net::http_response out;
    out.status = status;
    out.headers.add("Content-Type", type);
    out.body = base::bytes::copy(line);
    return out;
  }
  net::http_response malformed(const std::string& why) {
    config_.counters->malformed.fetch_add(1);
    return text(400, why + "\n");
  }

  net::http_response route(const net::http_request& request) {
    if (request.path == "/")
      return text(200, "A MoQ relay of every.channel. It speaks Media over QUIC on the UDP port of this number; here are /certificate.sha256, /announced/PREFIX and /fetch/NAMESPACE/TRACK.\n");
    if (request.path == "/certificate.sha256") {
      const auto identity = config_.identity->get();
      if (!identity) return text(404, "this relay shows no certificate\n");
      return text(200, base::to_hex(identity->certificate_digest())); // and no line end: pages take it as it comes
    }
    const auto trimmed = request.path.size() > 1 && request.path.ends_with('/') ? request.path.substr(0, request.path.size() - 1) : request.path;
    if (trimmed != "/announced" && !trimmed.starts_with("/announced/") && !trimmed.starts_with("/fetch/")) {
      config_.counters->not_found.fetch_add(1);
      return text(404, "there is nothing here: try /, /certificate.sha256, /announced/PREFIX or /fetch/NAMESPACE/TRACK\n");
    }
    auto segments = net::path_segments(trimmed);
    if (!segments) return malformed(segments.error().text);
    auto& fields = segments.value();
    http_ask ask;
    ask.query = request.query;
    ask.peer = request.peer;
    if (const auto shown = request.headers.find("Authorization")) {
      constexpr std::string_view bearer = "Bearer ";
      if (!shown->starts_with(bearer)) return malformed("of the schemes of Authorization only Bearer is known here");
      ask.tokens.emplace_back(shown->substr(bearer.size()));
    }
    const bool fetch = fields.front() == "fetch";
    fields.erase(fields.begin());
    if (!fetch) {
      ask.track.ns.fields = std::move(fields);
      if (!moq::is_valid(ask.track.ns)) return malformed("no namespace is that long");
      return listing(request, std::move(ask));
    }
    if (fields.size() < 2) return malformed("a namespace and the name of a track are needed: /fetch/NAMESPACE/TRACK");
    ask.what = http_ask::kind::fetch;
    ask.track.name = std::move(fields.back());
    fields.pop_back();
    ask.track.ns.fields = std::move(fields);
    if (!moq::is_valid(ask.track)) return malformed("no track has a name that long");
    if (const auto group = net::query_value(request.query, "group"); group && *group != "latest") {
      uint64_t number = 0;
      const auto [end, problem] = std::from_chars(group->data(), group->data() + group->size(), number);
      if (problem != std::errc{} || end != group->data() + group->size()) return malformed("group takes a whole number, or 'latest'");
      ask.group = number;
    }
    return group(std::move(ask));
  }

  /// Nothing: the relay is stopping, or hangs.
  std::pair<std::shared_ptr<http_exchange>, std::optional<http_head>> put(http_ask ask) {
    const auto tell = [endpoint = endpoint_](std::shared_ptr<http_exchange> e) { caf::anon_send(endpoint, http_request_note{std::move(e)}); };
    const auto exchange = std::make_shared<http_exchange>(std::move(ask), tell);
    tell(exchange);
    std::optional<http_head> head;
    constexpr auto turn = 200ms;
    for (std::chrono::milliseconds waited{0}; !head && !stopping_ && waited < limits::relay_http_first_byte + head_wait_spare; waited += turn) head = exchange->head(turn);
    if (!head) exchange->leave();
    return {exchange, std::move(head)};
  }

  static net::http_response refusal(const std::optional<http_head>& head) {
    if (!head) return text(503, "the relay is stopping, or too busy to answer\n");
    auto out = text(head->status, head->text + "\n");
    if (head->status == 401) out.headers.add("WWW-Authenticate", "Bearer");
    if (head->retry_after_seconds) out.headers.add("Retry-After", std::to_string(*head->retry_after_seconds));
    return out;
  }

  net::http_response listing(const net::http_request& request, http_ask ask) {
    const auto head = put(std::move(ask)).second;
    if (!head || head->status != 200) return refusal(head);
    const auto accept = request.headers.find("Accept");
    if (!accept || accept->find("application/json") == accept->npos) {
      std::string lines;
      for (const auto& ns : head->announced) lines += path_of(ns) + "\n";
      return text(200, lines);
    }
    base::json::array names;
    for (const auto& ns : head->announced) names.emplace_back(path_of(ns));
    return text(200, base::json::dump(base::json::object{{"announced", std::move(names)}}) + "\n", "application/json");
  }

  net::http_response group(http_ask ask) {
    auto [exchange, head] = put(std::move(ask));
    if (!head || head->status != 200 || !head->group) return refusal(head);
    net::http_response out;
    out.headers.add("Content-Type", "application/octet-stream");
    out.headers.add("X-MoQ-Group", std::to_string(*head->group));
    out.headers.add("Access-Control-Expose-Headers", "X-MoQ-Group");
    out.stream = std::make_unique<group_body>(std::move(exchange));
    out.chunked = true;
    out.reader_patience = limits::relay_http_reader_patience;
    return out;
  }

  relay_http_config config_;
  quic_endpoint_actor endpoint_;
  std::string alternative_;
  std::atomic<bool> stopping_{false};
};

class relay_http final : public relay_http_actor::base {
public:
  relay_http(caf::actor_config& cfg, std::shared_ptr<http_front> front, std::shared_ptr<net::http_server> server) :
    relay_http_actor::base(cfg), front_(std::move(front)), server_(std::move(server)) {}

  behavior_type make_behavior() override {
    return {
      [this](stop_atom) {
        front_->stop();
        server_->stop();
        quit();
      },
    };
  }

  void on_exit() override {
    if (front_) front_->stop();
    server_ = nullptr;
    front_ = nullptr;
  }

private:
  std::shared_ptr<http_front> front_;
  std::shared_ptr<net::http_server> server_;
};

} // namespace

base::result<running_relay_http> start_relay_http(caf::actor_system& sys, const relay_http_config& config, quic_endpoint_actor endpoint, placement where) {
  const auto front = std::make_shared<http_front>(config, std::move(endpoint));
  EC_TRY(auto made, net::http_server::start({.listen = config.listen, .connections_max = limits::relay_http_connections_max, .idle = limits::relay_http_idle,
                                              .connections_per_address_max = limits::relay_http_connections_per_address_max},
                      [front](const net::http_request& request) { return front->answer(request); }));
  const std::shared_ptr<net::http_server> server = std::move(made);
  auto address = server->address();
  return running_relay_http{spawn_at<relay_http>(sys, where, front, server), std::move(address)};
}

} // namespace ec::actors
