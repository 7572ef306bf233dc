#include "actors/dht_carrier.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "actors/control_listener.hpp"
#include "base/file.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "discovery/peer_book.hpp"
#include "quic/address.hpp"

namespace ec::actors {
namespace {

using namespace std::chrono_literals;
namespace limits = base::limits;
using std::chrono::milliseconds;

constexpr milliseconds look_every{250};
constexpr milliseconds greet_every{2'000};      ///< while nobody answers; then each minute, so that two halves of a network find each other
constexpr milliseconds unreachable_after{10'000};
constexpr milliseconds announce_first{1'000};   ///< said again after this: the first nodes that are known are not the nearest
constexpr milliseconds announce_every{600'000}; ///< what is said holds half an hour
constexpr milliseconds seek_first{4'000};       ///< a stream without a source is looked for so often at first,
constexpr milliseconds seek_first_private{1'000};
constexpr unsigned seeks_first = 20;            ///< so many times,
constexpr milliseconds seek_every{60'000};      ///< and then less and less, down to this; one with a source also
constexpr milliseconds save_every{600'000};

using dht_actor = carrier_actor::extend<caf::replies_to<session_event>::with<edge_credit>>;

class dht_reader final : public dht_actor::base {
public:
  dht_reader(caf::actor_config& cfg, dht_carrier_config config, std::unique_ptr<discovery::dht_network> network, announcement_sink_actor sink, observer_actor observer) :
    dht_actor::base(cfg), config_(std::move(config)), network_(std::move(network)), sink_(std::move(sink)), observer_(std::move(observer)),
    book_({.anybody = !config_.network.is_private()}), listener_(this) {
    status_.by = discovery::carrier_kind::dht;
    status_.name = config_.network.is_private() ? "dht (private)" : "dht";
  }

  behavior_type make_behavior() override {
    began_ = clock().now();
    greet_at_ = began_ + greet_every;
    save_at_ = began_ + save_every;
    delayed_send(this, look_every, tick_atom::value);
    return {
      [this](const carried_announcement& c) { carry(c); },
      [this](const wanted_stream& w) { want(w.stream_id); },
      [this](status_atom) { return status_; },
      [this](tick_atom) {
        look(clock().now());
        delayed_send(this, look_every, tick_atom::value);
      },
      [this](stop_atom) {
        save();
        quit();
      },
      [this](const session_event& e) { return on(e); },
    };
  }

  void on_exit() override {
    for (const auto& [unused, l] : links_) anon_send_exit(l.session, caf::exit_reason::user_shutdown);
    links_.clear();
    listener_.release([](uint32_t, const session_actor&) {});
    network_.reset();
    sink_ = nullptr;
    observer_ = nullptr;
    config_ = {};
  }

private:
  struct link {
    std::string address;
    caf::actor session;
  };

  struct announcing {
    uint16_t port = 0;
    base::mono_time next{};
    milliseconds wait = announce_first;
  };

  struct seeking {
    discovery::dht_key under{};
    base::mono_time next{};
    unsigned count = 0;
    milliseconds wait{};
  };

  /// A public network is not to be pressed for what takes it seconds to answer.
  seeking seeking_from(const discovery::dht_key& under, base::mono_time now) const {
    return {under, now, 0, config_.network.is_private() ? seek_first_private : seek_first};
  }

  static std::set<std::string> keys_of(const discovery::announcement& a) {
    std::set<std::string> out(a.aliases.begin(), a.aliases.end());
    out.insert(std::string(a.stream_id.key()));
    return out;
  }

  /// Only what this node has itself: of others the network knows their own word.
  void carry(const carried_announcement& c) {
    if (c.from.by != discovery::carrier_kind::self) return;
    const auto& a = *c.what;
    uint16_t port = 0;
    for (const auto& t : a.transports)
      if (const auto* direct = std::get_if<discovery::direct_transport>(&t))
        if (const auto at = quic::endpoint_address::parse(direct->address)) {
          port = at.value().port;
          break;
        }
    for (const auto& key : keys_of(a)) {
      auto& by_stream = own_[key];
      if (port == 0) by_stream.erase(a.stream_id.text()); // withdrawn, or only a relay has it: nobody could be asked here
      else if (by_stream[a.stream_id.text()].port != port) by_stream[a.stream_id.text()] = {port, clock().now()};
      if (by_stream.empty()) own_.erase(key);
    }
  }

  void want(const std::string& stream) {
    const auto id = identity::stream_id::parse(stream);
    if (!id) return;
    const std::string key(id.value().key());
    if (!book_.want(key, clock().now())) {
      if (!std::exchange(full_told_, true))
        base::log::warn("dht_carrier", "too-many-streams", {{"stream_id", stream}, {"reason", "at most " + std::to_string(limits::dht_streams_max) + " are looked for at once"}});
      return;
    }
    if (!seeking_.contains(key)) seeking_[key] = seeking_from(discovery::dht_key_of(key), clock().now());
  }

  void look(base::mono_time now) {
    hear_of_peers(now);
    watch_network(now);
    if (now >= greet_at_) {
      network_->greet();
      greet_at_ = now + (reachable_ ? seek_every : greet_every);
    }
    if (reachable_) {
      announce(now);
      seek(now);
    }
    if (now >= save_at_) {
      save();
      save_at_ = now + save_every;
    }
    auto due = book_.look(now);
    for (const auto& address : due.leave)
      if (const auto at = dialled_.extract(address)) {
        listener_.forget(at.mapped());
        end_link(at.mapped());
      }
    for (const auto& address : due.dial) dial(address);
    if (now >= listen_at_) {
      listener_.look();
      listen_at_ = now + greet_every;
    }
    status_.faults = book_.count().fruitless;
  }

  void hear_of_peers(base::mono_time now) {
    for (const auto& found : network_->take())
      for (const auto& [key, s] : seeking_)
        if (s.under == found.under)
          for (const auto& peer : found.peers) book_.found(key, peer, now);
    const auto& counters = network_->counters();
    status_.bytes_out = counters.bytes_out;
    status_.bytes_in = counters.bytes_in + announcement_bytes_;
  }

  /// Tells once that nobody answers, and once that somebody does.
  void watch_network(base::mono_time now) {
    const auto& counters = network_->counters();
    const bool answers = counters.nodes > 0;
    if (answers && !reachable_) {
      for (auto& [unused, streams] : own_)
        for (auto& [stream, a] : streams) a = {a.port, now};
      for (auto& [unused, s] : seeking_) s = seeking_from(s.under, now);
      status_.fault.clear();
      if (observer_) send(observer_, report{"dht-reachable", {{"carrier", status_.name}, {"nodes", counters.nodes}}});
    }
    if (answers) answered_ = now;
    reachable_ = answers;
    if (answers || !status_.fault.empty() || now - std::max(began_, answered_) < unreachable_after) return;
    status_.fault = !counters.fault.empty() ? counters.fault : config_.network.is_private()
        ? "no node that --dht-bootstrap names answers: is one up, and UDP open both ways?"
        : "no node of the public network answers: is UDP open both ways, and does DNS work? Without it, --dht-bootstrap names nodes of a private one";
    base::log::warn("dht_carrier", "dht-unreachable", {{"reason", status_.fault}});
    if (observer_) send(observer_, report{"dht-unreachable", {{"carrier", status_.name}, {"reason", status_.fault}}});
  }

  void announce(base::mono_time now) {
    for (auto& [key, streams] : own_) {
      std::set<uint16_t> said; // several profiles of a broadcast have one key
      for (auto& [unused, a] : streams) {
        if (now < a.next) continue;
        if (said.insert(a.port).second) network_->announce(discovery::dht_key_of(key), a.port);
        ++status_.sent;
        a.next = now + a.wait;
        a.wait = std::min(2 * a.wait, announce_every);
      }
    }
  }

  void seek(base::mono_time now) {
    for (auto at = seeking_.begin(); at != seeking_.end();) {
      auto& [key, s] = *at;
      if (!book_.wanted(key)) {
        network_->forget(s.under);
        at = seeking_.erase(at);
        continue;
      }
      ++at;
      if (now < s.next) continue;
      network_->look_for(s.under);
      if (++s.count >= seeks_first) s.wait = std::min(2 * s.wait, seek_every);
      s.next = now + (book_.useful_now(key, now) > 0 ? seek_every : s.wait);
    }
  }

  void dial(const std::string& address) {
    const auto where = quic::endpoint_address::parse(address);
    const auto at = quic::socket_address::parse(address);
    if (!where || !at) return;
    session_dial dial{.address = where.value(), .peer = at.value()};
    // The network names no key. What is taken from here proves itself, and brings the pin by which the stream is fetched.
    dial.verification = quic::client_verification::insecure();
    dial.keep_alive = control_keep_alive;
    dial.source = next_link_++;
    auto self = caf::actor_cast<session_sink_actor>(this);
    links_[dial.source] = {address, config_.dial ? config_.dial(system(), dial, self) : caf::actor_cast<caf::actor>(spawn_session(system(), config_.endpoint, dial, self))};
    dialled_[address] = dial.source;
  }

  void end_link(uint32_t id) {
    if (const auto at = links_.extract(id)) anon_send_exit(at.mapped().session, caf::exit_reason::user_shutdown);
  }

  caf::result<edge_credit> on(const session_event& e) {
    const auto link = links_.find(e.source);
    if (link == links_.end()) return edge_credit{}; // was left, and had something on its way
    const auto address = link->second.address;
    const bool said_something = listener_.on(e) != nullptr;
    if (e.what == session_event::kind::down) book_.lost(address, clock().now());
    if (!said_something) return edge_credit{};
    ++status_.heard;
    announcement_bytes_ += e.object.payload.size();
    const auto said = e.object.payload.size() <= limits::announcement_bytes_max
      ? discovery::decode(e.object.payload.text()) : base::result<discovery::announcement>(base::fail(base::errc::too_large, "an announcement"));
    if (!said) {
      // Of a newer version it may well be; then another will do.
      book_.useless(address, clock().now());
      return edge_credit{};
    }
    // It was asked for some streams, and may speak of those only: a stranger's word on others would fill the table.
    const auto keys = keys_of(said.value());
    if (std::ranges::none_of(keys, [&](const std::string& k) { return book_.wanted(k); })) return edge_credit{};
    return listener_.judge(sink_, {discovery::carrier_kind::dht, address, {e.object.payload}},
      [this, address, ttl = milliseconds(said.value().ttl_ms)](const heard_verdicts& v) {
        using discovery::verdict;
        for (const auto what : v.what) {
          if (what == verdict::added || what == verdict::renewed || what == verdict::duplicate) book_.useful(address, ttl, clock().now());
          if (what == verdict::bad_signature || what == verdict::equivocation) book_.useless(address, clock().now());
        }
      });
  }

  void save() {
    if (config_.state_file.empty() || config_.network.is_private() || !reachable_) return;
    const auto state = network_->state();
    if (state.empty() || state.size() > limits::dht_state_bytes_max) return;
    if (const auto kept = base::write_file_atomic(config_.state_file.string(), base::as_span(state), 0600, base::durability::process, *config_.on.disk); !kept)
      base::log::warn("dht_carrier", "state-not-kept", {{"reason", kept.error().message()}});
  }

  dht_carrier_config config_;
  std::unique_ptr<discovery::dht_network> network_;
  announcement_sink_actor sink_;
  observer_actor observer_;
  carrier_status status_;
  discovery::peer_book book_;
  control_listener<dht_reader> listener_;
  std::map<std::string, std::map<std::string, announcing>> own_; ///< stream key -> stream id -> where it is
  std::map<std::string, seeking> seeking_;                       ///< by stream key
  std::map<std::string, uint32_t> dialled_;                      ///< address -> its number among the links
  std::map<uint32_t, link> links_;
  uint32_t next_link_ = 0;
  base::mono_time began_{}, answered_{}, greet_at_{}, save_at_{}, listen_at_{};
  uint64_t announcement_bytes_ = 0;
  bool reachable_ = false;
  bool full_told_ = false;
};

} // namespace

carrier_spec dht_carrier(dht_carrier_config config, observer_actor observer) {
  return {"dht", [config = std::move(config), observer = std::move(observer)](caf::actor_system& sys, announcement_sink_actor sink) -> base::result<carrier_actor> {
            auto joining = config;
            if (!config.state_file.empty() && !config.network.is_private())
              if (auto kept = base::read_file(config.state_file.string(), limits::dht_state_bytes_max)) joining.network.state.assign(kept.value().begin(), kept.value().end());
            EC_TRY(auto network, config.join(joining.network));
            return caf::actor_cast<carrier_actor>(spawn_at<dht_reader>(sys, config.on.blocking, config, std::move(network), std::move(sink), observer));
          }};
}

} // namespace ec::actors
