#include "tuner/internal/file_source.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "tuner/internal/descriptor.hpp"
#include "tuner/internal/pacer.hpp"

namespace ec::tuner::internal {
namespace {

using base::fail;
using std::chrono::milliseconds;

constexpr size_t block_bytes = 188 * 348 * 2; // two full pieces

/// A file, a pipe or a device node; standard input is duplicated, so that closing ours leaves the process's open.
class file_source final : public source {
public:
  file_source(source_facts facts, std::string path, const source_options& options)
      : source(std::move(facts)), path_(std::move(path)), stall_(options.timeouts.stall), paced_(options.pace > 0), pacer_(options.pace > 0 ? options.pace : 1.0) {}

  base::result<base::bytes> read(milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    if (stopped_) return fail(down({fault_kind::stopped, retry_advice::never, 0, 0, what() + ": stopped"}));
    if (in_.get() < 0) {
      in_ = descriptor(path_.empty() ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | (is_dvb() ? O_NONBLOCK : 0)));
      heard_ = base::mono_now();
      if (in_.get() < 0 && is_dvb() && errno == EBUSY)
        return fail(down({fault_kind::busy, retry_advice::patiently, 0, 0, what() + ": another program reads this adapter"}));
      if (in_.get() < 0) return fail(down({fault_kind::unreadable, retry_advice::never, 0, 0, what() + ": " + std::strerror(errno)}));
    }
    const auto deadline = base::mono_now() + wait;
    if (!waiting_.empty()) return paced(deadline);
    pollfd fds[2] = {{in_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = poll(fds, 2, static_cast<int>(std::clamp<int64_t>(wait.count(), 0, 60000)));
    if (stopped_) return read(milliseconds(0));
    if (ready == 0 || (ready < 0 && errno == EINTR) || fds[0].revents == 0) return nothing();
    std::vector<uint8_t> block(block_bytes);
    const auto got = ::read(in_.get(), block.data(), block.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return nothing();
    if (got < 0 && errno == EOVERFLOW && is_dvb()) { // the kernel's buffer ran over
      lost_ = true;
      return base::bytes{};
    }
    if (got < 0) return fail(down({fault_kind::unreadable, retry_advice::never, 0, 0, what() + ": " + std::strerror(errno)}));
    if (got == 0) return fail(down({fault_kind::ended, retry_advice::never, 0, 0, what() + ": the input ended"}));
    block.resize(static_cast<size_t>(got));
    heard_ = base::mono_now();
    mark_gap(std::exchange(lost_, false));
    waiting_ = base::bytes::adopt(std::move(block));
    return paced(deadline);
  }

  void stop() override {
    stopped_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
  }

private:
  bool is_dvb() const { return facts().kind == source_kind::dvb; }

  /// Nothing came: of a DVB adapter not for long.
  base::result<base::bytes> nothing() {
    if (!is_dvb() || base::mono_now() - heard_ < stall_) return base::bytes{};
    return fail(down({fault_kind::stalled, retry_advice::soon, 0, 0,
      what() + ": nothing comes from the adapter: is it tuned, say by dvbv5-zap -r, and has that program a signal?"}));
  }

  std::string what() const { return facts().kind == source_kind::standard_input ? "standard input" : facts().spec; }

  base::result<base::bytes> paced(base::mono_time deadline) {
    size_t allowed = waiting_.size();
    if (paced_) {
      while ((allowed = pacer_.allowed(waiting_.span(), base::mono_now())) == 0) {
        const auto until = std::min(deadline, *pacer_.due());
        const auto left = std::chrono::ceil<milliseconds>(until - base::mono_now());
        pollfd wake{wake_.get(), POLLIN, 0};
        if (left.count() > 0) poll(&wake, 1, static_cast<int>(std::min<int64_t>(left.count(), 60000)));
        if (stopped_) return read(milliseconds(0));
        if (base::mono_now() >= deadline && *pacer_.due() > base::mono_now()) return base::bytes{};
      }
    }
    auto out = waiting_.slice(0, allowed);
    waiting_ = waiting_.slice(allowed);
    return out;
  }

  const std::string path_;
  const milliseconds stall_;
  const bool paced_;
  pacer pacer_;
  descriptor in_{-1};
  descriptor wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  base::bytes waiting_;
  base::mono_time heard_;
  bool lost_ = false;
  std::atomic<bool> stopped_{false};
};

} // namespace

std::unique_ptr<source> make_file_source(source_facts facts, std::string path, const source_options& options) {
  return std::make_unique<file_source>(std::move(facts), std::move(path), options);
}

} // namespace ec::tuner::internal
