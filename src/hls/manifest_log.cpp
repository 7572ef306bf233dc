#include "hls/manifest_log.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"

namespace ec::hls {
namespace {

using base::errc, base::fail;

std::deque<std::string> whole_lines(std::string_view text) {
  std::deque<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) break; // torn by a crash: not a record
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// Drops what a crash left of a last line, so that the next one does not stick to it.
base::result<void> cut_torn_line(base::append_file& file) {
  constexpr size_t step = 4096;
  for (uint64_t end = file.size(); end > 0;) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(end, step));
    EC_TRY(const auto part, file.read_at(end - size, size));
    if (const auto last = part.text().rfind('\n'); last != std::string_view::npos) return file.cut(end - size + last + 1);
    end -= size;
  }
  return file.cut(0);
}

} // namespace

std::string render(const manifest_record& r) {
  base::json::object line{{"chunk", r.index}, {"first_pts", r.first_pts}, {"duration_pts", r.duration}, {"manifest", r.manifest}};
  if (!r.publisher.empty()) {
    line.emplace_back("publisher", r.publisher);
    line.emplace_back("reason", r.reason);
  }
  return base::json::dump(line) + "\n";
}

base::result<manifest_record> parse_manifest_record(const std::string& line) {
  EC_TRY(auto v, base::json::parse(line, {.bytes_max = 2 * base::limits::manifest_bytes_max + 1024}));
  manifest_record r;
  const auto number = [&](const char* key, uint64_t& out) {
    const auto* m = v.find(key);
    if (m == nullptr || m->as_int() == nullptr || *m->as_int() < 0) return false;
    out = static_cast<uint64_t>(*m->as_int());
    return true;
  };
  const auto* manifest = v.find("manifest");
  if (!number("chunk", r.index) || !number("first_pts", r.first_pts) || !number("duration_pts", r.duration) || manifest == nullptr ||
      manifest->as_string() == nullptr)
    return fail(errc::malformed, "expected chunk, first_pts, duration_pts and manifest", "a line of manifests.jsonl");
  r.manifest = *manifest->as_string();
  if (const auto* p = v.find("publisher"); p != nullptr && p->as_string() != nullptr) r.publisher = *p->as_string();
  if (const auto* p = v.find("reason"); p != nullptr && p->as_string() != nullptr) r.reason = *p->as_string();
  return r;
}

base::result<void> manifest_log::append(const manifest_record& r) {
  const auto path = dir_ + "/" + manifest_log_file_name;
  const auto line = render(r);
  if (records_max_ > 0) return append_sliding(path, line);
  EC_TRY(auto file, base::append_file::open(path, 0644, *disk_));
  EC_TRYV(cut_torn_line(file));
  const std::array parts{base::as_span(line)};
  return file.append(parts, must_);
}

base::result<void> manifest_log::append_sliding(const std::string& path, const std::string& line) {
  if (!lines_) {
    lines_.emplace();
    if (const auto old = base::read_file(path, base::limits::manifest_log_bytes_max, *disk_)) lines_ = whole_lines(old.value().text());
  }
  auto next = *lines_;
  next.push_back(line.substr(0, line.size() - 1));
  std::deque<std::string> out;
  for (; next.size() > records_max_; next.pop_front()) out.push_back(std::move(next.front()));
  std::string text;
  for (const auto& l : next) text += l + "\n";
  EC_TRYV(base::write_file_atomic(path, base::as_span(text), 0644, must_, *disk_));
  lines_ = std::move(next);
  pushed_out_ = std::move(out);
  return base::ok();
}

void manifest_log::take_back() {
  if (!lines_ || lines_->empty()) return;
  lines_->pop_back();
  while (!pushed_out_.empty()) {
    lines_->push_front(std::move(pushed_out_.back()));
    pushed_out_.pop_back();
  }
}

base::result<std::vector<manifest_record>> manifest_log::read(const std::string& dir, base::disk& on) {
  EC_TRY(auto text, base::read_file(dir + "/" + manifest_log_file_name, base::limits::manifest_log_bytes_max, on));
  std::vector<manifest_record> out;
  for (const auto& line : whole_lines(text.text()))
    if (auto r = parse_manifest_record(line)) out.push_back(std::move(r).value());
  return out;
}

} // namespace ec::hls
