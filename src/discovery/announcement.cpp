#include "discovery/announcement.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/json_fields.hpp"
#include "base/limits.hpp"
#include "net/url.hpp"

namespace ec::discovery {
namespace {

using namespace std::string_view_literals;
namespace json = base::json;
namespace fields = base::json::fields;
namespace limits = base::limits;
using fields::malformed;

constexpr auto domain = "every.channel/announcement/v1\0"sv; // the zero byte belongs to it
constexpr int64_t version = 1;

bool visible(std::string_view text, size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

/// Rising, so that a set is spelled in one way.
bool rising(const std::vector<std::string>& list) {
  return std::ranges::adjacent_find(list, [](const auto& a, const auto& b) { return a >= b; }) == list.end();
}

std::string fault_of_address(const std::string& address) {
  const auto where = net::parse_host_port(address);
  if (!where) return where.error().text;
  if (where.value().port == 0 || where.value().host == "0.0.0.0" || where.value().host == "::") return "nobody can dial it";
  const auto& h = where.value();
  const bool v6 = h.host.find(':') != std::string::npos;
  if ((v6 ? "[" + h.host + "]" : h.host) + ":" + std::to_string(h.port) != address) return "it is not in its one spelling";
  return {};
}

std::string fault_of_url(const std::string& text) {
  constexpr auto moqt = "moqt://"sv, https = "https://"sv;
  const bool raw = text.starts_with(moqt);
  if (!raw && !text.starts_with(https)) return "its scheme is neither moqt nor https";
  // The rules of both are those of https; moqt has no port of its own.
  const auto url = net::parse_url(std::string(https) + text.substr(raw ? moqt.size() : https.size()));
  if (!url) return url.error().text;
  if (!url.value().query.empty() || text.find('?') != text.npos) return "it has a query, which is where secrets are: announcements have none";
  const auto authority_end = text.find('/', raw ? moqt.size() : https.size());
  if (raw && std::string_view(text).substr(moqt.size(), authority_end == text.npos ? text.npos : authority_end - moqt.size()) != url.value().authority())
    return "a moqt URL names host and port, in lower case";
  return {};
}

std::string fault_of(const direct_transport& t) {
  if (auto why = fault_of_address(t.address); !why.empty()) return "address '" + t.address + "': " + why;
  if (!visible(t.alpn, 32)) return "its ALPN is not 1 to 32 visible characters";
  return {};
}

std::string fault_of(const relay_transport& t) {
  if (auto why = fault_of_url(t.url); !why.empty()) return "relay '" + t.url + "': " + why;
  if (!visible(t.broadcast, 512)) return "its broadcast is not 1 to 512 visible characters";
  if (t.tracks.size() > limits::announcement_tracks_max) return "it names more than " + std::to_string(limits::announcement_tracks_max) + " tracks";
  if (!std::ranges::all_of(t.tracks, [](const auto& n) { return visible(n, 64); })) return "a track's name is not 1 to 64 visible characters";
  if (!rising(t.tracks)) return "its tracks are not in order";
  return {};
}

json::object to_object(const announcement& a) {
  json::array aliases(a.aliases.begin(), a.aliases.end());
  json::array offers;
  if (a.chunks) offers.emplace_back("chunks");
  if (a.manifests) offers.emplace_back("manifests");
  json::array transports;
  for (const auto& t : a.transports) {
    json::object o{{"kind", kind(t)}};
    if (const auto* d = std::get_if<direct_transport>(&t)) {
      o.emplace_back("address", d->address);
      o.emplace_back("alpn", d->alpn);
      o.emplace_back("spki", base::to_hex(d->spki));
    } else {
      const auto& r = std::get<relay_transport>(t);
      o.emplace_back("broadcast", r.broadcast);
      if (r.spki) o.emplace_back("spki", base::to_hex(*r.spki));
      o.emplace_back("tracks", json::array(r.tracks.begin(), r.tracks.end()));
      o.emplace_back("url", r.url);
    }
    transports.emplace_back(std::move(o));
  }
  json::object out{{"offers", std::move(offers)},
                   {"sequence", a.sequence},
                   {"signer", a.signer.to_string()},
                   {"source_node", a.source_node},
                   {"stream_id", a.stream_id.text()},
                   {"transports", std::move(transports)},
                   {"ttl_ms", a.ttl_ms},
                   {"updated_unix_ms", a.updated_unix_ms},
                   {"version", version}};
  if (!aliases.empty()) out.emplace_back("aliases", std::move(aliases));
  return out;
}

std::vector<uint8_t> signed_bytes(const announcement& a) {
  const auto text = json::canonical(to_object(a));
  std::vector<uint8_t> out(domain.begin(), domain.end());
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

base::result<const json::array*> list(const json::value& v, std::string_view key, size_t max) {
  const auto* found = v.find(key);
  const auto* all = found == nullptr ? nullptr : found->as_array();
  if (all == nullptr) return malformed("\"" + std::string(key) + "\" is no array");
  if (all->size() > max) return base::fail(base::errc::too_large, std::to_string(all->size()) + " entries in \"" + std::string(key) + "\"");
  return all;
}

base::result<std::vector<std::string>> texts(const json::value& v, std::string_view key, size_t max) {
  EC_TRY(const auto* all, list(v, key, max));
  std::vector<std::string> out;
  for (const auto& one : *all) {
    if (one.as_string() == nullptr) return malformed("\"" + std::string(key) + "\" holds " + std::string(one.kind()) + ", expected strings");
    out.push_back(*one.as_string());
  }
  return out;
}

base::result<spki_digest> spki_of(const json::value& v) {
  EC_TRY(const auto hex, fields::text(v, "spki"));
  spki_digest out;
  if (!base::from_lower_hex(hex, out)) return malformed("\"spki\" is not 64 lower-case hexadecimal digits");
  return out;
}

base::result<transport> transport_from(const json::value& v) {
  EC_TRY(const auto what, fields::text(v, "kind"));
  if (what == "direct") {
    EC_TRYV(fields::members(v, "a direct transport", {"address", "alpn", "kind", "spki"}));
    direct_transport t;
    EC_TRY(t.address, fields::text(v, "address"));
    EC_TRY(t.alpn, fields::text(v, "alpn"));
    EC_TRY(t.spki, spki_of(v));
    return transport{std::move(t)};
  }
  if (what != "relay_moq") return malformed("\"kind\" is neither \"direct\" nor \"relay_moq\"");
  EC_TRYV(fields::members(v, "a relay transport", {"broadcast", "kind", "spki", "tracks", "url"}));
  relay_transport t;
  EC_TRY(t.url, fields::text(v, "url"));
  EC_TRY(t.broadcast, fields::text(v, "broadcast"));
  EC_TRY(t.tracks, texts(v, "tracks", limits::announcement_tracks_max));
  if (v.find("spki") != nullptr) {
    EC_TRY(t.spki, spki_of(v));
  }
  return transport{std::move(t)};
}

} // namespace

std::string fault(const announcement& a) {
  if (a.aliases.size() > limits::announcement_aliases_max) return "more than " + std::to_string(limits::announcement_aliases_max) + " aliases";
  if (!rising(a.aliases)) return "its aliases are not in order";
  const auto suffix = a.stream_id.text().substr(a.stream_id.key().size());
  for (const auto& alias : a.aliases) {
    if (alias == a.stream_id.key()) return "an alias is its own name";
    const auto id = identity::stream_id::parse(alias + suffix);
    if (!id || id.value().key() != alias) return "alias '" + alias + "' is no key of a stream id";
  }
  if (!a.chunks && !a.manifests) return "it offers nothing";
  if (a.transports.size() > limits::announcement_transports_max) return "more than " + std::to_string(limits::announcement_transports_max) + " transports";
  for (const auto& t : a.transports)
    if (auto why = std::visit([](const auto& of) { return fault_of(of); }, t); !why.empty()) return why;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  if (a.source_node.empty() || a.source_node.size() > 64 || !std::ranges::all_of(a.source_node, plain))
    return "its source_node is not 1 to 64 of a-z, 0-9, '.' and '-'";
  if (a.sequence == 0 || a.sequence > uint64_t{fields::number_max}) return "its sequence is not 1 to 2^53";
  if (a.updated_unix_ms > uint64_t{fields::number_max}) return "its updated_unix_ms is over 2^53";
  if (a.ttl_ms < limits::announcement_ttl_ms_min || a.ttl_ms > limits::announcement_ttl_ms_max)
    return "its ttl_ms is not " + std::to_string(limits::announcement_ttl_ms_min) + " to " + std::to_string(limits::announcement_ttl_ms_max);
  if (encode(a).size() > limits::announcement_bytes_max) return "it has over " + std::to_string(limits::announcement_bytes_max) + " bytes";
  return {};
}

void sign(announcement& a, const crypto::signing_key& by) {
  a.signature = by.sign(signed_bytes(a));
}

bool genuine(const announcement& a) {
  return crypto::verify(a.signer, signed_bytes(a), a.signature);
}

json::value to_json(const announcement& a) {
  auto out = to_object(a);
  out.emplace_back("signature", a.signature.hex());
  return out;
}

std::string encode(const announcement& a) {
  return json::canonical(to_json(a));
}

base::result<announcement> decode(std::string_view text) {
  if (text.size() > limits::announcement_bytes_max)
    return base::fail(base::errc::too_large, "an announcement of " + std::to_string(text.size()) + " bytes, the limit is " +
                                               std::to_string(limits::announcement_bytes_max));
  const json::parse_options options{.bytes_max = limits::announcement_bytes_max, .depth_max = 5, .members_max = 16, .i_json = true};
  EC_TRY(const auto v, json::parse(text, options));
  // The version first: what a later one holds is not for this reader to judge.
  EC_TRY(const auto stated, fields::whole_number(v, "version"));
  if (stated != version) return base::fail(base::errc::unsupported, "an announcement of version " + std::to_string(stated));
  EC_TRYV(fields::members(v, "an announcement", {"aliases", "offers", "sequence", "signature", "signer", "source_node", "stream_id", "transports",
                                                  "ttl_ms", "updated_unix_ms", "version"}));
  EC_TRY(const auto id_text, fields::text(v, "stream_id"));
  EC_TRY(auto id, identity::stream_id::parse(id_text));
  EC_TRY(const auto key_text, fields::text(v, "signer"));
  EC_TRY(const auto key, crypto::verifying_key::parse(key_text));
  announcement a{.stream_id = std::move(id), .aliases = {}, .transports = {}, .source_node = {}, .signer = key};
  if (v.find("aliases") != nullptr) {
    EC_TRY(a.aliases, texts(v, "aliases", limits::announcement_aliases_max));
  }
  EC_TRY(const auto offers, texts(v, "offers", 2));
  a.chunks = std::ranges::find(offers, "chunks") != offers.end();
  a.manifests = std::ranges::find(offers, "manifests") != offers.end();
  EC_TRY(const auto* transports, list(v, "transports", limits::announcement_transports_max));
  for (const auto& one : *transports) {
    EC_TRY(auto t, transport_from(one));
    a.transports.push_back(std::move(t));
  }
  EC_TRY(a.source_node, fields::text(v, "source_node"));
  EC_TRY(a.sequence, fields::whole_number(v, "sequence", 1));
  EC_TRY(a.updated_unix_ms, fields::whole_number(v, "updated_unix_ms"));
  EC_TRY(a.ttl_ms, fields::whole_number(v, "ttl_ms"));
  EC_TRY(const auto hex, fields::text(v, "signature"));
  const auto signature = crypto::signature::from_hex(hex);
  if (!signature) return malformed("\"signature\" is not 128 lower-case hexadecimal digits");
  a.signature = *signature;
  if (auto why = fault(a); !why.empty()) return malformed("an announcement: " + why);
  if (encode(a) != text) return malformed("an announcement that is not in canonical form");
  return a;
}

std::vector<std::string> names(const announcement& a) {
  std::vector<std::string> out{a.stream_id.text()};
  const auto suffix = a.stream_id.text().substr(a.stream_id.key().size());
  for (const auto& alias : a.aliases) out.push_back(alias + suffix);
  return out;
}

std::string node_of(const announcement& a) {
  for (const auto& t : a.transports)
    if (const auto* direct = std::get_if<direct_transport>(&t)) return base::to_hex(direct->spki);
  return a.signer.to_string() + " " + a.source_node;
}

bool fits_dht(std::string_view encoded) {
  return encoded.size() <= limits::announcement_dht_bytes_max;
}

std::string_view kind(const transport& t) {
  return std::holds_alternative<direct_transport>(t) ? "direct" : "relay_moq";
}

std::string full_address(const transport& t) {
  if (const auto* d = std::get_if<direct_transport>(&t)) return "moqt://" + d->address + "#spki=" + base::to_hex(d->spki);
  const auto& r = std::get<relay_transport>(t);
  return r.spki ? r.url + "#spki=" + base::to_hex(*r.spki) : r.url;
}

} // namespace ec::discovery
