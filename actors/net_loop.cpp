#include "actors/net_loop.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.hpp"

namespace ec::actors {
namespace {

constexpr size_t jobs_per_turn = 64;      // then sockets get their turn
constexpr size_t messages_per_resume = 32;

class epoll_loop final : public net_loop {
public:
  explicit epoll_loop(caf::actor_system& sys);
  ~epoll_loop() override;

  /// From any thread: runs `job` here if it lives here, else hands it to the scheduler.
  void exec_later(caf::resumable* job) override;

  base::mono_time now() const override { return base::mono_now(); }
  base::result<void> add(int fd, loop_source& source) override;
  void remove(int fd) override;
  void start() override;
  void stop() override;

private:
  void run();
  void run_jobs();
  std::optional<base::mono_duration> wait_time(base::mono_time now) const;

  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::unordered_map<int, loop_source*> sources_;
  std::mutex mutex_; ///< guards jobs_ and stopping_
  std::deque<caf::resumable*> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

epoll_loop::epoll_loop(caf::actor_system& sys) : net_loop(&sys) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event wake{};
  wake.events = EPOLLIN;
  wake.data.fd = wake_fd_;
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &wake);
}

epoll_loop::~epoll_loop() {
  stop();
  close(wake_fd_);
  close(epoll_fd_);
}

void epoll_loop::exec_later(caf::resumable* job) {
  if (job->subtype() != caf::resumable::io_actor) {
    system().scheduler().enqueue(job);
    return;
  }
  bool wake = false, dropped = false;
  {
    const std::lock_guard lock(mutex_);
    dropped = stopping_;
    wake = jobs_.empty();
    if (!dropped) jobs_.push_back(job);
  }
  if (dropped) { // or an actor that waits here for ever would hold what holds this loop
    caf::intrusive_ptr_release(job);
    return;
  }
  if (wake) {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one); // full means that it is awake
  }
}

base::result<void> epoll_loop::add(int fd, loop_source& source) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0)
    return base::fail(base::errc::io, std::string("cannot watch the socket: ") + std::strerror(errno));
  sources_[fd] = &source;
  return base::ok();
}

void epoll_loop::remove(int fd) {
  if (sources_.erase(fd) > 0) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void epoll_loop::start() {
  thread_ = std::thread([this] { run(); });
}

void epoll_loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  std::deque<caf::resumable*> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(jobs_);
  }
  for (auto* job : left) caf::intrusive_ptr_release(job);
}

std::optional<base::mono_duration> epoll_loop::wait_time(base::mono_time now) const {
  std::optional<base::mono_time> next;
  for (const auto& [fd, source] : sources_)
    if (const auto due = source->deadline(); due && (!next || *due < *next)) next = due;
  if (!next) return std::nullopt;
  return std::max(*next - now, base::mono_duration{0});
}

void epoll_loop::run_jobs() {
  std::array<caf::resumable*, jobs_per_turn> batch;
  size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    while (count < batch.size() && !jobs_.empty()) {
      batch[count++] = jobs_.front();
      jobs_.pop_front();
    }
  }
  for (size_t i = 0; i < count; ++i) {
    auto* job = batch[i];
    switch (job->resume(this, messages_per_resume)) {
    case caf::resumable::resume_later: exec_later(job); break;
    default: caf::intrusive_ptr_release(job); break;
    }
  }
}

void epoll_loop::run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    bool waiting = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      waiting = !jobs_.empty();
    }
    // Pacing deadlines are finer than epoll_wait's milliseconds.
    const auto left = waiting ? base::mono_duration{0} : wait_time(base::mono_now());
    timespec timeout{};
    if (left) timeout = {left->count() / 1'000'000'000, left->count() % 1'000'000'000};
    const int ready = epoll_pwait2(epoll_fd_, events.data(), static_cast<int>(events.size()), left ? &timeout : nullptr, nullptr);
    const auto now = base::mono_now();
    for (int i = 0; i < ready; ++i) {
      if (events[static_cast<size_t>(i)].data.fd == wake_fd_) {
        uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof count);
      } else if (const auto it = sources_.find(events[static_cast<size_t>(i)].data.fd); it != sources_.end()) {
        it->second->on_readable(now);
      }
    }
    run_jobs();
    for (const auto& [fd, source] : std::unordered_map(sources_)) {
      if (!sources_.contains(fd)) continue;
      if (const auto due = source->deadline(); due && *due <= now) source->on_timer(now);
      if (sources_.contains(fd)) source->flush(now);
    }
  }
}

} // namespace

std::unique_ptr<net_loop> make_epoll_loop(caf::actor_system& sys) {
  return std::make_unique<epoll_loop>(sys);
}

} // namespace ec::actors
