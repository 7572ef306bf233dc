#include "quic/internal/webtransport_wire.hpp"

#include <algorithm>

#include "base/byte_io.hpp"
#include "base/limits_webtransport.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;
using base::result;

constexpr uint64_t first_code = 0x52e4a40fa8db;
constexpr uint64_t last_code = 0x52e5ac983162;
constexpr uint64_t close_type = 0x2843;
constexpr uint64_t drain_type = 0x78ae;
constexpr uint64_t settings_frame = 0x04;
constexpr uint64_t control_type = 0x00;

} // namespace

uint64_t to_http3_code(uint64_t code) {
  const auto n = std::min<uint64_t>(code, 0xffffffff);
  return first_code + n + n / 0x1e;
}

std::optional<uint64_t> from_http3_code(uint64_t code) {
  // Every 31st number is reserved for greasing [RFC 9114 8.1].
  if (code < first_code || code > last_code || (code - 0x21) % 0x1f == 0) return std::nullopt;
  const auto shifted = code - first_code;
  return shifted - shifted / 0x1f;
}

result<std::vector<uint8_t>> with_settings(std::span<const uint8_t> control, const http3_settings& extra) {
  base::byte_reader in(control);
  const auto type = in.quic_varint();
  const auto frame = in.quic_varint();
  const auto size = in.quic_varint();
  if ((type && *type != control_type) || (frame && *frame != settings_frame)) return fail(errc::malformed, "no control stream that begins with SETTINGS");
  if (!size) return fail(errc::need_more, "an unfinished SETTINGS frame");
  if (*size > limits::http3_settings_bytes_max) return fail(errc::too_large, "SETTINGS of " + std::to_string(*size) + " bytes");
  const auto payload = in.take(*size);
  if (!payload) return fail(errc::need_more, "an unfinished SETTINGS frame");
  base::byte_reader entries(*payload);
  http3_settings all;
  while (!entries.done()) {
    const auto id = entries.quic_varint();
    const auto value = entries.quic_varint();
    if (!id || !value) return fail(errc::malformed, "SETTINGS that end within an entry");
    all.emplace_back(*id, *value);
  }
  for (const auto& [id, value] : extra) {
    const auto at = std::ranges::find(all, id, &std::pair<uint64_t, uint64_t>::first);
    if (at == all.end()) all.emplace_back(id, value);
    else at->second = value;
  }
  base::byte_writer body;
  for (const auto& [id, value] : all) {
    body.quic_varint(std::min(id, base::quic_varint_max));
    body.quic_varint(std::min(value, base::quic_varint_max));
  }
  base::byte_writer out;
  out.quic_varint(control_type);
  out.quic_varint(settings_frame);
  out.quic_varint(body.size());
  out.raw(body.span());
  out.raw(in.rest());
  return out.take();
}

std::vector<uint8_t> stream_prefix(bool bidi, uint64_t session) {
  base::byte_writer out;
  out.quic_varint(bidi ? bidi_stream_signal : uni_stream_type);
  out.quic_varint(session);
  return out.take();
}

std::vector<uint8_t> write_close_capsule(uint64_t code, std::string_view reason) {
  reason = reason.substr(0, limits::webtransport_close_reason_bytes_max);
  base::byte_writer out;
  out.quic_varint(close_type);
  out.quic_varint(4 + reason.size());
  out.u32(static_cast<uint32_t>(std::min<uint64_t>(code, 0xffffffff)));
  out.raw(reason);
  return out.take();
}

std::vector<uint8_t> write_drain_capsule() {
  base::byte_writer out;
  out.quic_varint(drain_type);
  out.quic_varint(0);
  return out.take();
}

result<std::vector<capsule>> capsule_reader::push(std::span<const uint8_t> bytes) {
  std::vector<capsule> out;
  for (;;) {
    const auto passed = std::min<uint64_t>(skip_, bytes.size());
    skip_ -= passed;
    bytes = bytes.subspan(static_cast<size_t>(passed));
    if (bytes.empty()) return out;
    // A head has at most 16 bytes, a capsule that is kept some thousand: no more is ever held.
    const size_t before = held_.size();
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min<size_t>(bytes.size(), 16)));
    base::byte_reader in(held_);
    const auto type = in.quic_varint();
    const auto size = in.quic_varint();
    if (!size) return out; // all of `bytes` is held: a head is never longer than what was taken
    const bool close = *type == close_type;
    if (close && (*size < 4 || *size > 4 + limits::webtransport_close_reason_bytes_max)) {
      return fail(errc::too_large, "a close capsule of " + std::to_string(*size) + " bytes");
    }
    if (*type == drain_type && *size != 0) return fail(errc::malformed, "a drain capsule with content");
    const size_t head = in.position();
    if (!close) {
      const bool told = *type == drain_type;
      // What was held beyond the head is read anew.
      bytes = bytes.subspan(head - before);
      held_.clear();
      skip_ = *size;
      if (told) out.push_back({capsule::kind::drain, 0, {}});
      continue;
    }
    const size_t whole = head + static_cast<size_t>(*size);
    held_.resize(before);
    const size_t wanted = whole - before;
    const size_t taken = std::min(wanted, bytes.size());
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (held_.size() < whole) return out;
    base::byte_reader body(std::span<const uint8_t>(held_).subspan(head));
    capsule c{capsule::kind::close, *body.u32(), {}};
    c.reason.assign(body.rest().begin(), body.rest().end());
    held_.clear();
    out.push_back(std::move(c));
  }
}

std::vector<std::string> protocol_names(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty() && out.size() < limits::webtransport_protocols_max) {
    if (list.front() == ' ' || list.front() == '\t' || list.front() == ',') {
      list.remove_prefix(1);
      continue;
    }
    std::string name;
    size_t at = 0;
    if (list.front() == '"') {
      for (at = 1; at < list.size() && list[at] != '"'; ++at) {
        if (list[at] == '\\' && at + 1 < list.size()) ++at;
        name += list[at];
      }
      if (at == list.size()) return out; // no end: nothing of it can be trusted
      at = list.find(',', at); // parameters are not looked at
    } else {
      at = list.find(',');
      name = std::string(list.substr(0, list.find_first_of(" \t;,")));
    }
    list = at == std::string_view::npos ? std::string_view{} : list.substr(at);
    if (!name.empty()) out.push_back(std::move(name));
  }
  return out;
}

std::string protocol_list(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    out += out.empty() ? "\"" : ", \"";
    for (const char c : name) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

} // namespace ec::quic::internal
