#include "actors/hls_writer.hpp"

#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "crypto/digest.hpp"

namespace ec::actors {
namespace {

constexpr uint64_t pts_end = uint64_t{1} << 33; // PTS has 33 bits

class hls_writer final : public hls_writer_actor::base {
public:
  hls_writer(caf::actor_config& cfg, hls::writer_config config, observer_actor observer) :
    hls_writer_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    return {[this](const verified_chunk& chunk) {
      if (chunk.end) finish();
      else append(chunk);
      return edge_credit{};
    }};
  }

private:
  bool open() {
    if (writer_) return true;
    auto opened = hls::segment_writer::open(config_);
    if (!opened) {
      fault(opened.error());
      return false;
    }
    writer_.emplace(std::move(opened).value());
    // A sliding playlist deletes its files a while after they left it.
    const bool sliding = config_.kind == hls::playlist_kind::window;
    proofs_.emplace(config_.dir, sliding ? 4 * config_.window_segments : 0, hls::durability_of(config_), *config_.disk);
    return true;
  }

  void append(const verified_chunk& chunk) {
    if (!open()) return;
    hls::segment segment;
    segment.index = chunk.index;
    segment.data = chunk.data;
    segment.duration_pts = chunk.duration_pts;
    segment.discontinuity = chunk.discontinuity || !follows(chunk);
    segment.damaged = chunk.damaged;
    segment.verified = chunk.verified;
    segment.digest_hex = crypto::blake3(chunk.data).hex();
    segment.signer = chunk.signer;
    if (chunk.broadcast_unix_ms) segment.program_date_time = base::wall_time(std::chrono::milliseconds(*chunk.broadcast_unix_ms));
    if (!chunk.manifest.empty()) {
      const auto proof = proofs_->append({chunk.index, chunk.first_pts, static_cast<uint64_t>(chunk.duration_pts), std::string(chunk.manifest.text()),
        chunk.damage_publisher, chunk.damage_reason});
      if (!proof) {
        fault(proof.error());
        return;
      }
    }
    const auto written = writer_->append(segment);
    if (!written) {
      // The disk refuses: the chunk is lost for this playlist, and the next one that fits says so with a discontinuity.
      if (!chunk.manifest.empty()) proofs_->take_back();
      fault(written.error());
      return;
    }
    if (std::exchange(refused_, false)) {
      base::log::info("hls_writer", "writes-again", {{"chunks_lost", lost_}});
      send(observer_, report{"hls-restored", {{"chunks_lost", static_cast<int64_t>(lost_)}}});
      lost_ = 0;
    }
    ++segments_;
    last_ = {chunk.index, (chunk.first_pts + static_cast<uint64_t>(chunk.duration_pts)) % pts_end, chunk.duration_pts == 0};
    send(observer_, report{"segment",
                      {{"chunk", static_cast<int64_t>(chunk.index)}, {"file", written.value().file},
                        {"bytes", static_cast<int64_t>(chunk.data.size())}, {"verified", chunk.verified}, {"damaged", chunk.damaged},
                        {"digest", chunk.digest}, {"signer", chunk.signer}, {"on_disk_unix_us", base::unix_us_of(base::mono_now())}}});
  }

  /// False if something is missing between the last segment and `chunk`: the edge dropped it, or the disk refused it. A damaged
  /// chunk may not know where it ends: then the index must do.
  bool follows(const verified_chunk& chunk) const {
    return !last_ || last_->end_pts == chunk.first_pts || (last_->unsure && chunk.index == last_->index + 1);
  }

  void finish() {
    if (writer_)
      if (const auto done = writer_->finish(); !done) fault(done.error(), 0);
    send(observer_, report{"hls-totals",
                      {{"segments", static_cast<int64_t>(segments_)}, {"chunks_lost", static_cast<int64_t>(lost_in_all_)},
                        {"outages", static_cast<int64_t>(outages_)}}});
    quit();
  }

  /// The disk refused, and `chunks` are lost by it. Told once in an outage; how many it took is told at its end.
  void fault(const base::error& why, uint64_t chunks = 1) {
    if (why.code == base::errc::not_found) {
      // The directory is gone: the next chunk begins it anew, or finds it as it comes back.
      writer_.reset();
      proofs_.reset();
    }
    lost_ += chunks;
    lost_in_all_ += chunks;
    if (std::exchange(refused_, true)) return;
    ++outages_;
    base::log::error("hls_writer", "write-failed", {{"reason", why.message()}});
    send(observer_, report{"hls-fault", {{"reason", why.message()}}});
  }

  /// Where the last segment stands on the broadcast's clock.
  struct written_chunk {
    uint64_t index;
    uint64_t end_pts;
    bool unsure; ///< its duration is not known
  };

  hls::writer_config config_;
  observer_actor observer_;
  std::optional<hls::segment_writer> writer_;
  std::optional<hls::manifest_log> proofs_;
  std::optional<written_chunk> last_;
  bool refused_ = false; ///< an outage is under way
  uint64_t lost_ = 0;    ///< chunks in it
  uint64_t segments_ = 0, lost_in_all_ = 0, outages_ = 0;
};

} // namespace

hls_writer_actor spawn_hls_writer(caf::actor_system& sys, hls::writer_config config, observer_actor observer, placement where) {
  return spawn_at<hls_writer>(sys, where, std::move(config), std::move(observer));
}

} // namespace ec::actors
