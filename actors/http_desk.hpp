#pragma once

#include <list>
#include <memory>
#include <optional>

#include "actors/http_exchange.hpp"
#include "actors/relay_door.hpp"
#include "base/clock.hpp"
#include "moq/group_reader.hpp"
#include "moq/track_store.hpp"

namespace ec::actors {

/// Answers on the loop what HTTP clients ask of a relay: each request is let in or refused as a session that asks for the same. On the loop's thread only.
class http_desk {
public:
  /// `door` null: everybody may come in. Both outlive it.
  http_desk(moq::track_store& store, relay_door* door, std::shared_ptr<http_counters> counters) :
    store_(store), door_(door), counters_(std::move(counters)) {}
  ~http_desk();

  /// A new exchange, or one that has room again.
  void take(const std::shared_ptr<http_exchange>& exchange, base::mono_time now);
  /// At the end of each turn of the loop: gives on what came.
  void flush(base::mono_time now);
  std::optional<base::mono_time> deadline() const;
  void on_timer(base::mono_time now) { flush(now); }
  size_t open() const { return open_.size(); }

private:
  /// A group on its way.
  struct reading {
    std::shared_ptr<http_exchange> exchange;
    std::optional<access::admission> admitted;
    std::unique_ptr<moq::group_reader> reader;
    base::mono_time quiet_until{}; ///< something must come before
    base::mono_time until{};
    uint64_t bytes = 0;
    bool begun = false;
    bool woken = true;
  };

  bool admit(reading& r, base::mono_time now);
  void list(reading& r);
  bool go_on(reading& r, base::mono_time now);
  void refuse(reading& r, uint64_t code, std::string reason, std::optional<uint64_t> retry_after_ms);
  void cut(reading& r, std::string reason);

  moq::track_store& store_;
  relay_door* door_;
  std::shared_ptr<http_counters> counters_;
  std::list<reading> open_;
};

} // namespace ec::actors
