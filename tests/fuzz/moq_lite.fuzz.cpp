// Messages of moq-lite: the first byte chooses the version and the message. What is read must be written as something that reads the same.
#include <cstdint>
#include <cstdlib>

#include "moq/lite_wire.hpp"

namespace {

using namespace ec;
namespace lite = moq::lite;

template <class Decode, class Encode>
void there_and_back(std::span<const uint8_t> bytes, Decode decode, Encode encode) {
  base::byte_reader in(bytes);
  const auto first = decode(in);
  if (!first) {
    if (in.position() != 0) std::abort();
    return;
  }
  base::byte_writer out;
  encode(out, first.value());
  base::byte_reader again(out.span());
  const auto second = decode(again);
  if (!second || !again.done() || !(second.value() == first.value())) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr lite::version versions[] = {lite::version::v03, lite::version::v04, lite::version::v05};
  const auto v = versions[(data[0] >> 4) % 3];
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  const auto plain = [](base::byte_writer& out, const auto& m) { lite::encode(out, m); };
  const auto versioned = [v](base::byte_writer& out, const auto& m) { lite::encode(out, m, v); };
  switch (data[0] & 15) {
  case 0: there_and_back(bytes, lite::decode_setup, plain); break;
  case 1: there_and_back(bytes, [v](auto& in) { return lite::decode_announce_request(in, v); }, versioned); break;
  case 2: there_and_back(bytes, lite::decode_announce_ok, plain); break;
  case 3: there_and_back(bytes, [v](auto& in) { return lite::decode_announce(in, v); }, versioned); break;
  case 4: there_and_back(bytes, lite::decode_subscribe, plain); break;
  case 5: there_and_back(bytes, lite::decode_subscribe_update, plain); break;
  case 6: there_and_back(bytes, [v](auto& in) { return lite::decode_subscribe_reply(in, v); }, versioned); break;
  case 7: there_and_back(bytes, lite::decode_track_request, plain); break;
  case 8: there_and_back(bytes, lite::decode_track_info, plain); break;
  case 9: there_and_back(bytes, lite::decode_fetch, plain); break;
  case 10: there_and_back(bytes, [v](auto& in) { return lite::decode_probe(in, v); }, versioned); break;
  case 11: there_and_back(bytes, lite::decode_goaway, plain); break;
  case 12: there_and_back(bytes, lite::decode_group, plain); break;
  case 13: there_and_back(bytes, [v](auto& in) { return lite::decode_frame(in, v); }, versioned); break;
  case 14: there_and_back(bytes, lite::decode_datagram, plain); break;
  default: {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto ns = lite::to_namespace(text);
    if (!ns || !lite::is_utf8(text)) break;
    const auto path = lite::to_path(*ns);
    if (path && lite::to_namespace(*path) != ns) std::abort();
  }
  }
  return 0;
}
