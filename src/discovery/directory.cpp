#include "discovery/directory.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "base/limits.hpp"
#include "crypto/random.hpp"
#include "discovery/stream_listing.hpp"

namespace ec::discovery {
namespace {

namespace json = base::json;
namespace limits = base::limits;

constexpr pace request_pace{limits::directory_requests_burst, limits::directory_requests_second};
constexpr std::string_view listing_path = "/api/public-streams", upsert_path = "/api/stream-upsert", health_path = "/api/health";

net::http_response document(int status, const json::value& body) {
  net::http_response out;
  out.status = status;
  out.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Access-Control-Allow-Origin", "*"}};
  out.body = base::bytes::copy(json::dump(body) + "\n");
  return out;
}

net::http_response refusal(int status, std::string_view error, std::string reason) {
  auto out = document(status, json::object{{"error", error}, {"reason", std::move(reason)}});
  if (status == 429) out.headers.add("Retry-After", "1");
  return out;
}

int status_of(verdict v) {
  switch (v) {
  case verdict::added: return 201;
  case verdict::renewed:
  case verdict::withdrawn:
  case verdict::duplicate: return 200;
  case verdict::too_large: return 413;
  case verdict::over_address_rate:
  case verdict::over_key_rate:
  case verdict::over_check_rate: return 429;
  case verdict::full_address:
  case verdict::full_key:
  case verdict::full_stream:
  case verdict::full: return 507;
  case verdict::bad_signature: return 403;
  case verdict::replayed:
  case verdict::equivocation: return 409;
  case verdict::malformed:
  case verdict::unsupported:
  case verdict::expired:
  case verdict::from_future: break;
  }
  return 400;
}

std::optional<uint64_t> number(const std::optional<std::string>& text) {
  uint64_t out = 0;
  if (!text) return std::nullopt;
  const auto [at, problem] = std::from_chars(text->data(), text->data() + text->size(), out);
  if (problem != std::errc{} || at != text->data() + text->size()) return std::nullopt;
  return out;
}

net::url under(const net::url& base, std::string_view path) {
  auto out = base;
  while (out.path.ends_with('/')) out.path.pop_back();
  out.path += path;
  out.query.clear();
  return out;
}

table_limits limits_of_directory() {
  table_limits out;
  out.announcements = limits::directory_announcements_max;
  return out;
}

} // namespace

directory::directory(directory_config config) : config_(std::move(config)), table_(limits_of_directory()) {}

net::http_response directory::answer(const net::http_request& request, base::wall_time wall, base::mono_time now) {
  auto* purse = rates_.find(neighbourhood(request.peer), request_pace, now);
  if (purse == nullptr || !purse->try_take(request_pace, now)) {
    ++requests_refused_;
    return refusal(429, "over_request_rate", "more requests than one address may make");
  }
  table_.expire(now);
  if (request.path == upsert_path) {
    if (request.method == "POST") return upsert(request, wall, now);
  } else if (request.path == listing_path || request.path == health_path) {
    if (request.method != "POST") return request.path == health_path ? health() : streams(request);
  } else {
    return refusal(404, "not_found", "there are /api/public-streams, /api/stream-upsert and /api/health");
  }
  auto out = refusal(405, "method", request.path == upsert_path ? "announcements are posted" : "this is read, not posted to");
  out.headers.add("Allow", request.path == upsert_path ? "POST" : "GET, HEAD");
  return out;
}

net::http_response directory::upsert(const net::http_request& request, base::wall_time wall, base::mono_time now) {
  if (!config_.token.empty()) {
    constexpr std::string_view scheme = "Bearer ";
    const auto given = request.headers.find("Authorization").value_or("");
    if (!given.starts_with(scheme) || !crypto::equal_constant_time(base::as_span(given.substr(scheme.size())), base::as_span(config_.token))) {
      ++posts_unauthorized_;
      auto out = refusal(401, "unauthorized", "this directory takes announcements with its bearer token only");
      out.headers.add("WWW-Authenticate", "Bearer");
      return out;
    }
  }
  const auto judged = table_.push(request.body, {carrier_kind::post, request.peer}, wall, now);
  const auto status = status_of(judged.what);
  if (status >= 400) return refusal(status, name(judged.what), judged.reason);
  return document(status, json::object{{"result", name(judged.what)}});
}

net::http_response directory::streams(const net::http_request& request) const {
  const auto about = net::query_value(request.query, "stream");
  std::vector<source> found;
  bool whole = false; // the listing from the beginning, for whoever looks at all of it
  if (about) {
    const auto id = identity::stream_id::parse(*about);
    if (!id) return refusal(400, "malformed", "stream: " + id.error().message());
    found = table_.find(id.value());
  } else {
    const auto known = net::query_value(request.query, "instance") == config_.instance ? number(net::query_value(request.query, "since")) : std::nullopt;
    whole = !known;
    found = table_.since(known.value_or(0));
  }
  json::array announcements;
  size_t bytes = 0;
  uint64_t version = table_.version();
  bool more = false;
  for (const auto& s : found) {
    bytes += s.encoded.size() + 1;
    if (bytes > config_.listing_bytes_max) {
      more = true;
      break;
    }
    if (!about) version = s.version;
    announcements.push_back(to_json(*s.what));
  }
  if (!more) version = table_.version();
  json::object out{{"version", 1}, {"instance", config_.instance}, {"at", version}, {"more", more}};
  if (whole && !more) {
    json::array streams;
    for (const auto& s : list_streams(table_.all()))
      streams.emplace_back(json::object{{"names", json::array(s.names.begin(), s.names.end())}, {"sources", uint64_t{s.nodes}}});
    out.emplace_back("streams", std::move(streams));
  }
  out.emplace_back("announcements", std::move(announcements));
  return document(200, out);
}

net::http_response directory::health() const {
  json::object counts;
  for (size_t i = 0; i < verdicts; ++i)
    if (const auto n = table_.count(static_cast<verdict>(i)); n > 0) counts.emplace_back(name(static_cast<verdict>(i)), n);
  return document(200, json::object{{"status", "ok"}, {"announcements", uint64_t{table_.all().size()}}, {"streams", uint64_t{list_streams(table_.all()).size()}},
                                    {"posts", std::move(counts)}, {"posts_unauthorized", posts_unauthorized_}, {"requests_refused", requests_refused_}});
}

net::url listing_url(const net::url& base, const directory_place& place) {
  auto out = under(base, listing_path);
  if (!place.instance.empty()) out.query = "instance=" + place.instance + "&since=" + std::to_string(place.version);
  return out;
}

net::url upsert_url(const net::url& base) {
  return under(base, upsert_path);
}

net::http_call upsert_call(const base::bytes& encoded, const std::string& token) {
  net::http_call call{.method = "POST", .headers = {{"Content-Type", "application/json"}}, .body = encoded};
  if (!token.empty()) call.headers.add("Authorization", "Bearer " + token);
  return call;
}

base::result<directory_listing> read_listing(std::string_view body) {
  const json::parse_options options{.bytes_max = limits::http_body_bytes_max, .depth_max = 8, .members_max = 64, .i_json = true};
  EC_TRY(const auto v, json::parse(body, options));
  EC_TRY(const auto version, json::fields::whole_number(v, "version"));
  if (version != 1) return base::fail(base::errc::unsupported, "a directory that speaks version " + std::to_string(version));
  directory_listing out;
  EC_TRY(out.place.instance, json::fields::text(v, "instance"));
  // It goes into a URL.
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (out.place.instance.empty() || out.place.instance.size() > 64 || !std::ranges::all_of(out.place.instance, plain))
    return json::fields::malformed("\"instance\" is not 1 to 64 of a-z and 0-9");
  EC_TRY(out.place.version, json::fields::whole_number(v, "at"));
  const auto* more = v.find("more");
  out.more = more != nullptr && more->as_bool() != nullptr && *more->as_bool();
  const auto* list = v.find("announcements");
  if (list == nullptr || list->as_array() == nullptr) return json::fields::malformed("\"announcements\" is no array");
  if (list->as_array()->size() > limits::announcements_per_directory_burst)
    return base::fail(base::errc::too_large, std::to_string(list->as_array()->size()) + " announcements in one listing");
  for (const auto& one : *list->as_array()) out.encoded.push_back(base::bytes::copy(json::canonical(one)));
  return out;
}

} // namespace ec::discovery
