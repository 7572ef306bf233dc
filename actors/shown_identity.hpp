#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "crypto/certificate.hpp"

namespace ec::actors {

/// The certificate that an endpoint shows now; null without one. Thread-safe.
class shown_identity {
public:
  std::shared_ptr<const crypto::certificate_pair> get() const {
    const std::lock_guard lock(mutex_);
    return pair_;
  }
  void set(std::shared_ptr<const crypto::certificate_pair> pair) {
    const std::lock_guard lock(mutex_);
    pair_ = std::move(pair);
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<const crypto::certificate_pair> pair_;
};

} // namespace ec::actors
