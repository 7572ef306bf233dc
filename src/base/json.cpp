#include "base/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace ec::base::json {
namespace {

constexpr int64_t i_json_max = int64_t{1} << 53;

/// Length of the UTF-8 sequence at `at` and its code point; length 0 if it is not valid [RFC 3629].
std::pair<size_t, uint32_t> utf8_at(std::string_view s, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(s[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {1, first};
  const size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + count > s.size()) return {0, 0};
  uint32_t point = first & (0xffu >> (count + 1));
  for (size_t i = 1; i < count; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    point = point << 6 | (byte(i) & 0x3f);
  }
  static constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < least[count] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {0, 0};
  return {count, point};
}

bool valid_utf8(std::string_view s) {
  for (size_t at = 0; at < s.size();) {
    const size_t count = utf8_at(s, at).first;
    if (count == 0) return false;
    at += count;
  }
  return true;
}

/// Order of UTF-16 code units, over valid UTF-8: that of the bytes, but that what lies beyond the basic plane (surrogates, lead byte
/// f0 on) comes before U+E000 (lead byte ee on).
bool before_in_utf16(std::string_view a, std::string_view b) {
  const auto [at, bt] = std::ranges::mismatch(a, b);
  if (bt == b.end()) return false;
  if (at == a.end()) return true;
  const auto ca = static_cast<unsigned char>(*at), cb = static_cast<unsigned char>(*bt);
  if (ca >= 0xee && cb >= 0xee && (ca >= 0xf0) != (cb >= 0xf0)) return ca >= 0xf0;
  return ca < cb;
}

/// Builds the tree from RapidJSON's events and refuses what is over a bound before it is kept.
class builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, builder> {
public:
  explicit builder(const parse_options& options) : options_(options) {}

  bool Null() { return add(value{}); }
  bool Bool(bool v) { return add(value{v}); }
  bool Int(int v) { return add(value{v}); }
  bool Uint(unsigned v) { return add(value{v}); }
  bool Int64(int64_t v) {
    if (options_.i_json && (v > i_json_max || v < -i_json_max)) return refuse("a number beyond 2^53");
    return add(value{v});
  }
  bool Uint64(uint64_t v) {
    if (v > static_cast<uint64_t>(INT64_MAX)) return Double(static_cast<double>(v));
    return Int64(static_cast<int64_t>(v));
  }
  bool Double(double v) {
    if (!std::isfinite(v)) return refuse("a number out of range");
    if (options_.i_json && std::abs(v) > static_cast<double>(i_json_max) && std::trunc(v) == v && std::abs(v) < 1e21)
      return refuse("a number beyond 2^53");
    return add(value{v});
  }
  bool String(const char* s, rapidjson::SizeType n, bool) {
    if (!valid_utf8({s, n})) return refuse("a string that is not valid UTF-8");
    return add(value{std::string(s, n)});
  }
  bool StartObject() { return open(value{object{}}); }
  bool StartArray() { return open(value{array{}}); }
  bool Key(const char* s, rapidjson::SizeType n, bool) {
    if (!valid_utf8({s, n})) return refuse("a key that is not valid UTF-8");
    auto& top = open_.back();
    if (top.keys.size() >= options_.members_max) return refuse("too many members", errc::too_large);
    if (!top.keys.emplace(s, n).second) return refuse("the key \"" + std::string(s, n) + "\" twice");
    top.key.assign(s, n);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  value take() { return std::move(root_); }
  const error& why() const { return why_; }
  bool refused() const { return !why_.text.empty(); }

private:
  struct level {
    value v;
    std::string key; ///< of the member that comes next
    std::unordered_set<std::string> keys;
  };

  bool refuse(std::string what, errc code = errc::malformed) {
    why_ = {code, "holds " + std::move(what), {}};
    return false;
  }
  bool open(value v) {
    if (open_.size() >= options_.depth_max) return refuse("too deep a nesting", errc::too_large);
    open_.push_back({std::move(v), {}, {}});
    return true;
  }
  bool close() {
    value done = std::move(open_.back().v);
    open_.pop_back();
    return add(std::move(done));
  }
  bool add(value v) {
    if (open_.empty()) {
      root_ = std::move(v);
    } else if (auto* o = open_.back().v.as_object()) {
      o->emplace_back(std::move(open_.back().key), std::move(v));
    } else {
      open_.back().v.as_array()->push_back(std::move(v));
    }
    return true;
  }

  const parse_options& options_;
  std::vector<level> open_;
  value root_;
  error why_;
};

std::string place(std::string_view text, size_t offset) {
  const auto before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto last = before.rfind('\n');
  const auto column = before.size() - (last == std::string_view::npos ? 0 : last + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

void write_string(std::string& out, std::string_view s) {
  static constexpr char digits[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : s) {
    switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\b': out += "\\b"; break;
    case '\f': out += "\\f"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      if (static_cast<uint8_t>(c) < 0x20) {
        out += "\\u00";
        out.push_back(digits[static_cast<uint8_t>(c) >> 4]);
        out.push_back(digits[static_cast<uint8_t>(c) & 15]);
      } else {
        out.push_back(c);
      }
    }
  }
  out.push_back('"');
}

/// A double as ECMAScript prints it [RFC 8785 3.2.2.3]: shortest digits, exponent form outside 1e-7 .. 1e21.
void write_double(std::string& out, double v) {
  if (v == 0) {
    out += '0'; // also -0
    return;
  }
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(v), std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const auto e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 1) digits += text.substr(2, e - 2);
  int exponent = 0;
  const auto sign_at = e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(text.data() + sign_at, text.data() + text.size(), exponent);
  const int n = exponent + 1; // the decimal point stands behind this many digits
  const int k = static_cast<int>(digits.size());
  if (v < 0) out += '-';
  if (k <= n && n <= 21) {
    out += digits;
    out.append(static_cast<size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out += digits.substr(0, static_cast<size_t>(n)) + '.' + digits.substr(static_cast<size_t>(n));
  } else if (-6 < n && n <= 0) {
    out += "0." + std::string(static_cast<size_t>(-n), '0') + digits;
  } else {
    out += digits[0];
    if (k > 1) out += '.' + digits.substr(1);
    out += n > 0 ? "e+" : "e-";
    out += std::to_string(std::abs(n - 1));
  }
}

enum class form { canonical, compact, pretty };

void write(std::string& out, const value& v, form f, int depth) {
  const auto line = [&](int d) {
    if (f == form::pretty) out += '\n' + std::string(static_cast<size_t>(d) * 2, ' ');
  };
  if (v.is_null()) {
    out += "null";
  } else if (const auto* b = v.as_bool()) {
    out += *b ? "true" : "false";
  } else if (const auto* i = v.as_int()) {
    // Canonical numbers are doubles; beyond 2^53 the two spellings part.
    if (f == form::canonical && (*i > i_json_max || *i < -i_json_max)) write_double(out, static_cast<double>(*i));
    else out += std::to_string(*i);
  } else if (const auto* s = v.as_string()) {
    write_string(out, *s);
  } else if (const auto* a = v.as_array()) {
    out += '[';
    for (size_t n = 0; n < a->size(); ++n) {
      if (n != 0) out += ',';
      line(depth + 1);
      write(out, (*a)[n], f, depth + 1);
    }
    if (!a->empty()) line(depth);
    out += ']';
  } else if (const auto* o = v.as_object()) {
    std::vector<const member*> members;
    for (const auto& m : *o) members.push_back(&m);
    if (f == form::canonical)
      std::ranges::sort(members, [](const member* x, const member* y) { return before_in_utf16(x->first, y->first); });
    out += '{';
    for (size_t n = 0; n < members.size(); ++n) {
      if (n != 0) out += ',';
      line(depth + 1);
      write_string(out, members[n]->first);
      out += f == form::pretty ? ": " : ":";
      write(out, members[n]->second, f, depth + 1);
    }
    if (!members.empty()) line(depth);
    out += '}';
  } else {
    write_double(out, *v.as_number());
  }
}

std::string text_of(const value& v, form f) {
  std::string out;
  write(out, v, f, 0);
  return out;
}

} // namespace

std::optional<double> value::as_number() const {
  if (const auto* i = std::get_if<int64_t>(&v_)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&v_)) return *d;
  return std::nullopt;
}

const value* value::find(std::string_view key) const {
  const auto* o = as_object();
  if (o == nullptr) return nullptr;
  const auto it = std::ranges::find(*o, key, &member::first);
  return it == o->end() ? nullptr : &it->second;
}

std::string_view value::kind() const {
  static constexpr std::string_view kinds[] = {"null", "a boolean", "a whole number", "a number", "a string", "an array", "an object"};
  return kinds[v_.index()];
}

result<value> parse(std::string_view text, const parse_options& options) {
  if (text.size() > options.bytes_max)
    return fail(errc::too_large, "JSON of " + std::to_string(text.size()) + " bytes, the limit is " + std::to_string(options.bytes_max));
  // RapidJSON takes a zero byte for the end of the text and would accept what stands behind it.
  if (const auto zero = text.find('\0'); zero != std::string_view::npos)
    return fail(errc::malformed, "JSON holds a zero byte at " + place(text, zero));
  builder handler(options);
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  const auto done = reader.Parse<rapidjson::kParseFullPrecisionFlag | rapidjson::kParseValidateEncodingFlag>(stream, handler);
  if (handler.refused()) {
    error why = handler.why();
    why.text = "JSON " + why.text + " at " + place(text, done.Offset());
    return fail(std::move(why));
  }
  if (done.IsError())
    return fail(errc::malformed, std::string("not JSON: ") + rapidjson::GetParseError_En(done.Code()) + " (" + place(text, done.Offset()) + ")");
  return handler.take();
}

std::string canonical(const value& v) {
  return text_of(v, form::canonical);
}

std::string dump(const value& v) {
  return text_of(v, form::compact);
}

std::string pretty(const value& v) {
  return text_of(v, form::pretty) + "\n";
}

} // namespace ec::base::json
