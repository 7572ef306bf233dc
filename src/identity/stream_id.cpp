#include "identity/stream_id.hpp"

#include <algorithm>
#include <charconv>

#include "base/limits.hpp"

namespace ec::identity {
namespace {

using base::errc;
using base::fail;

constexpr std::string_view root = "ec/stream/v1";
constexpr size_t value_bytes_max = 255;
constexpr std::string_view digits = "0123456789ABCDEF";

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' || c == '-';
}

std::string encode(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (unreserved(c)) {
      out += c;
      continue;
    }
    const auto b = static_cast<uint8_t>(c);
    out += '%';
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

/// The value that `text` encodes; nothing if it is not what encode() writes.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!unreserved(text[i])) return std::nullopt;
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = digits.find(text[i + 1]);
    const auto low = digits.find(text[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    const char c = static_cast<char>(high << 4 | low);
    if (unreserved(c)) return std::nullopt;
    out += c;
    i += 2;
  }
  return out;
}

bool all_of(std::string_view text, std::string_view extra) {
  return std::ranges::all_of(text, [&](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || extra.find(c) != extra.npos; });
}

bool is_value(std::string_view v) {
  return !v.empty() && v.size() <= value_bytes_max &&
         std::ranges::none_of(v, [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; });
}

bool is_name(std::string_view v) {
  return !v.empty() && v.size() <= 64 && all_of(v, ".-");
}

/// A number as it is printed: no sign, no leading zero.
std::optional<uint16_t> number(std::string_view text) {
  uint16_t out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc{} || end != text.data() + text.size() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return out;
}

bool is_virtual_channel(std::string_view v) {
  const auto dot = v.find('.');
  return number(v.substr(0, dot)) && (dot == v.npos || number(v.substr(dot + 1)));
}

/// What is wrong with a scope, or nothing.
std::string_view fault(const scope& of) {
  if (const auto* s = std::get_if<source_scope>(&of)) {
    if (!is_value(s->kind)) return "kind";
    if (!is_value(s->device)) return "device";
    return is_value(s->channel) ? "" : "channel";
  }
  const auto& b = std::get<broadcast_scope>(of);
  if (b.standard.empty() || b.standard.size() > 16 || !all_of(b.standard, "")) return "standard";
  if (b.virtual_channel && !is_virtual_channel(*b.virtual_channel)) return "channel";
  if (b.callsign && !is_value(*b.callsign)) return "callsign";
  if (!b.network && !b.tsid && !b.program_number && !b.virtual_channel && !b.callsign) return "tsid, program, channel or callsign";
  return "";
}

std::string print(const scope& of, std::string_view profile, std::string_view variant) {
  std::string out(root);
  const auto add = [&](std::string_view key, std::string_view value) {
    out += '/';
    out += key;
    out += '-';
    out += encode(value);
  };
  if (const auto* s = std::get_if<source_scope>(&of)) {
    out += "/source";
    add("kind", s->kind);
    add("device", s->device);
    add("channel", s->channel);
  } else {
    const auto& b = std::get<broadcast_scope>(of);
    out += "/broadcast";
    add("standard", b.standard);
    if (b.network) add("network", std::to_string(*b.network));
    if (b.tsid) add("tsid", std::to_string(*b.tsid));
    if (b.program_number) add("program", std::to_string(*b.program_number));
    if (b.virtual_channel) add("channel", *b.virtual_channel);
    if (b.callsign) add("callsign", *b.callsign);
  }
  add("profile", profile);
  add("variant", variant);
  return out;
}

/// Takes path elements off the front of an id.
class elements {
public:
  explicit elements(std::string_view text) : left_(text) {}

  bool done() const { return done_; }
  bool literal(std::string_view expected) { return peek() == expected && advance(); }
  /// The decoded value of the next element if its key is `key`; an element that does not decode is not taken.
  std::optional<std::string> field(std::string_view key) {
    const auto next = peek();
    if (done_ || !next.starts_with(key) || next.size() <= key.size() || next[key.size()] != '-') return std::nullopt;
    auto value = decode(next.substr(key.size() + 1));
    if (value) advance();
    return value;
  }
  std::string_view peek() const { return left_.substr(0, left_.find('/')); }

private:
  bool advance() {
    const auto slash = left_.find('/');
    done_ = slash == left_.npos;
    left_ = done_ ? std::string_view{} : left_.substr(slash + 1);
    return true;
  }

  std::string_view left_;
  bool done_ = false;
};

} // namespace

base::result<stream_id> stream_id::make(identity::scope of, std::string profile, std::string variant) {
  if (const auto wrong = fault(of); !wrong.empty()) return fail(errc::invalid_argument, "a stream id needs a usable " + std::string(wrong));
  if (!is_name(profile)) return fail(errc::invalid_argument, "a profile is 1 to 64 of a-z, 0-9, '.' and '-'", profile);
  if (!is_name(variant)) return fail(errc::invalid_argument, "a variant is 1 to 64 of a-z, 0-9, '.' and '-'", variant);
  stream_id out;
  out.text_ = print(of, profile, variant);
  out.key_bytes_ = out.text_.size() - (std::string_view("/profile-").size() + profile.size() + std::string_view("/variant-").size() + variant.size());
  if (out.text_.size() > base::limits::stream_id_bytes_max)
    return fail(errc::too_large, "a stream id of " + std::to_string(out.text_.size()) + " bytes, the limit is " +
                                   std::to_string(base::limits::stream_id_bytes_max));
  out.scope_ = std::move(of);
  out.profile_ = std::move(profile);
  out.variant_ = std::move(variant);
  return out;
}

base::result<stream_id> stream_id::parse(std::string_view text) {
  if (text.size() > base::limits::stream_id_bytes_max)
    return fail(errc::too_large, "a stream id of " + std::to_string(text.size()) + " bytes, the limit is " +
                                   std::to_string(base::limits::stream_id_bytes_max));
  const auto malformed = [&](std::string why) { return fail(errc::malformed, "not a stream id: " + std::move(why), std::string(text)); };
  elements in(text);
  if (!in.literal("ec") || !in.literal("stream")) return malformed("it does not start with ec/stream/");
  if (!in.literal("v1")) return malformed("its version is not v1");
  identity::scope of;
  if (in.literal("source")) {
    source_scope s;
    for (const auto& [key, value] : {std::pair{"kind", &s.kind}, {"device", &s.device}, {"channel", &s.channel}}) {
      auto found = in.field(key);
      if (!found) return malformed("expected " + std::string(key) + "-VALUE, found '" + std::string(in.peek()) + "'");
      *value = std::move(*found);
    }
    of = std::move(s);
  } else if (in.literal("broadcast")) {
    broadcast_scope b;
    auto standard = in.field("standard");
    if (!standard) return malformed("expected standard-VALUE, found '" + std::string(in.peek()) + "'");
    b.standard = std::move(*standard);
    for (const auto& [key, value] : {std::pair{"network", &b.network}, {"tsid", &b.tsid}, {"program", &b.program_number}}) {
      const auto found = in.field(key);
      if (!found) continue;
      *value = number(*found);
      if (!*value) return malformed(std::string(key) + " is no number from 0 to 65535 without leading zeros");
    }
    b.virtual_channel = in.field("channel");
    b.callsign = in.field("callsign");
    of = std::move(b);
  } else {
    return malformed("its scope is neither broadcast nor source");
  }
  auto profile = in.field("profile");
  if (!profile) return malformed("expected profile-VALUE, found '" + std::string(in.peek()) + "'");
  auto variant = in.field("variant");
  if (!variant) return malformed("expected variant-VALUE, found '" + std::string(in.peek()) + "'");
  if (!in.done()) return malformed("something stands behind the variant");
  auto made = make(std::move(of), std::move(*profile), std::move(*variant));
  if (!made) return malformed(made.error().text);
  // The grammar has one spelling; this catches whatever the reader above would take too generously.
  if (made.value().text_ != text) return malformed("it is not in its one spelling, " + made.value().text_);
  return made;
}

base::result<stream_id> source_stream_id(std::string kind, std::string device, std::string channel, std::string profile, std::string variant) {
  return stream_id::make(source_scope{std::move(kind), std::move(device), std::move(channel)}, std::move(profile), std::move(variant));
}

std::vector<std::string> namespace_fields(const stream_id& id) {
  std::vector<std::string> out;
  std::string_view left = id.text();
  while (true) {
    const auto slash = left.find('/');
    out.emplace_back(left.substr(0, slash));
    if (slash == left.npos) return out;
    left.remove_prefix(slash + 1);
  }
}

base::result<stream_id> from_namespace_fields(std::span<const std::string> fields) {
  std::string text;
  for (const auto& f : fields) {
    if (f.find('/') != f.npos) return fail(errc::malformed, "a namespace field of a stream id holds a slash", f);
    if (text.size() + f.size() > base::limits::stream_id_bytes_max) return fail(errc::too_large, "a track namespace longer than a stream id");
    if (&f != fields.data()) text += '/';
    text += f;
  }
  return stream_id::parse(text);
}

} // namespace ec::identity
