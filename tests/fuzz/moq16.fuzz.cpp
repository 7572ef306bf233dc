// Bytes of draft 16: control messages, then whatever a data stream or a datagram may hold. What decodes must come back equal.
#include <cstdint>
#include <cstdlib>

#include "moq/internal/moqt16.hpp"

namespace {

using namespace ec;

void control(std::span<const uint8_t> data) {
  base::byte_reader in(data);
  while (const auto m = moq::moqt16_wire::decode_control(in)) {
    const auto bytes = moq::moqt16_wire::encode_control(m.value());
    if (bytes.empty()) continue; // ours is the shortest form; it is longer only where parameters were in another order
    base::byte_reader again(bytes);
    const auto same = moq::moqt16_wire::decode_control(again);
    if (!same || !again.done()) std::abort();
  }
}

void stream(std::span<const uint8_t> data) {
  const auto& draft = moq::moqt16_objects();
  base::byte_reader in(data);
  const auto head = draft.decode_uni_header(in);
  if (!head) return;
  if (const auto* h = std::get_if<moq::subgroup_header>(&head.value())) {
    std::optional<uint64_t> previous;
    while (const auto o = draft.decode_subgroup_object(in, *h, previous)) {
      (void)draft.check_object_properties(o.value().properties);
      (void)draft.encode_subgroup_object(o.value(), *h, previous);
      previous = o.value().id;
      if (!in.skip(o.value().payload_bytes)) return;
    }
  } else {
    moq::fetch_cursor from, to;
    while (const auto item = draft.decode_fetch_item(in, from)) {
      (void)draft.encode_fetch_item(item.value(), to);
      if (const auto* o = std::get_if<moq::object_header>(&item.value()); o && !in.skip(o->payload_bytes)) return;
    }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  switch (data[0] % 3) {
  case 0: control(rest); break;
  case 1: stream(rest); break;
  default: {
    base::byte_reader in(rest);
    if (const auto d = moq::moqt16_objects().decode_datagram(in)) (void)moq::moqt16_objects().encode_datagram(std::get<moq::datagram_header>(d.value()));
  }
  }
  return 0;
}
