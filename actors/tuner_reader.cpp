#include "actors/tuner_reader.hpp"

#include "base/log.hpp"

namespace ec::actors {
namespace {

// Short enough for an orderly stop to feel immediate, long enough not to spin on a silent source.
constexpr std::chrono::milliseconds read_wait{100};

class tuner_reader final : public tuner_reader_actor::base {
public:
  tuner_reader(caf::actor_config& cfg, tuner_reader_config config, chunker_actor next, observer_actor observer) :
    tuner_reader_actor::base(cfg), config_(std::move(config)), edge_(config_.edge, std::move(next), {"tuner_reader-chunker", observer}), observer_(std::move(observer)) {
    edge_.on_room([this] {
      if (paused_ && !edge_.full()) {
        paused_ = false;
        send(this, read_atom::value);
      }
    });
    edge_.on_drop([this](uint64_t, bool) { gap_ = true; });
  }

  behavior_type make_behavior() override {
    delayed_send(this, config_.startup_delay, read_atom::value);
    return {
      [this](read_atom) { read(); },
      [this](stop_atom) { end(); },
    };
  }

  void on_exit() override {
    edge_.release(this);
    observer_ = nullptr;
  }

private:
  void read() {
    if (ended_) return;
    if (!source_ && !open()) return;
    if (config_.duration.count() > 0 && clock().now() - started_ >= config_.duration) {
      end();
      return;
    }
    if (config_.edge.policy == edge_policy::lossless && edge_.full()) {
      paused_ = true;
      return;
    }
    auto got = source_->read(read_wait);
    if (!got) {
      // A tuner does not end by itself: unless a length was asked for, it went away.
      const bool over = got.error().code == base::errc::closed && (!source_->facts().live || source_->facts().spec.find("duration=") != std::string::npos);
      if (over) end();
      else fault(got.error());
      return;
    }
    if (!got.value().empty()) {
      if (std::exchange(config_.history->down, false))
        send(observer_, report{"input-restored", {{"input", config_.input}, {"faults", config_.history->all}}});
      if (source_->gap_before()) gap_ = true;
      // Each burst is a group of its own: a live edge that is full loses the oldest burst, and the chunker is told.
      edge_.push(this, ts_burst{std::move(got).value(), gap_, false}, ++bursts_);
      gap_ = false;
      send(this, read_atom::value);
    } else if (config_.idle.count() > 0) {
      delayed_send(this, config_.idle, read_atom::value);
    } else {
      send(this, read_atom::value);
    }
  }

  bool open() {
    auto opened = config_.open(config_.input, config_.source);
    if (!opened) {
      fault(opened.error());
      return false;
    }
    source_ = std::move(opened).value();
    started_ = clock().now();
    base::log::info("tuner_reader", "opened", {{"input", config_.input}});
    return true;
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    source_.reset();
    edge_.push_always(this, ts_burst{{}, gap_, true});
    edge_.close(this);
  }

  void fault(const base::error& why) {
    // What cannot be opened has no fault of its own.
    const auto said = source_ && source_->fault() ? *source_->fault()
      : tuner::source_fault{.kind = tuner::fault_kind::unreadable, .retry = tuner::retry_advice::soon, .http_status = 0, .device_code = 0, .text = why.message()};
    const auto kind = std::string(tuner::name(said.kind));
    const auto retry = std::string(tuner::name(said.retry));
    auto& history = *config_.history;
    history.down = true;
    ++history.all;
    const auto count = ++history.faults[kind];
    base::log::warn("tuner_reader", "input-fault", {{"input", config_.input}, {"kind", kind}, {"retry", retry}, {"count", count}, {"reason", why.message()}});
    report told{"input-fault", {{"input", config_.input}, {"kind", kind}, {"retry", retry}, {"count", count}, {"reason", why.message()}}};
    if (said.http_status != 0) told.fields.emplace_back("http_status", said.http_status);
    if (said.device_code != 0) told.fields.emplace_back("device_code", said.device_code);
    send(observer_, std::move(told));
    source_.reset();
    quit(caf::make_error(caf::sec::runtime_error, why.message(), retry));
  }

  tuner_reader_config config_;
  edge<ts_burst, chunker_actor> edge_;
  observer_actor observer_;
  std::unique_ptr<tuner::source> source_;
  base::mono_time started_;
  uint64_t bursts_ = 0;
  bool gap_ = true; // whatever came before this start, something is missing
  bool paused_ = false;
  bool ended_ = false;
};

} // namespace

tuner_reader_actor spawn_tuner_reader(caf::actor_system& sys, tuner_reader_config config, chunker_actor next, observer_actor observer,
  placement where) {
  return spawn_at<tuner_reader>(sys, where, std::move(config), std::move(next), std::move(observer));
}

} // namespace ec::actors
