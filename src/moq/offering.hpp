#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "moq/layers.hpp"
#include "moq/track_store.hpp"
#include "moq/types.hpp"

/// What a publisher that dials out says of its tracks. No I/O.
namespace ec::moq {

class session;

/// How a publisher waits for a relay that does not want a namespace now.
inline constexpr std::chrono::milliseconds offer_wait_min{1000}, offer_wait_max{60'000};

/// Hears what became of offers.
class offering_watcher {
public:
  virtual ~offering_watcher() = default;
  /// The session is set up; offers follow.
  virtual void on_up(const peer_setup&) {}
  virtual void on_offered(const track_namespace&) {}
  /// The peer asks for this session to end (upper_layer::on_goaway): nothing new is offered in it.
  virtual void on_leave(std::string_view /*uri*/, uint64_t /*timeout_ms*/) {}
  /// Not wanted, or no longer; it is offered again `wait` from now, by on_tick.
  virtual void on_refused(const track_namespace&, const request_error&, std::chrono::milliseconds /*wait*/) {}
};

/// Offers the namespaces of a store to the peer of one session, those that come later too, for as long as they are there [MOQT 10.15]. The
/// peer asks for tracks by itself then. One that it refuses is offered again: after the time that it names, doubled each time from one second
/// to a minute; after a minute if it names none, as what is refused for good may be put right. One thread; the store and the watcher outlive it.
class offering final : public upper_layer {
public:
  /// `under`: only what begins so is offered.
  offering(track_store& store, track_namespace under, offering_watcher& watcher);
  ~offering() override;
  offering(const offering&) = delete;
  offering& operator=(const offering&) = delete;

  /// Its session, before anything happens there.
  void bind(session& s) { session_ = &s; }
  void on_tick(base::mono_time now);
  /// When on_tick must be called at the latest.
  std::optional<base::mono_time> deadline() const;
  /// Namespaces that the peer has accepted.
  size_t accepted() const;

  // upper_layer
  void on_setup(const peer_setup& setup) override;
  void on_closed(uint64_t code, std::string_view reason) override;
  void on_goaway(std::string_view uri, uint64_t timeout_ms) override;
  void on_request_ok(request_id id, const request_ok& m) override;
  void on_request_error(request_id id, const request_error& e) override;
  void on_request_closed(request_id id) override;

private:
  struct offer {
    request_id id = no_request; ///< while it waits: none
    bool accepted = false;
    std::chrono::milliseconds wait{0}; ///< the last one
    std::optional<base::mono_time> again;
  };
  struct store_ear final : store_observer {
    explicit store_ear(offering& to) : home(to) {}
    offering& home;
    void on_track_added(track&, base::mono_time) override {}
    void on_track_removed(track&, base::mono_time) override {}
    void on_namespace(const track_namespace& ns, bool active, base::mono_time now) override;
    void on_store_gone() override { home.store_ = nullptr; }
  };

  void add(const track_namespace& ns);
  void refused(request_id id, const request_error& e);

  track_store* store_; ///< null: it is gone
  track_namespace under_;
  offering_watcher& watcher_;
  session* session_ = nullptr;
  bool up_ = false;
  bool leaving_ = false;
  store_ear ear_{*this};
  std::map<track_namespace, offer> offers_;
};

} // namespace ec::moq
