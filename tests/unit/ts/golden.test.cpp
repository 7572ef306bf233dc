#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/json.hpp"
#include "crypto/digest.hpp"
#include "tests/support/data.hpp"
#include "tests/support/ts_runs.hpp"

/// The bytes that profile names stand for never change: a digest of each whole chunk of each capture pins them.
/// EC_WRITE_VECTORS=1 writes the file anew; doing so after a release breaks every stream on the air.
namespace {

using namespace ec;

base::json::value chunks_of(const test::chunk_capture& capture, const std::string& profile) {
  auto config = test::config_of(capture);
  config.profile = ts::find_profile(profile).value();
  const auto r = test::cut(config, test::read_file(test::data_root() / "ts" / capture.file));
  base::json::array chunks;
  for (const auto& [index, data] : r.whole)
    chunks.push_back(base::json::object{{"index", index}, {"first_pts", r.opened.at(index).first_pts}, {"size", uint64_t{data.size()}},
      {"blake3", crypto::blake3(data).hex()}});
  base::json::object out{{"capture", capture.file}, {"profile", profile}};
  if (capture.program) out.emplace_back("program", int64_t{*capture.program});
  out.emplace_back("chunks", std::move(chunks));
  return out;
}

} // namespace

TEST_CASE("the chunks of every capture have the digests that are on record") {
  if (!test::test_data("ts/atsc")) return;
  base::json::array all;
  for (const auto& c : test::chunk_captures())
    for (const auto& profile : {std::string("ts-v1"), "ts-v1-" + std::to_string(c.duration_ms) + "ms"}) all.push_back(chunks_of(c, profile));
  const char* root = std::getenv("EC_SOURCE_ROOT");
  const auto path = std::filesystem::path(root ? root : ".") / "tests/vectors/chunks/ts-v1.json";
  if (std::getenv("EC_WRITE_VECTORS")) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << base::json::pretty(all) << "\n";
  }
  const auto recorded = base::json::parse(test::read_text(path));
  REQUIRE(recorded);
  const auto* list = recorded.value().as_array();
  REQUIRE(list);
  REQUIRE(list->size() == all.size());
  size_t chunks = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    CAPTURE(base::json::dump(all[i]));
    CHECK(base::json::canonical(all[i]) == base::json::canonical((*list)[i]));
    chunks += all[i].find("chunks")->as_array()->size();
  }
  CHECK(chunks > 80);
}
