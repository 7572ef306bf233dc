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
  file_source(source_facts facts, const source_options& options)
      : source(std::move(facts)), paced_(options.pace > 0), pacer_(options.pace > 0 ? options.pace : 1.0) {}

  base::result<base::bytes> read(milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    if (stopped_) return fail(down({fault_kind::stopped, retry_advice::never, 0, 0, what() + ": stopped"}));
    if (in_.get() < 0) {
      const bool standard = this->facts().kind == source_kind::standard_input;
      in_ = descriptor(standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : ::open(this->facts().spec.c_str(), O_RDONLY | O_CLOEXEC));
      if (in_.get() < 0) return fail(down({fault_kind::unreadable, retry_advice::never, 0, 0, what() + ": " + std::strerror(errno)}));
    }
    const auto deadline = base::mono_now() + wait;
    if (!waiting_.empty()) return paced(deadline);
    pollfd fds[2] = {{in_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = poll(fds, 2, static_cast<int>(std::clamp<int64_t>(wait.count(), 0, 60000)));
    if (stopped_) return read(milliseconds(0));
    if (ready == 0 || (ready < 0 && errno == EINTR) || fds[0].revents == 0) return base::bytes{};
    std::vector<uint8_t> block(block_bytes);
    const auto got = ::read(in_.get(), block.data(), block.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return base::bytes{};
    if (got < 0) return fail(down({fault_kind::unreadable, retry_advice::never, 0, 0, what() + ": " + std::strerror(errno)}));
    if (got == 0) return fail(down({fault_kind::ended, retry_advice::never, 0, 0, what() + ": the input ended"}));
    block.resize(static_cast<size_t>(got));
    waiting_ = base::bytes::adopt(std::move(block));
    return paced(deadline);
  }

  void stop() override {
    stopped_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
  }

private:
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

  const bool paced_;
  pacer pacer_;
  descriptor in_{-1};
  descriptor wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  base::bytes waiting_;
  std::atomic<bool> stopped_{false};
};

} // namespace

std::unique_ptr<source> make_file_source(source_facts facts, const source_options& options) {
  return std::make_unique<file_source>(std::move(facts), options);
}

} // namespace ec::tuner::internal
