#include "node/signals.hpp"

#include <csignal>
#include <cstdint>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace ec::node {

stop_signals::stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
}

stop_signals::~stop_signals() {
  close(signal_fd_);
  close(wake_fd_);
}

bool stop_signals::wait() {
  pollfd fds[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  while (poll(fds, 2, -1) <= 0) {
  }
  if ((fds[0].revents & POLLIN) != 0) {
    signalfd_siginfo info{};
    [[maybe_unused]] const auto got = read(signal_fd_, &info, sizeof info);
    return true;
  }
  uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
  return false;
}

void stop_signals::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

} // namespace ec::node
