#include "discovery/dht.hpp"

#include <algorithm>
#include <exception>
#include <set>
#include <span>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/disabled_disk_io.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/session_stats.hpp>

#include "base/limits_carriers.hpp"
#include "crypto/digest.hpp"

namespace ec::discovery {
namespace {

namespace lt = libtorrent;
using pack = lt::settings_pack;
using base::errc, base::fail;

lt::sha1_hash hash_of(const dht_key& key) {
  return lt::sha1_hash(reinterpret_cast<const char*>(key.data()));
}

dht_key key_of(const lt::sha1_hash& hash) {
  dht_key out;
  std::copy(hash.begin(), hash.end(), out.begin());
  return out;
}

found_peer peer_of(const lt::address& host, uint16_t port) {
  const auto text = host.to_string();
  const auto tail = ":" + std::to_string(port);
  if (host.is_v4()) return {text + tail, globally_reachable(host.to_v4().to_bytes(), port)};
  return {"[" + text + "]" + tail, globally_reachable(host.to_v6().to_bytes(), port)};
}

/// A DHT node and nothing else: no torrents, no connections, no mapping of ports.
pack settings_of(const dht_config& config) {
  pack s;
  for (const int off : {int{pack::enable_incoming_tcp}, int{pack::enable_outgoing_tcp}, int{pack::enable_incoming_utp}, int{pack::enable_outgoing_utp},
         int{pack::enable_lsd}, int{pack::enable_upnp}, int{pack::enable_natpmp}, int{pack::listen_system_port_fallback}})
    s.set_bool(off, false);
  s.set_bool(pack::enable_dht, true);
  s.set_str(pack::listen_interfaces, config.listen.empty() ? "0.0.0.0:0,[::]:0" : config.listen);
  s.set_int(pack::max_retry_port_bind, 0);
  s.set_int(pack::stop_tracker_timeout, 0);
  s.set_int(pack::alert_mask, static_cast<int>(static_cast<uint32_t>(lt::alert_category::dht | lt::alert_category::dht_operation | lt::alert_category::error)));
  if (!config.is_private()) return s;
  // The rules of the public network that a small one breaks: one node an address, ids made from addresses, few packets of one address.
  for (const int off : {int{pack::dht_restrict_routing_ips}, int{pack::dht_restrict_search_ips}, int{pack::dht_enforce_node_id},
         int{pack::dht_prefer_verified_node_ids}, int{pack::dht_ignore_dark_internet}})
    s.set_bool(off, false);
  s.set_int(pack::dht_block_ratelimit, 1000);
  s.set_str(pack::dht_bootstrap_nodes, "");
  return s;
}

class mainline final : public dht_network {
public:
  explicit mainline(const dht_config& config) : bootstrap_(config.bootstrap), session_(params_of(config)) { greet(); }

  void announce(const dht_key& key, uint16_t port) override { session_.dht_announce(hash_of(key), port); }

  void look_for(const dht_key& key) override {
    if (wanted_.size() < base::limits::dht_streams_max) wanted_.insert(key);
    session_.dht_get_peers(hash_of(key));
  }

  void forget(const dht_key& key) override { wanted_.erase(key); }

  void greet() override {
    for (const auto& b : bootstrap_) session_.add_dht_node({b.host, b.port});
  }

  std::vector<dht_found> take() override {
    std::vector<lt::alert*> alerts;
    session_.pop_alerts(&alerts);
    std::vector<dht_found> out;
    size_t room = base::limits::dht_peers_per_look_max;
    const auto found = [&](const lt::sha1_hash& under, std::vector<found_peer> peers) {
      if (!wanted_.contains(key_of(under))) return;
      if (peers.size() > room) peers.resize(room);
      room -= peers.size();
      if (!peers.empty()) out.push_back({key_of(under), std::move(peers)});
    };
    for (const auto* a : alerts) {
      if (const auto* reply = lt::alert_cast<lt::dht_get_peers_reply_alert>(a)) {
        std::vector<found_peer> peers;
        for (const auto& p : reply->peers()) peers.push_back(peer_of(p.address(), p.port()));
        found(reply->info_hash, std::move(peers));
      } else if (const auto* said = lt::alert_cast<lt::dht_announce_alert>(a)) {
        // Who announces to this node is found without asking the others; of two nodes, one is told by the other only so.
        if (said->port > 0 && said->port <= 0xffff) found(said->info_hash, {peer_of(said->ip, static_cast<uint16_t>(said->port))});
      } else if (const auto* stats = lt::alert_cast<lt::session_stats_alert>(a)) {
        const auto values = stats->counters();
        const auto value = [&](int at) { return at < 0 ? 0 : static_cast<uint64_t>(std::max<int64_t>(values[at], 0)); };
        counters_.nodes = value(nodes_at_);
        counters_.bytes_in = value(in_at_);
        counters_.bytes_out = value(out_at_);
      } else if (const auto* refused = lt::alert_cast<lt::listen_failed_alert>(a)) {
        counters_.fault = "cannot listen on " + refused->address.to_string() + ":" + std::to_string(refused->port) + ": " + refused->error.message();
      }
    }
    session_.post_session_stats(); // for the next time
    return out;
  }

  void wait(std::chrono::milliseconds most) override { session_.wait_for_alert(most); }

  const dht_counters& counters() const override { return counters_; }

  std::string state() const override {
    const auto kept = lt::session_handle::save_dht_state;
    const auto buffer = lt::write_session_params_buf(session_.session_state(kept), kept);
    return {buffer.begin(), buffer.end()};
  }

private:
  static lt::session_params params_of(const dht_config& config) {
    lt::session_params p;
    if (!config.state.empty() && config.state.size() <= base::limits::dht_state_bytes_max) {
      try {
        p = lt::read_session_params(lt::span<const char>(config.state.data(), static_cast<std::ptrdiff_t>(config.state.size())), lt::session_handle::save_dht_state);
      } catch (const std::exception&) {
        p = {}; // it joins as at its first start
      }
    }
    p.settings = settings_of(config);
    p.disk_io_constructor = lt::disabled_disk_io_constructor;
    return p;
  }

  std::vector<net::host_port> bootstrap_;
  std::set<dht_key> wanted_;
  dht_counters counters_;
  int nodes_at_ = lt::find_metric_idx("dht.dht_nodes");
  int in_at_ = lt::find_metric_idx("dht.dht_bytes_in");
  int out_at_ = lt::find_metric_idx("dht.dht_bytes_out");
  lt::session session_;
};

} // namespace

dht_key dht_key_of(std::string_view stream_key) {
  const auto digest = crypto::hasher().update(stream_key).finish();
  dht_key out;
  std::copy_n(digest.bytes.begin(), out.size(), out.begin());
  return out;
}

base::result<net::host_port> parse_bootstrap(std::string_view text) {
  EC_TRY(auto at, net::parse_host_port(text));
  if (at.port == 0 || at.host.empty()) return fail(errc::malformed, "expected HOST:PORT", std::string(text));
  return at;
}

base::result<std::unique_ptr<dht_network>> join_dht(const dht_config& config) {
  if (!config.listen.empty())
    if (const auto at = net::parse_host_port(config.listen); !at) return fail(errc::config, at.error().text, config.listen);
  try {
    return std::make_unique<mainline>(config);
  } catch (const std::exception& e) {
    return fail(errc::io, e.what(), "the DHT");
  }
}

} // namespace ec::discovery
