#include <cstdlib>
#include <string_view>

#include "quic/address.hpp"

/// Addresses: no crash, and what is read prints to something that reads the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto socket = ec::quic::socket_address::parse(text)) {
    const auto again = ec::quic::socket_address::parse(socket.value().to_string());
    if (!again || !(again.value() == socket.value())) std::abort();
  }
  if (const auto address = ec::quic::endpoint_address::parse(text)) {
    const auto again = ec::quic::endpoint_address::parse(address.value().to_string());
    if (!again || !(again.value() == address.value())) std::abort();
  }
  return 0;
}
