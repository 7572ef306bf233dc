#include "manifest/subscriber_state.hpp"

#include <algorithm>
#include <map>

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
  EC_TRYV(internal::members(v, "a subscriber state", {"heard", "statements", "stream_id", "version"}));
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
  const auto* heard = v.find("heard") == nullptr ? nullptr : v.find("heard")->as_array();
  if (heard == nullptr || heard->size() > limits::heard_max * limits::trusted_keys_max) return internal::malformed("\"heard\" is no array of manifest objects");
  for (const auto& one : *heard) {
    EC_TRY(auto read, decode(base::as_span(json::canonical(one))));
    auto* whole = std::get_if<signed_manifest>(&read);
    if (whole == nullptr || whole->attestations.size() != 1 || !whole->key_statements.empty())
      return internal::malformed("an entry of \"heard\" is not one content with one attestation");
    s.heard.push_back(std::move(*whole));
  }
  return s;
}

const attestation& said(const signed_manifest& m) {
  return m.attestations.front();
}

/// What a file of this stream says.
base::result<subscriber_state> state_of(std::string_view text, const std::string& stream_id, const std::string& path) {
  auto s = state_from(text);
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

} // namespace

void tidy(subscriber_state& s) {
  std::map<crypto::verifying_key, std::map<uint64_t, signed_manifest>> chains;
  for (auto& one : s.heard) {
    const auto signer = said(one).signer;
    const auto sequence = said(one).sequence;
    if (chains.contains(signer) || chains.size() < limits::trusted_keys_max) chains[signer].emplace(sequence, std::move(one));
  }
  s.heard.clear();
  for (auto& [signer, links] : chains) {
    auto first = links.end();
    size_t bytes = 0;
    for (size_t count = 0; first != links.begin() && count < limits::heard_max; ++count) {
      bytes += encode(std::prev(first)->second).size();
      if (count > 0 && bytes > limits::heard_bytes_max) break;
      --first;
    }
    for (; first != links.end(); ++first) s.heard.push_back(std::move(first->second));
  }
}

void merge(subscriber_state& to, const subscriber_state& other) {
  for (const auto& s : other.statements) {
    const auto same = [&](const key_statement& known) { return known.what == s.what && known.key == s.key; };
    if (to.statements.size() < limits::statements_kept_max && std::ranges::none_of(to.statements, same)) to.statements.push_back(s);
  }
  to.heard.insert(to.heard.end(), other.heard.begin(), other.heard.end());
  tidy(to);
}

std::string subscriber_state_file_name(std::string_view stream_id) {
  return "subscriber-" + crypto::blake3(base::as_span(stream_id)).hex().substr(0, 16) + ".json";
}

std::string encode(const subscriber_state& s) {
  json::array statements;
  for (const auto& one : s.statements) statements.push_back(to_json(one));
  // A manifest object is canonical JSON already, and "heard" is the first of the members.
  std::string out = "{\"heard\":[";
  for (const auto& one : s.heard) {
    if (&one != &s.heard.front()) out += ',';
    const auto payload = encode(one);
    out += base::as_text(payload);
  }
  out += "],";
  return out + json::canonical(json::object{{"statements", std::move(statements)}, {"stream_id", s.stream_id}, {"version", version}}).substr(1) + "\n";
}

base::result<subscriber_state> decode_subscriber_state(std::string_view text) {
  return state_from(text);
}

base::result<subscriber_state> load_subscriber_state(const std::string& path, const std::string& stream_id, base::disk& on) {
  EC_TRY(const auto text, base::read_file(path, limits::subscriber_state_bytes_max, on));
  return state_of(text.text(), stream_id, path);
}

base::result<void> subscriber_state_file::save(const subscriber_state& s) {
  auto all = s;
  if (const auto found = base::read_file(path_, limits::subscriber_state_bytes_max, *on_)) {
    if (found.value().text() != text_) {
      if (const auto theirs = state_of(found.value().text(), s.stream_id, path_)) merge(all, theirs.value());
    } else if (there_ != all) {
      merge(all, there_);
    }
  }
  auto text = encode(all);
  EC_TRYV(base::write_file_atomic(path_, base::as_span(text), 0600, base::durability::power_cut, *on_));
  text_ = std::move(text);
  there_ = std::move(all);
  return base::ok();
}

} // namespace ec::manifest
