#include "node/verify_objects.hpp"

#include <cstdio>
#include <optional>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "identity/stream_id.hpp"
#include "object/file_checker.hpp"

namespace ec::node {
namespace {

constexpr size_t read_bytes = 1u << 20;
/// A file that is wrong from end to end does not fill the terminal.
constexpr size_t faults_named_max = 100;

using ull = unsigned long long;

/// Names the faults of one file, up to a bound.
class teller {
public:
  teller(const std::string& path, const say_wrong& wrong) : path_(path), wrong_(wrong) {}
  ~teller() {
    if (count_ > faults_named_max) wrong_(path_, std::to_string(count_ - faults_named_max) + " more faults");
  }
  teller(const teller&) = delete;
  teller& operator=(const teller&) = delete;

  void say(const std::string& about, const std::string& text) {
    if (++count_ <= faults_named_max) wrong_(about.empty() ? path_ : path_ + ": " + about, text);
  }
  void say(const std::vector<object::file_fault>& faults) {
    for (const auto& f : faults) say(f.about, f.text);
  }

private:
  const std::string& path_;
  const say_wrong& wrong_;
  size_t count_ = 0;
};

base::result<object::file_checker> checker_of(const std::string& stream_id, const trust_for& trust_in, size_t min_signers,
  const std::vector<uint8_t>& network_secret) {
  EC_TRY(const auto id, identity::stream_id::parse(stream_id));
  EC_TRY(const auto trust, trust_in(stream_id));
  EC_TRY(auto cipher, object::stream_cipher::make(stream_id, network_secret));
  return object::file_checker(std::move(cipher), manifest::verifier(stream_id, trust, {.signers_required = min_signers}), id.profile());
}

} // namespace

bool is_object_file(const std::string& path) {
  auto file = base::input_file::open(path);
  if (!file) return false;
  const auto front = file.value().read(object::object_file_magic.size());
  return front && front.value().text() == object::object_file_magic;
}

void verify_object_file(const std::string& path, const trust_for& trust, size_t min_signers,
  const std::vector<uint8_t>& network_secret, const say_wrong& wrong) {
  teller tell(path, wrong);
  auto file = base::input_file::open(path);
  if (!file) return tell.say({}, file.error().text);
  object::object_file_reader reader;
  std::optional<object::file_checker> checker;
  const auto now = base::wall_now();
  bool broken = false;
  while (!broken) {
    const auto part = file.value().read(read_bytes);
    if (!part) return tell.say({}, part.error().text);
    if (part.value().empty()) break;
    reader.push(part.value());
    while (true) {
      auto at = reader.position();
      const auto record = reader.next();
      if (!record) {
        tell.say(record.error().about, record.error().text + ": nothing behind it can be judged");
        broken = true;
        break;
      }
      if (!record.value()) break;
      if (!checker) {
        auto made = checker_of(reader.stream_id(), trust, min_signers, network_secret);
        if (!made) return tell.say("stream id", made.error().message());
        checker.emplace(std::move(made).value());
      }
      if (at == 0) at = object::object_file_front_bytes_min + reader.stream_id().size(); // the front was read with the first record
      tell.say(checker->push(*record.value(), at, now));
    }
  }
  if (checker) tell.say(checker->finish());
  if (const auto cut = reader.cut_short()) {
    const auto here = std::to_string(cut->bytes) + (cut->wanted ? " of its " + std::to_string(*cut->wanted) : std::string()) + " bytes are here";
    tell.say("byte " + std::to_string(cut->position), "the last record is cut short, " + here + ": its writer was interrupted");
  }
  const auto totals = checker ? checker->totals() : object::file_totals{};
  if (totals.chunks_right + totals.damaged_right + totals.groups_wrong == 0) tell.say({}, "holds no chunk: nothing is proven");
  std::printf("%s: objects of %s\n", path.c_str(), reader.stream_id().empty() ? "an unknown stream" : reader.stream_id().c_str());
  std::printf("%s: %llu chunks right (%llu bytes), %llu damaged versions right, %llu chunks wrong; %llu objects, of which %llu pieces open and %llu "
              "manifests count\n",
    path.c_str(), static_cast<ull>(totals.chunks_right), static_cast<ull>(totals.bytes_right), static_cast<ull>(totals.damaged_right),
    static_cast<ull>(totals.groups_wrong), static_cast<ull>(totals.records), static_cast<ull>(totals.pieces), static_cast<ull>(totals.manifests));
  if (!checker) return;
  const auto named = trust(reader.stream_id());
  for (const auto& key : checker->signers())
    std::printf("%s: signed by %s%s\n", path.c_str(), key.to_string().c_str(),
      named && named.value().awaits_first() ? ", which no --trust names: whether it is the right key only you know" : "");
}

} // namespace ec::node
