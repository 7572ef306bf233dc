#include "actors/relaying.hpp"

#include "base/log.hpp"
#include "crypto/digest.hpp"

namespace ec::actors {
namespace {

class relay_reporter final : public moq::relay_watcher {
public:
  explicit relay_reporter(observer_actor observer) : observer_(std::move(observer)) {}

  void on_offer(std::string_view peer, const moq::track_namespace& ns, bool active) override {
    tell(active ? "offered" : "withdrawn", {{"peer", std::string(peer)}, {"namespace", moq::to_string(ns)}});
  }
  void on_track_up(const moq::full_track_name& name, std::string_view peer) override {
    tell("track-up", {{"track", moq::to_string(name)}, {"peer", std::string(peer)}});
  }
  void on_track_lost(const moq::full_track_name& name, std::string_view reason) override {
    tell("track-lost", {{"track", moq::to_string(name)}, {"reason", std::string(reason)}});
  }
  void on_track_resumed(const moq::full_track_name& name, std::string_view peer) override {
    tell("track-resumed", {{"track", moq::to_string(name)}, {"peer", std::string(peer)}});
  }
  void on_track_down(const moq::full_track_name& name, std::string_view reason) override {
    tell("track-down", {{"track", moq::to_string(name)}, {"reason", std::string(reason)}});
  }
  void on_conflict(const moq::relay_conflict& c) override {
    tell("relay-conflict", {{"track", moq::to_string(c.track)}, {"group", int64_t(c.at.group)}, {"object", int64_t(c.at.object)}, {"peer", c.from},
      {"kept", crypto::blake3(c.kept).hex()}, {"other", crypto::blake3(c.other).hex()}});
  }

  void on_false(const moq::full_track_name& name, std::string_view peer, std::string_view why) override {
    tell("relay-false", {{"track", moq::to_string(name)}, {"peer", std::string(peer)}, {"reason", std::string(why)}});
  }
  void on_publisher_ended(const moq::full_track_name& name, std::string_view peer, std::string_view why) override {
    tell("publisher-ended", {{"track", moq::to_string(name)}, {"peer", std::string(peer)}, {"reason", std::string(why)}});
  }

private:
  void tell(std::string event, base::json::object fields) {
    if (observer_) caf::anon_send(observer_, report{std::move(event), std::move(fields)});
  }

  observer_actor observer_;
};

} // namespace

std::unique_ptr<moq::relay_watcher> report_relaying(observer_actor observer) {
  return std::make_unique<relay_reporter>(std::move(observer));
}

} // namespace ec::actors
