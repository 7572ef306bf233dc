#include "quic/internal/tls_messages.hpp"

#include "base/byte_io.hpp"

namespace ec::quic::internal {

std::vector<std::string> alpns_in(std::span<const uint8_t> extension) {
  std::vector<std::string> out;
  base::byte_reader in(extension);
  const auto size = in.u16();
  if (!size) return out;
  while (in.left() > 0) {
    const auto length = in.u8();
    const auto name = length ? in.take(*length) : std::nullopt;
    if (!name) return out;
    out.emplace_back(name->begin(), name->end());
  }
  return out;
}

std::optional<uint32_t> early_data_in(std::span<const uint8_t> ticket) {
  base::byte_reader in(ticket);
  const auto lifetime = in.u32(), age_add = in.u32();
  const auto nonce = in.u8();
  if (!lifetime || !age_add || !nonce || !in.skip(*nonce)) return std::nullopt;
  const auto opaque = in.u16();
  if (!opaque || !in.skip(*opaque)) return std::nullopt;
  const auto size = in.u16();
  const auto extensions = size ? in.take(*size) : std::nullopt;
  if (!extensions) return std::nullopt;
  base::byte_reader each(*extensions);
  while (each.left() > 0) {
    const auto type = each.u16(), length = each.u16();
    const auto body = type && length ? each.take(*length) : std::nullopt;
    if (!body) return std::nullopt;
    if (*type == early_data_extension) return base::byte_reader(*body).u32();
  }
  return std::nullopt;
}

} // namespace ec::quic::internal
