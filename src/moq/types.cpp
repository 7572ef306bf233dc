#include "moq/types.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/limits_lite.hpp"

namespace ec::moq {
namespace {

using base::errc;
using base::fail;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void append_escaped(std::string& out, std::string_view part) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const char c : part) {
    if (is_plain(c)) {
      out += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += '.';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

base::result<std::string> unescaped(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    if (is_plain(part[i])) {
      out += part[i];
      continue;
    }
    if (part[i] != '.') return fail(errc::malformed, "only letters, digits, '_' and '.xx' may stand in a track name", std::string(part));
    const int high = i + 2 < part.size() ? digit(part[i + 1]) : -1;
    const int low = i + 2 < part.size() ? digit(part[i + 2]) : -1;
    if (high < 0 || low < 0) return fail(errc::malformed, "'.' takes two lower-case hexadecimal digits", std::string(part));
    const char value = static_cast<char>(high << 4 | low);
    if (is_plain(value)) return fail(errc::malformed, "this byte must not be escaped", std::string(part));
    out += value;
    i += 2;
  }
  return out;
}

} // namespace

bool track_namespace::is_prefix_of(const track_namespace& ns) const {
  return fields.size() <= ns.fields.size() && std::equal(fields.begin(), fields.end(), ns.fields.begin());
}

track_namespace track_namespace::suffix_after(const track_namespace& prefix) const {
  const auto skip = static_cast<ptrdiff_t>(std::min(prefix.fields.size(), fields.size()));
  return {{fields.begin() + skip, fields.end()}};
}

track_namespace track_namespace::joined(const track_namespace& suffix) const {
  track_namespace out = *this;
  out.fields.insert(out.fields.end(), suffix.fields.begin(), suffix.fields.end());
  return out;
}

size_t track_namespace::bytes() const {
  size_t sum = 0;
  for (const auto& field : fields) sum += field.size();
  return sum;
}

std::string to_string(const track_namespace& ns) {
  std::string out;
  for (size_t i = 0; i < ns.fields.size(); ++i) {
    if (i > 0) out += '-';
    append_escaped(out, ns.fields[i]);
  }
  return out;
}

std::string to_string(const full_track_name& name) {
  std::string out = to_string(name.ns) + "--";
  append_escaped(out, name.name);
  return out;
}

base::result<full_track_name> parse_track_name(std::string_view text) {
  const auto split = text.find("--");
  if (split == std::string_view::npos) return fail(errc::malformed, "a track name needs '--' before its last part", std::string(text));
  full_track_name out;
  EC_TRY(auto last, unescaped(text.substr(split + 2)));
  out.name = std::move(last);
  std::string_view rest = text.substr(0, split);
  while (!rest.empty()) {
    const auto end = rest.find('-');
    EC_TRY(auto field, unescaped(rest.substr(0, end)));
    if (field.empty() || end == rest.size() - 1) return fail(errc::malformed, "a namespace field is empty", std::string(text));
    out.ns.fields.push_back(std::move(field));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  if (!is_valid(out)) return fail(errc::too_large, "the track name is too long", std::string(text));
  return out;
}

bool is_valid(const track_namespace& ns) {
  if (ns.fields.size() > base::limits::moq_namespace_fields_max) return false;
  if (std::ranges::any_of(ns.fields, &std::string::empty)) return false;
  return ns.bytes() <= base::limits::moq_full_track_name_bytes_max;
}

bool is_valid(const full_track_name& name) {
  return is_valid(name.ns) && name.ns.bytes() + name.name.size() <= base::limits::moq_full_track_name_bytes_max;
}

const hop_path* better_way(const hop_path* best, const hop_path& way, const hop_path* told, uint64_t exclude) {
  if (way.size() >= base::limits::moq_hops_max || (exclude != 0 && std::ranges::find(way, exclude) != way.end())) return best;
  if (best == nullptr) return &way;
  if (told != nullptr && (*best == *told || way == *told)) return *best == *told ? best : &way;
  return way.size() < best->size() ? &way : best;
}

} // namespace ec::moq

size_t std::hash<ec::moq::full_track_name>::operator()(const ec::moq::full_track_name& name) const noexcept {
  size_t h = std::hash<std::string>{}(name.name);
  for (const auto& field : name.ns.fields) h = h * 0x9e3779b97f4a7c15u + std::hash<std::string>{}(field);
  return h;
}
