// A receiver under arbitrary sequences of inputs: each few bytes choose what happens next. The objects that can come are a
// handful of true, false and broken ones; what is delivered must be the truth, and the bounds must hold.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "object/receiver.hpp"
#include "object/sealer.hpp"

namespace {

using namespace ec;
using namespace ec::object;

constexpr uint64_t first_index = 10;
constexpr size_t chunk_count = 6;
const char* const id_of_stream = "ec/stream/v1/test";

struct made {
  std::vector<uint8_t> plaintext;
  std::vector<base::bytes> objects;
  crypto::digest digest;
};

made make(uint64_t index, uint8_t fill, bool damaged) {
  made out{std::vector<uint8_t>(index % 2 == 0 ? 188 : base::limits::piece_bytes + 188, fill), {}, {}};
  sealer s(stream_cipher::make(id_of_stream).value(), {"ts-v1", "p"});
  const auto whole = base::bytes::copy(out.plaintext);
  if (damaged) {
    auto done = s.seal_damaged(index, index * 1000, 1000, "continuity", {&whole, 1}).value();
    for (auto& o : done.objects) out.objects.push_back(o.payload);
    out.digest = done.chunk.digest;
    return out;
  }
  out.objects.push_back(s.open(index, index * 1000).value().payload);
  for (uint32_t place = 0; piece_size(whole.size(), place) > 0; ++place)
    out.objects.push_back(s.piece(index, place, whole.slice(place * base::limits::piece_bytes, piece_size(whole.size(), place))).value().payload);
  auto done = s.finish(index, 1000).value();
  out.objects.push_back(done.tail.payload);
  out.digest = done.chunk.digest;
  return out;
}

struct world {
  std::map<uint64_t, made> truth, lie, damaged;
  crypto::verifying_key key = crypto::signing_key::from_seed({1}).public_key();
  world() {
    for (uint64_t i = first_index; i < first_index + chunk_count; ++i) {
      truth.emplace(i, make(i, 1, false));
      lie.emplace(i, make(i, 2, false));
      damaged.emplace(i, make(i, 3, true));
    }
  }
};

const world& the_world() {
  static const world w;
  return w;
}

/// Lists the true chunks, and of uneven indices the damaged ones, once told to.
class judge_of_truth final : public manifest_judge {
public:
  judgement judge(uint64_t group, uint64_t object, const base::bytes&, base::wall_time) override {
    if (!the_world().truth.contains(group)) return {{}, {{refusal::manifest_untrusted, "no", {}, object == 1}}};
    auto& known = known_[group];
    const bool damaged = object == 1;
    if (known.size() > 2) { // this one contradicts what was said before
      known.clear();
      return {{}, {{refusal::manifest_equivocation, "twice", the_world().key, true}}};
    }
    known.push_back({group, damaged ? the_world().damaged.at(group).digest : the_world().truth.at(group).digest, damaged, the_world().key});
    return {accepted_manifest{group, group, 1, the_world().key, false, false}, {}};
  }
  std::vector<listed_chunk> find(uint64_t index) const override {
    const auto it = known_.find(index);
    return it == known_.end() ? std::vector<listed_chunk>{} : it->second;
  }
  /// One that was said once lacks a signer.
  standing standing_of(uint64_t index) const override { return {find(index).size(), 2}; }
  bool trusts(const crypto::verifying_key&) const override { return true; }

private:
  std::map<uint64_t, std::vector<listed_chunk>> known_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto& w = the_world();
  std::span<const uint8_t> in(data, size);
  const auto next = [&]() -> uint8_t {
    if (in.empty()) return 0;
    const auto out = in.front();
    in = in.subspan(1);
    return out;
  };
  receiver_config config;
  const auto options = next();
  config.allow_damaged = (options & 1) != 0;
  if ((options & 2) != 0) config.chunks_invalid_max = options >> 4;
  if ((options & 4) != 0) config.stop_after = 3;
  config.wait_bytes_max = (options & 8) != 0 ? 100'000 : 1'000'000;
  config.wait_groups_max = 4;
  receiver r(stream_cipher::make(id_of_stream).value(), std::make_unique<judge_of_truth>(), config);
  base::mono_time now{};
  uint64_t last = 0;
  const auto check = [&](actions&& done) {
    for (const auto& a : done) {
      if (const auto* d = std::get_if<deliver>(&a)) {
        require(d->verified && d->index > last && w.truth.contains(d->index));
        require(!d->damage || config.allow_damaged);
        require(std::ranges::equal(d->plaintext, (d->damage ? w.damaged : w.truth).at(d->index).plaintext));
        last = d->index;
      }
    }
    const auto s = r.status();
    require(s.bytes_waiting <= config.wait_bytes_max && s.groups_waiting <= config.wait_groups_max);
    require(s.fetches_open <= base::limits::subscriber_fetches_max);
    require(!r.stopped() || (s.groups_waiting == 0 && !r.deadline()));
  };
  r.on_source_added(0);
  r.on_source_added(1);
  for (int steps = 0; !in.empty() && steps < 2000; ++steps) {
    const auto op = next();
    const source_id source = op >> 4 & 3; // 3 is never added
    const auto where = next();
    const uint64_t index = first_index + where % (chunk_count + 2);
    const uint64_t object = where >> 4;
    const auto on = (op & 0x40) != 0 ? track::damaged : track::chunks;
    now += std::chrono::milliseconds(op >> 7 != 0 ? 700 : 1);
    switch (op & 15) {
    case 0: check(r.on_manifest_object(source, index, object & 1, {}, now, {})); break;
    case 1: check(r.on_group_end(source, on, index, (where & 0x80) != 0 ? group_ending::reset : group_ending::complete, now)); break;
    case 2: check(r.on_fetch_done(source, on, index, now)); break;
    case 3: check(r.on_fetch_failed(source, on, index, now)); break;
    case 4: check(r.tick(now)); break;
    case 5: check(r.on_source_lost(source, now)); break;
    case 6: r.on_source_added(source % 3); break;
    case 7: { // bytes from the input itself
      const size_t wanted = next();
      const auto count = std::min(wanted, in.size());
      check(r.on_object(source, on, index, object, base::bytes::copy(in.first(count)), now));
      in = in.subspan(count);
      break;
    }
    default: {
      const auto& from = on == track::damaged ? w.damaged : (op & 15) < 12 ? w.truth : w.lie;
      const auto it = from.find(index);
      if (it == from.end()) break;
      const auto& objects = it->second.objects;
      auto payload = objects[object % objects.size()];
      if ((op & 15) == 15) { // one bit of it flipped
        std::vector<uint8_t> changed(payload.begin(), payload.end());
        changed[next() * changed.size() / 256] ^= 1;
        payload = base::bytes::adopt(std::move(changed));
      }
      check(r.on_object(source, on, index, (op & 15) == 14 ? object : object % objects.size(), payload, now));
    }
    }
  }
  return 0;
}
