#pragma once

#include <memory>

namespace ec::manifest {

class verifier;
class signer;

/// A T that a trusted key signed. Only the verifier makes one, or the signer of what it just signed itself; copies share.
template <class T>
class verified {
public:
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

private:
  friend class verifier;
  friend class signer;
  explicit verified(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  std::shared_ptr<const T> value_;
};

} // namespace ec::manifest
