#include "manifest/key_statement.hpp"

#include <algorithm>

#include "base/byte_io.hpp"
#include "base/file.hpp"
#include "base/limits.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

using namespace std::string_view_literals;
namespace json = base::json;
namespace limits = base::limits;

constexpr auto domain = "every.channel/key-statement/v1\0"sv; // the zero byte belongs to it
constexpr int64_t version = 1;

base::result<crypto::verifying_key> key_at(const json::value& v, std::string_view member) {
  EC_TRY(const auto text, internal::text(v, member));
  return crypto::verifying_key::parse(text);
}

base::result<crypto::signature> signature_at(const json::value& v, std::string_view member) {
  EC_TRY(const auto hex, internal::text(v, member));
  const auto read = crypto::signature::from_hex(hex);
  if (!read) return internal::malformed("\"" + std::string(member) + "\" is not 128 lower-case hexadecimal digits");
  return *read;
}

uint64_t ms_of(base::wall_time now) {
  return static_cast<uint64_t>(std::clamp<int64_t>(base::unix_ms(now), 0, internal::number_max));
}

} // namespace

std::string_view name(key_statement::kind k) {
  return k == key_statement::kind::rotate ? "rotate" : "revoke";
}

std::vector<uint8_t> signed_bytes(const key_statement& s) {
  base::byte_writer out(128);
  out.raw(domain);
  out.u8(static_cast<uint8_t>(s.what));
  out.raw(s.key.bytes());
  out.raw(s.next ? s.next->bytes() : std::array<uint8_t, crypto::verifying_key::size>{});
  out.u64(s.signed_unix_ms);
  return out.take();
}

key_statement rotation(const crypto::signing_key& old, const crypto::signing_key& next, base::wall_time now) {
  key_statement s{.what = key_statement::kind::rotate, .key = old.public_key(), .next = next.public_key(), .signed_unix_ms = ms_of(now)};
  const auto bytes = signed_bytes(s);
  s.signature = old.sign(bytes);
  s.next_signature = next.sign(bytes);
  return s;
}

key_statement revocation(const crypto::signing_key& key, base::wall_time now) {
  key_statement s{.what = key_statement::kind::revoke, .key = key.public_key(), .signed_unix_ms = ms_of(now)};
  s.signature = key.sign(signed_bytes(s));
  return s;
}

bool genuine(const key_statement& s) {
  const bool rotates = s.what == key_statement::kind::rotate;
  if (rotates != s.next.has_value() || rotates != s.next_signature.has_value()) return false;
  const auto bytes = signed_bytes(s);
  return crypto::verify(s.key, bytes, s.signature) && (!rotates || crypto::verify(*s.next, bytes, *s.next_signature));
}

json::value to_json(const key_statement& s) {
  json::object out{{"key", s.key.to_string()},
                   {"key_statement", std::string(name(s.what))},
                   {"signature", s.signature.hex()},
                   {"signed_unix_ms", s.signed_unix_ms},
                   {"version", version}};
  if (s.next) out.emplace_back("next", s.next->to_string());
  if (s.next_signature) out.emplace_back("next_signature", s.next_signature->hex());
  return out;
}

base::result<key_statement> key_statement_from_json(const json::value& v) {
  EC_TRYV(internal::members(v, "a key statement", {"key", "key_statement", "next", "next_signature", "signature", "signed_unix_ms", "version"}));
  EC_TRY(const auto stated, internal::whole_number(v, "version"));
  if (stated != version) return base::fail(base::errc::unsupported, "a key statement of version " + std::to_string(stated));
  EC_TRY(const auto kind, internal::text(v, "key_statement"));
  const bool rotates = kind == "rotate";
  if (!rotates && kind != "revoke") return internal::malformed("\"key_statement\" is neither \"rotate\" nor \"revoke\"");
  EC_TRY(const auto key, key_at(v, "key"));
  key_statement s{.what = rotates ? key_statement::kind::rotate : key_statement::kind::revoke, .key = key};
  EC_TRY(s.signed_unix_ms, internal::whole_number(v, "signed_unix_ms"));
  EC_TRY(s.signature, signature_at(v, "signature"));
  if (rotates) {
    EC_TRY(s.next, key_at(v, "next"));
    EC_TRY(s.next_signature, signature_at(v, "next_signature"));
    if (s.next == s.key) return internal::malformed("a key that names itself as its successor");
  } else if (v.find("next") != nullptr || v.find("next_signature") != nullptr) {
    return internal::malformed("a revocation names no next key");
  }
  return s;
}

std::string encode(const key_statement& s) {
  return json::canonical(to_json(s)) + "\n";
}

base::result<key_statement> decode_key_statement(std::string_view text) {
  if (text.size() > limits::key_statement_bytes_max)
    return base::fail(base::errc::too_large, "a key statement of " + std::to_string(text.size()) + " bytes");
  const json::parse_options options{.bytes_max = limits::key_statement_bytes_max, .depth_max = 2, .members_max = 8, .i_json = true};
  EC_TRY(const auto v, json::parse(text, options));
  EC_TRY(auto s, key_statement_from_json(v));
  if (encode(s) != text) return internal::malformed("a key statement that is not in canonical form, with one line feed behind it");
  return s;
}

base::result<key_statement> load_key_statement(const std::string& path) {
  EC_TRY(const auto text, base::read_file(path, limits::key_statement_bytes_max));
  auto s = decode_key_statement(text.text());
  if (!s) {
    auto why = std::move(s).error();
    why.about = path;
    return base::fail(std::move(why));
  }
  if (!genuine(s.value())) return base::fail(base::errc::mismatch, "not signed by the key that it is about: it was changed, or forged", path);
  return s;
}

} // namespace ec::manifest
