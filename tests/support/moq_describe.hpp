#pragma once

#include <variant>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "moq/profile.hpp"

/// MoQ messages and streams as JSON, for golden vectors. Absent and empty fields are left out.
namespace ec::test {

namespace json = base::json;

/// Integers beyond 2^53 are text.
inline json::value number(uint64_t v) {
  return v > uint64_t{1} << 53 ? json::value(std::to_string(v)) : json::value(v);
}
inline json::value place(moq::location l) {
  return std::to_string(l.group) + "/" + std::to_string(l.object);
}
inline json::value fields(const moq::track_namespace& ns) {
  json::array out;
  for (const auto& f : ns.fields) out.emplace_back(f);
  return out;
}

struct describer {
  json::object out;

  void put(std::string key, json::value v) { out.emplace_back(std::move(key), std::move(v)); }
  void put(std::string key, const std::optional<uint64_t>& v) {
    if (v) put(std::move(key), number(*v));
  }
  void put(std::string key, const std::optional<std::string>& v) {
    if (v) put(std::move(key), json::value(*v));
  }
  void track(const moq::full_track_name& t) {
    put("namespace", fields(t.ns));
    put("name", json::value(t.name));
  }
  void tokens(const std::vector<moq::auth_token>& all) {
    if (all.empty()) return;
    json::array list;
    for (const auto& t : all) {
      list.push_back(json::object{{"kind", int(t.kind)}, {"alias", number(t.alias)}, {"type", number(t.type)}, {"value", t.value}});
    }
    put("tokens", list);
  }
  void params(const moq::parameters& p) {
    describer d;
    d.put("object_timeout", p.object_delivery_timeout_ms);
    d.tokens(p.tokens);
    d.put("rendezvous", p.rendezvous_timeout_ms);
    d.put("subgroup_timeout", p.subgroup_delivery_timeout_ms);
    d.put("expires", p.expires_ms);
    if (p.largest) d.put("largest", place(*p.largest));
    d.put("fill", p.fill_timeout_ms);
    if (p.forward) d.put("forward", json::value(*p.forward));
    if (p.priority) d.put("priority", json::value(int(*p.priority)));
    if (p.filter) {
      describer f;
      f.put("type", json::value(int(p.filter->type)));
      const bool absolute = p.filter->type == moq::subscription_filter::kind::absolute_start || p.filter->type == moq::subscription_filter::kind::absolute_range;
      if (absolute) f.put("start", place(p.filter->start));
      if (p.filter->type == moq::subscription_filter::kind::absolute_range) f.put("end", number(p.filter->end_group));
      d.put("filter", json::value(f.out));
    }
    if (p.order) d.put("order", json::value(int(*p.order)));
    d.put("new_group", p.new_group_request);
    if (p.prefix) d.put("prefix", fields(*p.prefix));
    d.way(p.hops, p.route_cost);
    if (!d.out.empty()) put("params", json::value(d.out));
  }
  void way(const std::optional<moq::hop_path>& hops, std::optional<uint64_t> cost) {
    json::array ids;
    for (const auto hop : hops.value_or(moq::hop_path{})) ids.push_back(number(hop));
    if (hops) put("hops", json::value(ids));
    put("route_cost", cost);
  }
  void properties(const moq::track_properties& p) {
    describer d;
    d.put("object_timeout", p.object_delivery_timeout_ms);
    d.put("max_cache", p.max_cache_duration_ms);
    d.put("subgroup_timeout", p.subgroup_delivery_timeout_ms);
    if (p.priority) d.put("priority", json::value(int(*p.priority)));
    if (p.order) d.put("order", json::value(int(*p.order)));
    if (p.dynamic_groups) d.put("dynamic", json::value(*p.dynamic_groups));
    json::array others;
    for (const auto& o : p.others) {
      others.push_back(o.type % 2 == 0 ? json::object{{"type", number(o.type)}, {"number", number(o.number)}}
                                       : json::object{{"type", number(o.type)}, {"value", base::to_hex(base::as_span(o.value))}});
    }
    if (!others.empty()) d.put("others", json::value(others));
    d.put("mandatory_unknown", p.mandatory_unknown);
    if (!d.out.empty()) put("properties", json::value(d.out));
  }

  void operator()(const moq::setup& m) {
    put("type", json::value("setup"));
    put("path", m.path);
    put("authority", m.authority);
    put("implementation", m.implementation);
    put("hop_id", m.hop_id);
    if (m.max_auth_token_cache_size) put("token_cache", number(m.max_auth_token_cache_size));
    tokens(m.tokens);
  }
  void operator()(const moq::goaway& m) {
    put("type", json::value("goaway"));
    put("uri", json::value(m.uri));
    put("timeout_ms", number(m.timeout_ms));
    put("first_unprocessed", m.first_unprocessed);
  }
  void operator()(const moq::subscribe& m) { request("subscribe", m); }
  void operator()(const moq::track_status& m) { request("track_status", m); }
  template <class M>
  void request(const char* type, const M& m) {
    put("type", json::value(type));
    put("id", number(m.id));
    track(m.track);
    params(m.params);
  }
  void operator()(const moq::subscribe_ok& m) {
    put("type", json::value("subscribe_ok"));
    put("alias", number(m.alias));
    params(m.params);
    properties(m.properties);
  }
  void operator()(const moq::request_ok& m) {
    put("type", json::value("request_ok"));
    params(m.params);
    properties(m.properties);
  }
  void operator()(const moq::request_error& m) {
    put("type", json::value("request_error"));
    put("code", number(m.code));
    put("retry_after_ms", m.retry_after_ms);
    put("reason", json::value(m.reason));
    if (!m.to) return;
    describer d;
    d.put("uri", json::value(m.to->uri));
    d.track(m.to->track);
    put("redirect", json::value(d.out));
  }
  void operator()(const moq::request_update& m) {
    put("type", json::value("request_update"));
    put("id", number(m.id));
    params(m.params);
  }
  void operator()(const moq::publish& m) {
    request("publish", m);
    put("alias", number(m.alias));
    properties(m.properties);
  }
  void operator()(const moq::publish_done& m) {
    put("type", json::value("publish_done"));
    put("status", number(m.status));
    put("streams", number(m.stream_count));
    put("reason", json::value(m.reason));
  }
  void operator()(const moq::fetch& m) {
    put("type", json::value("fetch"));
    put("id", number(m.id));
    put("kind", json::value(int(m.type)));
    if (m.type == moq::fetch::kind::standalone) {
      track(m.track);
      put("start", place(m.start));
      put("end", place(m.end));
    } else {
      put("joining_id", number(m.joining_id));
      put("joining_start", number(m.joining_start));
    }
    params(m.params);
  }
  void operator()(const moq::fetch_ok& m) {
    put("type", json::value("fetch_ok"));
    put("end_of_track", json::value(m.end_of_track));
    put("end", place(m.end));
    params(m.params);
    properties(m.properties);
  }
  void operator()(const moq::publish_namespace& m) { of_namespace("publish_namespace", m.id, m.ns, m.params); }
  void operator()(const moq::subscribe_namespace& m) { of_namespace("subscribe_namespace", m.id, m.prefix, m.params); }
  void operator()(const moq::subscribe_tracks& m) { of_namespace("subscribe_tracks", m.id, m.prefix, m.params); }
  void of_namespace(const char* type, uint64_t id, const moq::track_namespace& ns, const moq::parameters& p) {
    put("type", json::value(type));
    put("id", number(id));
    put("namespace", fields(ns));
    params(p);
  }
  void operator()(const moq::namespace_active& m) {
    put("type", json::value("namespace"));
    put("suffix", fields(m.suffix));
    way(m.hops, m.route_cost);
  }
  void operator()(const moq::namespace_done& m) {
    put("type", json::value("namespace_done"));
    put("suffix", fields(m.suffix));
  }
  void operator()(const moq::publish_blocked& m) {
    put("type", json::value("publish_blocked"));
    track(m.suffix);
  }
};

inline json::value describe(const moq::message& m) {
  describer d;
  std::visit([&](const auto& one) { d(one); }, m);
  return d.out;
}

inline std::optional<moq::request_kind> kind_named(std::string_view name) {
  using enum moq::request_kind;
  if (name == "subscribe") return subscribe;
  if (name == "publish") return publish;
  if (name == "fetch") return fetch;
  if (name == "track_status") return track_status;
  if (name == "publish_namespace") return publish_namespace;
  if (name == "subscribe_namespace") return subscribe_namespace;
  if (name == "subscribe_tracks") return subscribe_tracks;
  return std::nullopt;
}

} // namespace ec::test
