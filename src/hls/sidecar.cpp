#include "hls/sidecar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "base/json.hpp"
#include "base/limits.hpp"
#include "hls/playlist.hpp"

namespace ec::hls {
namespace {

namespace json = base::json;
namespace limits = base::limits;
using base::errc;
using base::fail;

base::result<uint64_t> whole_number(const json::value& line, std::string_view key) {
  const auto* member = line.find(key);
  const auto* number = member != nullptr ? member->as_int() : nullptr;
  if (number == nullptr || *number < 0) return fail(errc::malformed, "expected a whole number", std::string(key));
  return static_cast<uint64_t>(*number);
}

base::result<bool> boolean(const json::value& line, std::string_view key) {
  const auto* member = line.find(key);
  const auto* flag = member != nullptr ? member->as_bool() : nullptr;
  if (flag == nullptr) return fail(errc::malformed, "expected true or false", std::string(key));
  return *flag;
}

base::result<std::string> text(const json::value& line, std::string_view key) {
  const auto* member = line.find(key);
  const auto* string = member != nullptr ? member->as_string() : nullptr;
  if (string == nullptr) return fail(errc::malformed, "expected a string", std::string(key));
  return *string;
}

std::optional<uint64_t> number_of(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, why] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || why != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool is_lower_hex(std::string_view digits) {
  return std::ranges::all_of(digits, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

} // namespace

std::string segment_file_name(uint64_t sequence, uint64_t index) {
  std::array<char, 80> out{};
  std::snprintf(out.data(), out.size(), "segment-%08llu-%llu.ts", static_cast<unsigned long long>(sequence),
    static_cast<unsigned long long>(index));
  return out.data();
}

std::optional<segment_name> parse_segment_file_name(std::string_view name) {
  constexpr std::string_view front = "segment-", back = ".ts";
  if (!name.starts_with(front) || !name.ends_with(back) || name.size() < front.size() + back.size()) return std::nullopt;
  const auto middle = name.substr(front.size(), name.size() - front.size() - back.size());
  const auto dash = middle.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto sequence = number_of(middle.substr(0, dash));
  const auto index = number_of(middle.substr(dash + 1));
  if (!sequence || !index || segment_file_name(*sequence, *index) != name) return std::nullopt;
  return segment_name{*sequence, *index};
}

std::string render(const segment_record& r) {
  return json::dump(json::object{
           {"sequence", r.sequence},
           {"index", r.index},
           {"file", r.file},
           {"bytes", r.bytes},
           {"duration_pts", r.duration_pts},
           {"discontinuity", r.discontinuity},
           {"damaged", r.damaged},
           {"verified", r.verified},
           {"digest", r.digest},
           {"signer", r.signer},
         }) +
         '\n';
}

base::result<segment_record> parse_segment_record(std::string_view line) {
  EC_TRY(const auto parsed, json::parse(line, {.bytes_max = limits::hls_sidecar_line_bytes_max, .depth_max = 2}));
  if (parsed.as_object() == nullptr) return fail(errc::malformed, "expected an object, not " + std::string(parsed.kind()));
  segment_record r;
  EC_TRY(r.sequence, whole_number(parsed, "sequence"));
  EC_TRY(r.index, whole_number(parsed, "index"));
  EC_TRY(r.file, text(parsed, "file"));
  EC_TRY(r.bytes, whole_number(parsed, "bytes"));
  EC_TRY(const auto duration, whole_number(parsed, "duration_pts"));
  EC_TRY(r.discontinuity, boolean(parsed, "discontinuity"));
  EC_TRY(r.damaged, boolean(parsed, "damaged"));
  EC_TRY(r.verified, boolean(parsed, "verified"));
  EC_TRY(r.digest, text(parsed, "digest"));
  EC_TRY(r.signer, text(parsed, "signer"));
  r.duration_pts = static_cast<int64_t>(duration);
  if (!is_plain_file_name(r.file)) return fail(errc::malformed, "expected a file name", "file");
  if (r.duration_pts <= 0) return fail(errc::malformed, "expected more than 0", "duration_pts");
  if (!is_lower_hex(r.digest) || r.digest.size() % 2 != 0) return fail(errc::malformed, "expected lower-case hexadecimal", "digest");
  if (r.verified && r.digest.empty()) return fail(errc::malformed, "a verified segment has a digest", "digest");
  return r;
}

sidecar parse_sidecar(std::string_view text) {
  sidecar out;
  for (size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end == std::string_view::npos ? end : end - at);
    if (end != std::string_view::npos && out.records.size() < 2 * limits::hls_segments_max) {
      if (auto record = parse_segment_record(line); record.has_value()) {
        out.records.push_back(std::move(record).value());
        at = end + 1;
        continue;
      }
    }
    out.unreadable += line;
    out.unreadable += '\n';
    ++out.unreadable_lines;
    at = end == std::string_view::npos ? text.size() : end + 1;
  }
  return out;
}

} // namespace ec::hls
