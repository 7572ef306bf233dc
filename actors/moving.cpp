#include "actors/moving.hpp"

#include <algorithm>

#include "access/admission.hpp"
#include "quic/redirect.hpp"

namespace ec::actors {
namespace {

class place_finder final : public caf::event_based_actor {
public:
  place_finder(caf::actor_config& cfg, session_peer peer, machine on, place_hearer to) :
    caf::event_based_actor(cfg), peer_(std::move(peer)), on_(std::move(on)), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    send(this, start_atom::value);
    return {[this](start_atom) {
      const auto found = look_up(peer_, on_);
      caf::anon_send(to_, found ? found_place{found.value(), {}} : found_place{{}, found.error().message()});
      to_ = nullptr;
      quit();
    }};
  }
  void on_exit() override { to_ = nullptr; }

private:
  session_peer peer_;
  machine on_;
  place_hearer to_;
};

} // namespace

base::result<session_peer> moved_peer(const session_peer& current, std::string_view uri, const move_rules& rules) {
  EC_TRY(auto address, quic::follow_redirect(current.address, uri));
  auto out = current;
  if (address.authority() == current.address.authority()) {
    address.pin = current.address.pin;
    out.address = std::move(address);
    return out;
  }
  const auto known = std::ranges::find(rules.known, address.authority(), [](const session_peer& p) { return p.address.authority(); });
  if (known != rules.known.end()) {
    out = *known;
    out.moves = current.moves;
    return out;
  }
  out.at.reset();
  const bool by_pin = current.address.pin || rules.unpinned.how == quic::client_verification::method::insecure;
  if (!by_pin) address.pin.reset();
  out.verification = address.pin ? quic::client_verification::pinned(*address.pin) : rules.unpinned;
  out.address = std::move(address);
  return out;
}

next_place place_after(const session_peer& current, std::string_view uri, moq::move_budget& budget, base::mono_time now) {
  next_place out{current, false, {}};
  if (!uri.empty() && !current.moves) out.refused = "sessions stay with this relay";
  else if (!budget.take(now)) out.refused = "it was moved too often within a minute";
  if (uri.empty() || !out.refused.empty()) return out;
  auto found = moved_peer(current, uri, *current.moves);
  if (!found) {
    out.refused = found.error().message();
    return out;
  }
  out.elsewhere = found.value().address != current.address;
  out.peer = std::move(found).value();
  return out;
}

void let_move(std::vector<session_peer>& peers, const quic::client_verification& unpinned) {
  const auto rules = std::make_shared<const move_rules>(move_rules{peers, unpinned});
  for (auto& peer : peers) peer.moves = rules;
}

session_peer dial_places::next() {
  const std::lock_guard lock(mutex_);
  auto out = places_[at_];
  at_ = (at_ + 1) % places_.size();
  return out;
}

void dial_places::up(const session_peer& at) {
  const std::lock_guard lock(mutex_);
  places_.erase(places_.begin(), places_.end() - 1);
  if (at.address != places_.back().address) places_.insert(places_.begin(), at);
  at_ = 0;
}

void look_up_for(caf::actor_system& sys, const session_peer& peer, const machine& on, place_hearer to) {
  spawn_at<place_finder>(sys, on.blocking, peer, on, std::move(to));
}

std::string shown(const session_peer& peer) {
  auto address = peer.address;
  address.path = access::path_without_secrets(address.path);
  return address.to_string();
}

} // namespace ec::actors
