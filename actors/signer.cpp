#include "actors/signer.hpp"

#include "base/clock.hpp"
#include "base/limits_repair.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

/// The epoch that is being filled.
struct open_epoch {
  uint64_t start = 0;
  std::vector<manifest::chunk_entry> chunks;
  std::optional<uint64_t> broadcast_unix_ms; ///< as read at its first chunk that had a reading
  std::vector<manifest::repaired_chunk> repaired;
};

class signer final : public signer_actor::base {
public:
  signer(caf::actor_config& cfg, signer_config config, manifest_publisher_actor publisher, observer_actor observer) :
    signer_actor::base(cfg), config_(std::move(config)), edge_(config_.edge, std::move(publisher), {"signer-manifest_publisher", observer}),
    observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    if (const auto ready = load(); !ready) {
      base::log::error("signer", "cannot-start", {{"reason", ready.error().message()}});
      quit(caf::make_error(caf::sec::runtime_error, ready.error().message()));
    }
    return {[this](const chunk_summary& s) {
      on(s);
      return edge_credit{};
    }};
  }

  void on_exit() override { edge_.release(this); }

private:
  base::result<void> load() {
    EC_TRY(auto key, crypto::signing_key::load(config_.key_file.string()));
    // One file for each key and stream.
    crypto::hasher name;
    name.update(key.public_key().to_string()).update(" ").update(config_.stream_id);
    file_ = (config_.state_dir / ("signer-" + name.finish().hex().substr(0, 16) + ".json")).string();
    auto state = manifest::load_signer_state(file_, key.public_key(), config_.stream_id, *config_.disk);
    if (!state && state.error().code == base::errc::not_found) {
      base::log::warn("signer", "new-chain", {{"file", file_}, {"hint", "this key has no state for this stream yet: a new chain of attestations begins"}});
      state = manifest::signer_state::fresh(key.public_key(), config_.stream_id, config_.wall());
    }
    if (!state) return base::fail(state.error());
    EC_TRY(auto made, manifest::signer::make(std::move(key), std::move(state).value()));
    EC_TRYV(made.carry(config_.statements));
    signer_.emplace(std::move(made));
    return base::ok();
  }

  void on(const chunk_summary& s) {
    if (s.end) {
      // An epoch that the broadcast did not fill is signed as far as it came.
      sign();
      edge_.push_always(this, {.end = true});
      edge_.close(this);
      return;
    }
    const uint64_t start = manifest::epoch_start(s.index, config_.epoch_chunks);
    if (epoch_ && epoch_->start != start) sign();
    if (!epoch_) {
      const manifest::chunk_entry none{.digest = {}, .state = manifest::chunk_state::missing};
      epoch_ = {start, std::vector<manifest::chunk_entry>(config_.epoch_chunks, none), std::nullopt, {}};
    }
    if (s.repaired && epoch_->repaired.size() == base::limits::repairs_stated_max) {
      // What cannot be said is not signed.
      base::log::warn("signer", "repair-not-stated", {{"chunk", s.index}});
    } else if (!s.damaged || config_.sign_damaged)
      epoch_->chunks[s.index - start] = {s.digest, s.damaged ? manifest::chunk_state::damaged : manifest::chunk_state::whole};
    if (s.repaired && epoch_->repaired.size() < base::limits::repairs_stated_max)
      epoch_->repaired.push_back({s.index, s.repaired->packets, s.repaired->of});
    if (!epoch_->broadcast_unix_ms && s.broadcast_unix_ms && *s.broadcast_unix_ms > 0)
      epoch_->broadcast_unix_ms = static_cast<uint64_t>(*s.broadcast_unix_ms);
    if (s.index + 1 == start + config_.epoch_chunks) sign();
  }

  void sign() {
    if (!epoch_ || !signer_) return;
    auto epoch = std::move(*epoch_);
    epoch_.reset();
    if (std::ranges::all_of(epoch.chunks, [](const auto& c) { return c.state == manifest::chunk_state::missing; })) return;
    manifest::content c;
    c.stream_id = config_.stream_id;
    c.chunk_duration_ms = config_.chunk_duration_ms;
    c.encoder_profile_id = config_.profile_id;
    c.chunk_start_index = epoch.start;
    c.epoch_id = epoch.start / config_.epoch_chunks;
    c.chunks = std::move(epoch.chunks);
    auto pending = signer_->prepare(std::move(c), config_.wall(), epoch.broadcast_unix_ms, epoch.repaired);
    if (!pending) {
      base::log::error("signer", "not-signed", {{"chunk", epoch.start}, {"reason", pending.error().message()}});
      send(observer_, report{"not-signed", {{"chunk", static_cast<int64_t>(epoch.start)}, {"reason", pending.error().message()}}});
      return;
    }
    auto& p = pending.value();
    // On the disk before it leaves: a signer that forgets what it signed could contradict itself.
    if (const auto saved = manifest::save_signer_state(file_, p.state, *config_.disk); !saved) {
      base::log::error("signer", "state-not-saved", {{"reason", saved.error().message()}});
      quit(caf::make_error(caf::sec::runtime_error, saved.error().message()));
      return;
    }
    const auto epoch_id = p.manifest.content.epoch_id;
    const auto object = epoch_id == last_epoch_ ? ++last_object_ : 0;
    last_epoch_ = epoch_id;
    last_object_ = object;
    edge_.push(this, {.epoch = epoch_id, .object = object, .payload = base::bytes::adopt(std::move(p.payload))}, epoch_id);
    send(observer_, report{"signed",
                      {{"epoch", static_cast<int64_t>(epoch_id)}, {"chunk", static_cast<int64_t>(epoch.start)},
                        {"manifest", p.manifest_id.hex()}, {"whole", p.manifest.content.all_whole()}, {"repaired", static_cast<int64_t>(epoch.repaired.size())}}});
  }

  signer_config config_;
  edge<manifest_item, manifest_publisher_actor> edge_;
  observer_actor observer_;
  std::string file_;
  std::optional<manifest::signer> signer_;
  std::optional<open_epoch> epoch_;
  uint64_t last_epoch_ = UINT64_MAX;
  uint64_t last_object_ = 0;
};

} // namespace

signer_actor spawn_signer(caf::actor_system& sys, signer_config config, manifest_publisher_actor publisher, observer_actor observer,
  placement where) {
  return spawn_at<signer>(sys, where, std::move(config), std::move(publisher), std::move(observer));
}

} // namespace ec::actors
