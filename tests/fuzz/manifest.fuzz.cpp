// Objects of track `manifests`: what decodes must encode to the same bytes, and no bytes may make chunks known.
#include <cstdint>
#include <cstdlib>

#include <algorithm>

#include "manifest/attestation.hpp"
#include "manifest/repaired.hpp"
#include "manifest/signer_state.hpp"
#include "manifest/verifier.hpp"

#include "base/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::manifest;
  const std::span<const uint8_t> in(data, size);
  const auto read = decode(in);
  if (read) {
    const auto again = std::visit([](const auto& m) { return encode(m); }, read.value());
    if (!std::ranges::equal(again, in)) std::abort();
    if (const auto* m = std::get_if<signed_manifest>(&read.value())) {
      if (!fault(m->content).empty()) std::abort();
      for (const auto& a : m->attestations) {
        const auto said = repaired_in(a, m->content);
        if (!said || said.value().empty()) continue;
        const auto member = std::ranges::find(a.extra, repaired_member, &ec::base::json::member::first);
        if (!valid(said.value(), m->content) || to_json(said.value()) != member->second) std::abort();
      }
      verifier judge(m->content.stream_id, trust_set{});
      if (judge.accept(in, ec::base::wall_time{}).accepted || judge.find(m->content.chunk_start_index)) std::abort();
    }
  }
  const auto state = decode_signer_state(ec::base::as_text(in));
  if (state && encode(state.value()) != ec::base::as_text(in)) {
    // A state file may be spelled in another way, as only its owner writes it; but reading it again gives the same.
    const auto again = decode_signer_state(encode(state.value()));
    if (!again || encode(again.value()) != encode(state.value())) std::abort();
  }
  return 0;
}
