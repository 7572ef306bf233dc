// Groups changed on their way, in great number, at a real receiver with a real judge: what an honest source gives is delivered whole,
// and of what a liar makes of it nothing is. Prints how many of each kind there were, what was refused, and how resident memory
// grew. The exit code is 1 if a byte was delivered that the leader did not sign. Usage: mutated-groups [groups, 100000] [seed, 1].
#define DOCTEST_CONFIG_DISABLE
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "manifest/verifier.hpp"
#include "object/verifier_judge.hpp"
#include "tests/unit/object/leader.hpp"

namespace {

using namespace ec;
using namespace ec::object;
using test::at, test::wall_at;

enum kind { flipped, cut, longer, swapped, replayed, sealed_lie, mixed, dropped, other_group, false_manifest, kinds };
constexpr std::array<const char*, kinds> names = {"one bit flipped",     "an object cut short",      "an object made longer", "objects in each other's place",
                                                  "the chunk before",    "another content, sealed",  "pieces of two contents", "objects missing",
                                                  "another group's",     "a bit of the manifest flipped"};

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:" && status >> word) return std::strtod(word.c_str(), nullptr) / 1000;
  return 0;
}

class trial {
public:
  explicit trial(uint64_t seed) : random_(seed), leader_(1) {
    manifest::trust_set trust;
    if (!trust.add(leader_.s.key())) std::abort();
    receiver_config config;
    config.patience = std::chrono::milliseconds(1000);
    receiver_ = std::make_unique<receiver>(stream_cipher::make(test::stream_id).value(),
                                           std::make_unique<verifier_judge>(manifest::verifier(test::stream_id, std::move(trust))), config);
    if (!receiver_->on_source_added(0) || !receiver_->on_source_added(liar_)) std::abort();
  }

  void group(uint64_t n) {
    now_ = static_cast<int64_t>(n) * 2000;
    const auto truth = test::make_chunk(n, 1 + pick(3000));
    const auto how = static_cast<kind>(pick(kinds));
    // Every eighth group comes from the liar alone: then nothing of it may come out but the truth itself.
    const bool alone = pick(8) == 0;
    ++seen_[how];
    honest_ += alone ? 0 : 1;
    const auto manifest = leader_.sign(truth);
    const bool manifest_first = pick(2) != 0, liar_first = pick(2) != 0;
    truth_ = &truth;
    if (manifest_first) take(receiver_->on_manifest_object(0, n, 0, manifest, at(now_), wall_at(now_)));
    if (liar_first) lie(how, truth, manifest);
    if (!alone) give(0, n, truth.objects);
    if (!manifest_first) take(receiver_->on_manifest_object(0, n, 0, manifest, at(now_), wall_at(now_)));
    if (!liar_first) lie(how, truth, manifest);
    take(receiver_->tick(at(now_ + 1999)));
    before_ = truth;
  }

  void print() const {
    for (size_t i = 0; i < kinds; ++i) std::printf("%-32s %9" PRIu64 "\n", names[i], seen_[i]);
    for (size_t i = 0; i < refusal_count; ++i)
      if (const auto count = receiver_->counters().of(static_cast<refusal>(i))) std::printf("refused_%-24s %9" PRIu64 "\n", std::string(name(static_cast<refusal>(i))).c_str(), count);
  }
  uint64_t wrong() const { return wrong_; }
  uint64_t delivered() const { return delivered_; }
  uint64_t honest() const { return honest_; }

private:
  uint64_t pick(uint64_t below) { return random_() % below; }

  void give(source_id from, uint64_t group, const std::vector<base::bytes>& objects) {
    for (size_t id = 0; id < objects.size(); ++id)
      if (objects[id].size() > 0) take(receiver_->on_object(from, track::chunks, group, id, objects[id], at(now_)));
    take(receiver_->on_group_end(from, track::chunks, group, group_ending::complete, at(now_)));
  }

  void lie(kind how, const test::made_chunk& truth, const base::bytes& manifest) {
    auto objects = truth.objects;
    const auto id = pick(objects.size());
    std::vector<uint8_t> bytes(objects[id].begin(), objects[id].end());
    switch (how) {
    case flipped: bytes[pick(bytes.size())] ^= static_cast<uint8_t>(1u << pick(8)); break;
    case cut: bytes.resize(pick(bytes.size())); break;
    case longer: bytes.resize(bytes.size() + 1 + pick(100)); break;
    case swapped: std::swap(objects[id], objects[(id + 1) % objects.size()]); break;
    case replayed: objects = before_.objects; break;
    case sealed_lie: objects = test::make_chunk(truth.index, truth.plaintext.size(), 7).objects; break;
    case mixed: objects[1] = test::make_chunk(truth.index, truth.plaintext.size(), 7).objects[1]; break;
    case dropped: objects[id] = {}; break;
    case other_group: objects = test::make_chunk(truth.index + 1, truth.plaintext.size()).objects; break;
    case false_manifest: {
      std::vector<uint8_t> changed(manifest.begin(), manifest.end());
      changed[pick(changed.size())] ^= static_cast<uint8_t>(1u << pick(8));
      take(receiver_->on_manifest_object(liar_, truth.index, 0, base::bytes::adopt(std::move(changed)), at(now_), wall_at(now_)));
      break;
    }
    case kinds: break;
    }
    if (how == flipped || how == cut || how == longer) objects[id] = base::bytes::adopt(std::move(bytes));
    give(liar_, truth.index, objects);
  }

  void take(actions&& done) {
    for (const auto& action : done) {
      if (const auto* d = std::get_if<deliver>(&action)) {
        ++delivered_;
        const auto& truth = d->index == truth_->index ? *truth_ : before_;
        if (!d->verified || d->index != truth.index || !std::ranges::equal(d->plaintext, truth.plaintext)) ++wrong_;
      } else if (const auto* c = std::get_if<cut_off>(&action)) {
        dropped_.push_back(c->source);
      }
    }
    // A liar that was cut off comes back under another name.
    while (!dropped_.empty()) {
      const auto gone = dropped_.back();
      dropped_.pop_back();
      (void)receiver_->on_source_lost(gone, at(now_));
      if (gone == liar_ && !receiver_->on_source_added(++liar_)) std::abort();
    }
  }

  std::mt19937_64 random_;
  test::leader leader_;
  std::unique_ptr<receiver> receiver_;
  source_id liar_ = 1;
  int64_t now_ = 0;
  const test::made_chunk* truth_ = nullptr;
  test::made_chunk before_ = test::make_chunk(0, 100);
  std::vector<source_id> dropped_;
  std::array<uint64_t, kinds> seen_{};
  uint64_t honest_ = 0, delivered_ = 0, wrong_ = 0;
};

} // namespace

int main(int argc, char** argv) {
  const uint64_t groups = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  trial t(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  for (uint64_t n = 1; n <= groups; ++n) {
    t.group(n);
    if (n == 1000 || n == 10'000 || n % 100'000 == 0 || n == groups) {
      std::printf("%9" PRIu64 " groups: resident %.1f MB\n", n, resident_mb());
      std::fflush(stdout);
    }
  }
  t.print();
  std::printf("%" PRIu64 " groups changed, %" PRIu64 " false ones accepted; %" PRIu64 " of the %" PRIu64 " that an honest source gave too were delivered, %" PRIu64 " in all\n", groups, t.wrong(),
              std::min(t.delivered(), t.honest()), t.honest(), t.delivered());
  return t.wrong() == 0 && t.delivered() >= t.honest() ? 0 : 1;
}
