#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace ec::access {

/// How much one address, and one token, may use of a relay at a time; 0: no limit. An IPv6 address counts by its first 64 bits.
struct access_limits {
  size_t sessions_per_address = 0;
  size_t sessions_per_token = 0;
  size_t requests_per_address = 0; ///< open in its sessions: subscriptions, fetches, offers
  size_t requests_per_token = 0;
  uint64_t bytes_per_second_per_address = 0; ///< of objects that it publishes
  uint64_t bytes_per_second_per_token = 0;

  bool any() const { return sessions_per_address + sessions_per_token + requests_per_address + requests_per_token > 0 || paces(); }
  bool paces() const { return bytes_per_second_per_address + bytes_per_second_per_token > 0; }
};

class seat;

/// Who uses how much of a relay: an account for each address and token, as long as sessions of it are open. One thread.
class ledger {
public:
  explicit ledger(access_limits limits) : limits_(limits) {}
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;

  const access_limits& limits() const { return limits_; }
  size_t accounts() const { return accounts_.size(); }

private:
  friend class seat;
  struct account {
    std::vector<seat*> seats;
    bool is_token = false;
    double room = 0; ///< bytes that may still come now; below 0: it is held
    std::optional<base::mono_time> paced;
  };
  std::map<std::string, account> accounts_;
  access_limits limits_;
};

/// One session's place in the ledger; it leaves at its end, before the ledger goes.
class seat {
public:
  /// `open`: its requests that go on now.
  seat(ledger& home, std::string address, std::function<size_t()> open) : home_(home), address_(std::move(address)), open_(std::move(open)) {}
  ~seat();
  seat(const seat&) = delete;
  seat& operator=(const seat&) = delete;

  /// The session begins. The reason why it may not, for the peer.
  std::optional<std::string> sit();
  /// It showed the token of this account, by which it counts too from now on.
  std::optional<std::string> show(const std::string& token, const std::string& who);
  /// It asks for one request more.
  std::optional<std::string> ask() const;
  /// `bytes`: of objects that came in it since its start. True: nothing more is to be taken from it for now. To be asked often, as each
  /// account has the room of one second.
  bool pace(uint64_t bytes, base::mono_time now);

private:
  std::optional<std::string> join(const std::string& name, bool is_token, size_t limit, const std::string& who);

  ledger& home_;
  std::string address_;
  std::function<size_t()> open_;
  std::vector<std::string> accounts_;
  uint64_t bytes_ = 0;
};

} // namespace ec::access
