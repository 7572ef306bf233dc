// What the way from TS bytes to sealed objects costs on one core, beside its floor and a known tool:
//   chain   cutter, digest and seal, event by event as the chunker actor does it
//   crypto  BLAKE3 and AES-256-GCM alone over the pieces that the chain sealed
//   ffmpeg  `ffmpeg -c copy -f hls` over the same bytes; its CPU time, files on a tmpfs if there is one
// Usage: bench-chain [megabytes per row, 200]. Each row is a real capture of EC_TEST_DATA, read again and again, or the
// built-in test broadcast, which is always there. All rates are TS bytes in by CPU time, so the factors are their quotients.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "media/test_broadcast.hpp"
#include "object/sealer.hpp"
#include "tests/support/ts_runs.hpp"

extern char** environ;

namespace {

using namespace ec;

constexpr size_t burst_bytes = 188 * 348;

/// Seconds of CPU that this process has used.
double cpu_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Cutter and sealer as the chunker actor drives them.
class chain {
public:
  explicit chain(const ts::cutter_config& config) : cutter_(config), sealer_(object::stream_cipher::make("ec/stream/v1/bench").value(), {}) {}

  void push(std::span<const uint8_t> data) {
    for (size_t at = 0; at < data.size(); at += burst_bytes) {
      events_.clear();
      cutter_.push(data.subspan(at, std::min(burst_bytes, data.size() - at)), {}, events_);
      for (const auto& e : events_) std::visit([this](const auto& event) { on(event); }, e);
    }
  }
  uint64_t failed() const { return failed_; }

private:
  void on(const ts::chunk_opened& e) {
    if (e.certain) count(sealer_.open(e.index, e.first_pts));
  }
  void on(const ts::piece_released& e) { count(sealer_.piece(e.index, e.place, e.data)); }
  void on(const ts::chunk_whole& e) { count(sealer_.finish(e.index, static_cast<uint64_t>(e.duration_pts))); }
  void on(const ts::chunk_doubted& e) { (void)sealer_.abandon(e.index); }
  void on(const ts::chunk_damaged& e) { (void)sealer_.abandon(e.index); }
  void on(const ts::note&) {}
  void count(const auto& result) {
    if (!result) ++failed_;
  }

  ts::chunk_cutter cutter_;
  object::sealer sealer_;
  std::vector<ts::cut_event> events_;
  uint64_t failed_ = 0;
};

/// The pieces that come out where `data` goes in.
std::vector<base::bytes> pieces_of(ts::chunk_cutter& cutter, std::span<const uint8_t> data) {
  std::vector<ts::cut_event> events;
  cutter.push(data, {}, events);
  std::vector<base::bytes> out;
  for (auto& e : events)
    if (auto* piece = std::get_if<ts::piece_released>(&e)) out.push_back(std::move(piece->data));
  return out;
}

struct row {
  std::string name;
  uint64_t bytes = 0, sealed = 0; ///< TS in; of it, what came out in pieces
  double chain = 0, crypto = 0;   ///< seconds of CPU
  uint64_t failed = 0;

  /// One share of the work: `pieces` are what `through` makes of `data`.
  void run(class chain& through, std::span<const uint8_t> data, const std::vector<base::bytes>& pieces) {
    static const crypto::aead_key key({1});
    static std::vector<uint8_t> out(base::limits::piece_bytes + crypto::aead_key::tag_bytes);
    const double start = cpu_now();
    through.push(data);
    const double middle = cpu_now();
    crypto::nonce12 nonce{};
    for (const auto& piece : pieces) {
      const auto digest = crypto::blake3(piece);
      std::copy_n(digest.bytes.begin(), nonce.size(), nonce.begin());
      key.seal_into(std::span(out).first(piece.size() + crypto::aead_key::tag_bytes), nonce, {}, piece);
    }
    crypto += cpu_now() - middle;
    chain += middle - start;
    bytes += data.size();
    for (const auto& piece : pieces) sealed += piece.size();
  }
};

/// A directory for the segments, gone at the end.
struct segment_dir {
  segment_dir() {
    std::error_code failed;
    const std::filesystem::path shared = "/dev/shm";
    const auto room = std::filesystem::space(shared, failed);
    const bool roomy = !failed && room.available > (uint64_t{1} << 30) && access(shared.c_str(), W_OK) == 0;
    auto form = ((roomy ? shared : std::filesystem::temp_directory_path()) / "ec-chain-XXXXXX").string();
    if (const char* made = mkdtemp(form.data())) path = made;
  }
  ~segment_dir() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
  segment_dir(const segment_dir&) = delete;
  segment_dir& operator=(const segment_dir&) = delete;

  std::filesystem::path path;
};

/// Seconds of CPU that ffmpeg takes to write `file`, `times` times over, as HLS. Says so and gives nothing without an ffmpeg.
std::optional<double> ffmpeg_seconds(const std::filesystem::path& file, uint64_t times) {
  const segment_dir dir;
  if (dir.path.empty()) return std::nullopt;
  std::vector<std::string> words{"ffmpeg", "-nostdin", "-v", "fatal", "-stream_loop", std::to_string(times - 1), "-i", file.string(),
    "-c", "copy", "-f", "hls", (dir.path / "out.m3u8").string()};
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  rusage before{}, after{};
  getrusage(RUSAGE_CHILDREN, &before);
  pid_t child = 0;
  if (posix_spawnp(&child, "ffmpeg", nullptr, nullptr, argv.data(), environ) != 0) return std::nullopt;
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) {
    std::fprintf(stderr, "ffmpeg failed on %s\n", file.c_str());
    return std::nullopt;
  }
  getrusage(RUSAGE_CHILDREN, &after);
  const auto seconds = [](const rusage& r) {
    return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
  };
  return seconds(after) - seconds(before);
}

/// Prints one line. False if nothing was sealed or a seal failed.
bool print(const row& r, std::optional<double> ffmpeg) {
  const auto rate = [&](double seconds) { return static_cast<double>(r.bytes) / seconds / 1e9; };
  std::printf("%-34s %5.0f MB %4.0f %% %8.2f %8.2f", r.name.c_str(), static_cast<double>(r.bytes) / 1e6,
    100.0 * static_cast<double>(r.sealed) / static_cast<double>(r.bytes), rate(r.chain), rate(r.crypto));
  if (ffmpeg) std::printf(" %8.3f", rate(*ffmpeg));
  else std::printf(" %8s", "-");
  std::printf(" %9.2f", r.chain / r.crypto);
  if (ffmpeg) std::printf(" %9.1f\n", *ffmpeg / r.chain);
  else std::printf(" %9s\n", "-");
  std::fflush(stdout);
  return r.failed == 0 && r.sealed > 0;
}

} // namespace

int main(int argc, char** argv) {
  const uint64_t wanted = (argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200) * 1'000'000;
  std::filesystem::path root = "../shared/data";
  if (const char* set = std::getenv("EC_TEST_DATA")) root = set;
  else if (const char* source = std::getenv("EC_SOURCE_ROOT")) root = std::filesystem::path(source).parent_path() / "shared/data";

  std::printf("%-34s %8s %6s %26s %9s %9s\n", "", "", "", "---- GB/s of TS in ----", "chain", "chain");
  std::printf("%-34s %8s %6s %8s %8s %8s %9s %9s\n", "", "in", "sealed", "chain", "crypto", "ffmpeg", "/crypto", "vs ffmpeg");
  bool good = true, all = true;
  for (const auto& capture : test::chunk_captures()) {
    const auto path = root / "ts" / capture.file;
    std::ifstream in(path, std::ios::binary);
    const std::vector<uint8_t> data{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (data.empty()) {
      std::printf("SKIPPED: %s: no such capture\n", capture.file);
      continue;
    }
    const auto config = test::config_of(capture);
    ts::chunk_cutter once(config);
    const auto pieces = pieces_of(once, data);
    row r{.name = capture.file};
    const uint64_t times = (wanted + data.size() - 1) / data.size();
    for (uint64_t i = 0; i < times; ++i) {
      chain through(config); // a capture does not continue at its end: each pass tunes in anew
      r.run(through, data, pieces);
      r.failed += through.failed();
    }
    const auto ffmpeg = ffmpeg_seconds(path, times);
    all = all && ffmpeg;
    good = print(r, ffmpeg) && good;
  }
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    auto broadcast = media::test_broadcast::create({.codec = codec, .start = base::wall_time{std::chrono::hours(490'000)}});
    row r{.name = codec == media::test_codec::mpeg2 ? "test broadcast, MPEG-2 and AC-3" : "test broadcast, H.264 and AAC"};
    if (!broadcast) {
      std::printf("SKIPPED: %s: %s\n", r.name.c_str(), broadcast.error().message().c_str());
      continue;
    }
    const segment_dir dir;
    const auto path = dir.path / "broadcast.ts";
    std::ofstream file(path, std::ios::binary);
    chain through({});
    ts::chunk_cutter twin{ts::cutter_config{}};
    while (r.bytes < wanted) {
      const auto data = broadcast.value().next(20'000);
      file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
      r.run(through, data, pieces_of(twin, data));
    }
    r.failed = through.failed();
    file.close();
    const auto ffmpeg = ffmpeg_seconds(path, 1);
    all = all && ffmpeg;
    good = print(r, ffmpeg) && good;
  }
  if (!all) std::printf("SKIPPED: ffmpeg: not installed, or it failed\n");
  std::printf("goals: the chain takes at most 3 times as long as its cryptography, and is at least 20 times as fast as ffmpeg\n");
  return good ? 0 : 1;
}
