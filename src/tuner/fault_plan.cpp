#include "tuner/fault_plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// What a kind is called, and its usual amount; 0: it takes none.
struct kind_row {
  played_fault kind;
  std::string_view name;
  milliseconds usual;
};
constexpr std::array<kind_row, played_fault_count> kinds{{
  {played_fault::stall, "stall", milliseconds(3000)},
  {played_fault::reset, "reset", milliseconds(0)},
  {played_fault::http_503, "http-503", milliseconds(3000)},
  {played_fault::content_type, "content-type", milliseconds(3000)},
  {played_fault::busy, "busy", milliseconds(3000)},
  {played_fault::no_signal, "no-signal", milliseconds(3000)},
  {played_fault::content_protected, "content-protected", milliseconds(3000)},
  {played_fault::unknown_channel, "unknown-channel", milliseconds(3000)},
  {played_fault::reboot, "reboot", milliseconds(8000)},
  {played_fault::garbage, "garbage", milliseconds(500)},
  {played_fault::fade, "fade", milliseconds(4000)},
  {played_fault::pmt_version, "pmt-version", milliseconds(0)},
  {played_fault::pids, "pids", milliseconds(0)},
  {played_fault::pts_wrap, "pts-wrap", milliseconds(0)},
  {played_fault::encoder_restart, "encoder-restart", milliseconds(600'000)},
  {played_fault::stt_wrong, "stt-wrong", milliseconds(14'000)},
}};

struct unit_row {
  std::string_view name;
  int64_t ms;
};
constexpr std::array<unit_row, 4> units{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr int64_t time_max_ms = int64_t{168} * 3'600'000;

std::optional<milliseconds> parse_time(std::string_view text) {
  uint64_t count = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (ec != std::errc()) return std::nullopt;
  const auto unit = text.substr(static_cast<size_t>(end - text.data()));
  const auto row = std::ranges::find(units, unit, &unit_row::name);
  if (row == units.end() || count > static_cast<uint64_t>(time_max_ms / row->ms)) return std::nullopt;
  return milliseconds(static_cast<int64_t>(count) * row->ms);
}

std::string print_time(milliseconds time) {
  for (auto row = units.rbegin(); row != units.rend(); ++row)
    if (time.count() % row->ms == 0 && (time.count() > 0 || row->ms == 1000))
      return std::to_string(time.count() / row->ms) + std::string(row->name);
  return {}; // the unit of 1 ms divides all
}

/// Faults by which streams end, and what is said to who asks for another.
constexpr std::array<std::pair<played_fault, fault_plan::answer>, 6> refusals{{
  {played_fault::http_503, fault_plan::answer::status_503},
  {played_fault::content_type, fault_plan::answer::page},
  {played_fault::busy, fault_plan::answer::busy},
  {played_fault::no_signal, fault_plan::answer::no_signal},
  {played_fault::content_protected, fault_plan::answer::content_protected},
  {played_fault::unknown_channel, fault_plan::answer::unknown_channel},
}};

const kind_row& row_of(played_fault kind) {
  return kinds[static_cast<size_t>(kind)];
}

} // namespace

std::string_view name(played_fault kind) {
  return row_of(kind).name;
}

base::result<planned_fault> parse_fault(std::string_view text) {
  const auto shown = std::string(text.substr(0, 80));
  const auto sign = text.find('@');
  if (sign == std::string_view::npos) return fail(errc::malformed, "expected NAME@START or NAME@START:AMOUNT, such as stall@10s:3s, found '" + shown + "'");
  const auto row = std::ranges::find(kinds, text.substr(0, sign), &kind_row::name);
  if (row == kinds.end()) {
    std::string names;
    for (const auto& k : kinds) names += (names.empty() ? "" : ", ") + std::string(k.name);
    return fail(errc::malformed, "there is no fault '" + shown.substr(0, sign) + "': expected one of " + names);
  }
  planned_fault out{row->kind, {}, row->usual};
  auto when = text.substr(sign + 1);
  if (const auto colon = when.find(':'); colon != std::string_view::npos) {
    if (row->usual.count() == 0) return fail(errc::malformed, "'" + std::string(row->name) + "' takes no amount, found '" + shown + "'");
    const auto amount = parse_time(when.substr(colon + 1));
    if (!amount || amount->count() == 0) return fail(errc::malformed, "expected an amount such as 3s behind the colon, found '" + shown + "'");
    out.amount = *amount;
    when = when.substr(0, colon);
  }
  const auto at = parse_time(when);
  if (!at) return fail(errc::malformed, "expected a time such as 1500ms, 10s, 2m or 26h behind the @, found '" + shown + "'");
  out.at = *at;
  return out;
}

std::string print_fault(const planned_fault& fault) {
  const auto& row = row_of(fault.kind);
  auto out = std::string(row.name) + "@" + print_time(fault.at);
  if (row.usual.count() > 0) out += ":" + print_time(fault.amount);
  return out;
}

fault_plan::answer fault_plan::answers(nanoseconds at) const {
  for (const auto& [kind, says] : refusals)
    if (under_way(kind, at)) return says;
  if (rebooting(at)) return answer::status_503; // of the last moment in which somebody still listens
  return answer::stream;
}

uint64_t fault_plan::ends(nanoseconds at) const {
  uint64_t out = resets(at);
  for (const auto& [kind, says] : refusals) out += begun(kind, at);
  return out;
}

uint64_t fault_plan::resets(nanoseconds at) const {
  return begun(played_fault::reset, at) + begun(played_fault::reboot, at);
}

std::optional<double> fault_plan::under_way(played_fault kind, nanoseconds at) const {
  for (const auto& f : faults_)
    if (f.kind == kind && at >= f.at && at < f.at + f.amount)
      return static_cast<double>((at - f.at).count()) / static_cast<double>(nanoseconds(f.amount).count());
  return std::nullopt;
}

uint64_t fault_plan::begun(played_fault kind, nanoseconds at) const {
  return static_cast<uint64_t>(std::ranges::count_if(faults_, [&](const auto& f) { return f.kind == kind && at >= f.at; }));
}

milliseconds fault_plan::amount(played_fault kind, nanoseconds at) const {
  milliseconds out{0};
  for (const auto& f : faults_)
    if (f.kind == kind && at >= f.at) out += f.amount;
  return out;
}

} // namespace ec::tuner
