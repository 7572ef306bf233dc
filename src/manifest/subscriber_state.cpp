#include "manifest/subscriber_state.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "crypto/digest.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

namespace json = base::json;
namespace limits = base::limits;

constexpr int64_t version = 1;

base::result<subscriber_state> state_from(std::string_view text) {
  const json::parse_options options{.bytes_max = limits::subscriber_state_bytes_max, .depth_max = 8, .members_max = 32, .i_json = true};
  EC_TRY(const auto v, json::parse(text, options));
  EC_TRYV(internal::members(v, "a subscriber state", {"statements", "stream_id", "version"}));
  EC_TRY(const auto stated, internal::whole_number(v, "version"));
  if (stated != version) return base::fail(base::errc::unsupported, "a subscriber state of version " + std::to_string(stated));
  subscriber_state s;
  EC_TRY(s.stream_id, internal::text(v, "stream_id"));
  const auto* statements = v.find("statements") == nullptr ? nullptr : v.find("statements")->as_array();
  if (statements == nullptr || statements->size() > limits::statements_kept_max) return internal::malformed("\"statements\" is no array of key statements");
  for (const auto& one : *statements) {
    EC_TRY(auto said, key_statement_from_json(one));
    if (!genuine(said)) return base::fail(base::errc::mismatch, "a key statement is not signed by the key that it is about", said.key.to_string());
    s.statements.push_back(std::move(said));
  }
  return s;
}

} // namespace

void merge(subscriber_state& to, const subscriber_state& other) {
  for (const auto& s : other.statements) {
    const auto same = [&](const key_statement& known) { return known.what == s.what && known.key == s.key; };
    if (to.statements.size() < limits::statements_kept_max && std::ranges::none_of(to.statements, same)) to.statements.push_back(s);
  }
}

std::string subscriber_state_file_name(std::string_view stream_id) {
  return "subscriber-" + crypto::blake3(base::as_span(stream_id)).hex().substr(0, 16) + ".json";
}

std::string encode(const subscriber_state& s) {
  json::array statements;
  for (const auto& one : s.statements) statements.push_back(to_json(one));
  return json::canonical(json::object{{"statements", std::move(statements)}, {"stream_id", s.stream_id}, {"version", version}}) + "\n";
}

base::result<subscriber_state> decode_subscriber_state(std::string_view text) {
  return state_from(text);
}

base::result<subscriber_state> load_subscriber_state(const std::string& path, const std::string& stream_id, base::disk& on) {
  EC_TRY(const auto text, base::read_file(path, limits::subscriber_state_bytes_max, on));
  auto s = state_from(text.text());
  if (!s) {
    auto why = std::move(s).error();
    why.text = "this subscriber state cannot be used (" + why.message() +
               "). Without it a key that was revoked could count again: restore the file, or remove it knowingly";
    why.about = path;
    return base::fail(std::move(why));
  }
  if (s.value().stream_id != stream_id)
    return base::fail(base::errc::invalid_argument, "this subscriber state is of another stream, " + s.value().stream_id, path);
  return s;
}

base::result<void> save_subscriber_state(const std::string& path, const subscriber_state& s, base::disk& on) {
  auto all = s;
  if (const auto there = load_subscriber_state(path, s.stream_id, on)) merge(all, there.value());
  return base::write_file_atomic(path, base::as_span(encode(all)), 0600, base::durability::power_cut, on);
}

} // namespace ec::manifest
