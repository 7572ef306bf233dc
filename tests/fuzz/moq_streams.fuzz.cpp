// Data streams and datagrams of MoQ: the first byte chooses the fetch order and whether it is a datagram.
#include <cstdint>
#include <cstdlib>

#include "moq/profile.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  if (size == 0) return 0;
  const auto& draft = moq::moqt18();
  base::byte_reader in({data + 1, size - 1});
  if (data[0] & 2) {
    const auto d = draft.decode_datagram(in);
    if (d && std::holds_alternative<moq::datagram_header>(d.value())) {
      (void)draft.check_object_properties(std::get<moq::datagram_header>(d.value()).properties);
    }
    return 0;
  }
  const auto header = draft.decode_uni_header(in);
  if (!header) return 0;
  if (const auto* h = std::get_if<moq::subgroup_header>(&header.value())) {
    const auto head = draft.encode_subgroup_header(*h);
    base::byte_reader again(head);
    const auto same = draft.decode_uni_header(again);
    if (!same || !again.done() || std::get<moq::subgroup_header>(same.value()) != *h) std::abort();
    std::optional<uint64_t> previous;
    while (const auto o = draft.decode_subgroup_object(in, *h, previous)) {
      if (previous && o.value().id <= *previous) std::abort();
      (void)draft.check_object_properties(o.value().properties);
      previous = o.value().id;
      if (!in.skip(o.value().payload_bytes)) break;
    }
  } else if (std::holds_alternative<moq::fetch_header>(header.value())) {
    moq::fetch_cursor cursor;
    if (data[0] & 1) cursor.order = moq::group_order::descending;
    while (const auto item = draft.decode_fetch_item(in, cursor)) {
      if (const auto* o = std::get_if<moq::object_header>(&item.value())) {
        if (!in.skip(o->payload_bytes)) break;
      }
    }
  }
  return 0;
}
