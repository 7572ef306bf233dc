#include "tuner/shared_inputs.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/limits_tuner.hpp"

namespace ec::tuner {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

/// What one reader has not read yet.
struct backlog {
  struct part {
    base::bytes bytes;
    bool gap = false;
  };
  std::deque<part> parts;
  size_t bytes = 0;
  bool lost = false; ///< right before the front, or before what comes next
};

struct shared_inputs::input {
  explicit input(std::unique_ptr<source> s) : facts(s->facts()), from(std::move(s)) {}

  const source_facts facts;
  std::unique_ptr<source> from; ///< read by one member at a time, without the lock; none once it failed, so that the device is free
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<backlog*> readers;
  bool stopped = false;            ///< by its last reader: nobody joins it any more
  bool reading = false;            ///< a member is in `from->read`
  std::optional<base::error> over; ///< how the input failed, for all
  std::optional<source_fault> fault;

  /// Locked, and while nobody reads.
  void close(base::error why) {
    over = std::move(why);
    fault = from->fault();
    from.reset();
  }

  /// Locked. Hands the bytes to all.
  void give(const base::bytes& bytes, bool gap) {
    for (auto* r : readers) {
      r->parts.push_back({bytes, gap || std::exchange(r->lost, false)});
      r->bytes += bytes.size();
      while (r->bytes > base::limits::shared_source_bytes_max && r->parts.size() > 1) {
        r->bytes -= r->parts.front().bytes.size();
        r->parts.pop_front();
        r->parts.front().gap = true;
      }
    }
  }
};

/// One reader. Whoever finds nothing for itself, and nobody reading, reads for all.
class shared_inputs::member final : public source {
public:
  explicit member(std::shared_ptr<input> shared) : source(shared->facts), shared_(std::move(shared)) {
    const std::lock_guard lock(shared_->mutex);
    shared_->readers.push_back(&own_);
  }
  ~member() override {
    const std::lock_guard lock(shared_->mutex);
    std::erase(shared_->readers, &own_);
  }

  base::result<base::bytes> read(milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    auto& in = *shared_;
    std::unique_lock lock(in.mutex);
    const auto until = base::mono_now() + wait;
    while (true) {
      if (stopped_) return fail(down({.kind = fault_kind::stopped, .retry = retry_advice::never, .http_status = 0, .device_code = 0, .text = facts().spec + ": stopped"}));
      if (!own_.parts.empty()) {
        auto part = std::move(own_.parts.front());
        own_.parts.pop_front();
        own_.bytes -= part.bytes.size();
        mark_gap(part.gap);
        return std::move(part.bytes);
      }
      if (in.over) {
        if (in.fault) return fail(down(*in.fault));
        return fail(*in.over);
      }
      const auto now = base::mono_now();
      if (in.reading) {
        if (now >= until || in.changed.wait_until(lock, until) == std::cv_status::timeout) {
          if (own_.parts.empty() && !in.over && !stopped_) return base::bytes{};
        }
        continue;
      }
      in.reading = true;
      lock.unlock();
      auto got = in.from->read(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now)));
      lock.lock();
      in.reading = false;
      if (!got) in.close(got.error());
      else if (!got.value().empty()) in.give(got.value(), in.from->gap_before());
      in.changed.notify_all();
      if (got && got.value().empty() && base::mono_now() >= until && !stopped_) return base::bytes{};
    }
  }

  void stop() override {
    const std::lock_guard lock(shared_->mutex);
    stopped_ = true;
    // Alone it need not wait for the device. With others it leaves at the next bytes, or when its wait is over.
    if (shared_->readers.size() == 1 && shared_->from) {
      shared_->stopped = true;
      shared_->from->stop();
      if (!shared_->reading) shared_->close({errc::closed, "stopped", facts().spec});
    }
    shared_->changed.notify_all();
  }

private:
  std::shared_ptr<input> shared_;
  backlog own_;
  bool stopped_ = false;
};

base::result<std::unique_ptr<source>> shared_inputs::open(std::string_view spec, const source_options& options) {
  EC_TRY(auto opened, open_source(spec, options));
  if (!opened->facts().live) return opened;
  const std::lock_guard lock(mutex_);
  std::erase_if(inputs_, [](const auto& entry) { return entry.second.expired(); });
  auto& place = inputs_[std::string(spec)];
  auto shared = place.lock();
  const auto usable = [](input& in) {
    const std::lock_guard of_input(in.mutex);
    return !in.over && !in.stopped;
  };
  if (!shared || !usable(*shared)) place = shared = std::make_shared<input>(std::move(opened));
  return std::unique_ptr<source>(std::make_unique<member>(std::move(shared)));
}

shared_inputs& shared_inputs::of_process() {
  static shared_inputs all;
  return all;
}

} // namespace ec::tuner
