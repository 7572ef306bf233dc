#include "tuner/internal/pid_filter.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr uint16_t pat_pid = 0;
constexpr size_t ranges_max = 64;

std::optional<uint16_t> parse_pid(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  uint16_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return ec == std::errc() && end == text.data() + text.size() && value <= null_pid ? std::optional(value) : std::nullopt;
}

/// The payload of a whole section with a right CRC, without its head of eight bytes; empty if it is another one.
std::span<const uint8_t> body_of(std::span<const uint8_t> section, uint8_t table) {
  if (section.size() < 12 || section[0] != table || (section[1] & 0x80) == 0 || section_crc(section) != 0) return {};
  return section.subspan(8, section.size() - 12);
}

} // namespace

pid_filter::pid_filter() {
  pids_.set();
}

base::result<pid_filter> pid_filter::parse(std::string_view text) {
  pid_filter out;
  out.pids_.reset();
  size_t ranges = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const auto dash = word.find('-');
    const auto from = parse_pid(word.substr(0, dash));
    const auto to = dash == std::string_view::npos ? from : parse_pid(word.substr(dash + 1));
    if (!from || !to || *from > *to || ++ranges > ranges_max) return fail(errc::malformed, "no PID or range of PIDs", std::string(word.substr(0, 40)));
    for (size_t pid = *from; pid <= *to; ++pid) out.pids_.set(pid);
  }
  return out;
}

pid_filter pid_filter::of_program(uint16_t number) {
  pid_filter out;
  out.pids_.reset();
  out.pids_.set(pat_pid);
  out.program_ = number;
  return out;
}

bool pid_filter::pass(std::span<const uint8_t> packet) {
  const auto pid = pid_of(packet);
  if (program_ && pid == pat_pid)
    for (const auto& section : pat_.push(0, packet)) learn_programs(section.bytes);
  if (program_ && pmt_pid_ && pid == *pmt_pid_)
    for (const auto& section : pmt_.push(0, packet)) learn_streams(section.bytes);
  return pids_.test(pid);
}

void pid_filter::learn_programs(std::span<const uint8_t> pat) {
  auto rows = body_of(pat, 0x00);
  for (; rows.size() >= 4; rows = rows.subspan(4)) {
    const auto number = static_cast<uint16_t>(rows[0] << 8 | rows[1]);
    const auto pid = static_cast<uint16_t>((rows[2] & 0x1f) << 8 | rows[3]);
    if (number != program_ || pmt_pid_ == pid) continue;
    pmt_pid_ = pid;
    pmt_ = {};
    pids_.reset();
    pids_.set(pat_pid);
    pids_.set(pid);
  }
}

void pid_filter::learn_streams(std::span<const uint8_t> pmt) {
  const auto body = body_of(pmt, 0x02);
  if (body.size() < 4 || (pmt[3] << 8 | pmt[4]) != program_) return;
  pids_.reset();
  pids_.set(pat_pid);
  pids_.set(*pmt_pid_);
  if (const auto pcr = static_cast<uint16_t>((body[0] & 0x1f) << 8 | body[1]); pcr != null_pid) pids_.set(pcr);
  size_t at = 4u + ((body[2] & 0x0fu) << 8 | body[3]);
  while (at + 5 <= body.size()) {
    pids_.set(static_cast<size_t>((body[at + 1] & 0x1f) << 8 | body[at + 2]));
    at += 5u + ((body[at + 3] & 0x0fu) << 8 | body[at + 4]);
  }
}

std::string pid_filter::text() const {
  std::string out;
  for (size_t pid = 0; pid <= null_pid; ++pid) {
    if (!pids_.test(pid)) continue;
    const size_t from = pid;
    while (pid < null_pid && pids_.test(pid + 1)) ++pid;
    std::array<char, 32> word{};
    if (from == pid) std::snprintf(word.data(), word.size(), "0x%04zx", from);
    else std::snprintf(word.data(), word.size(), "0x%04zx-0x%04zx", from, pid);
    out += (out.empty() ? "" : " ") + std::string(word.data());
  }
  return out;
}

} // namespace ec::tuner::internal
