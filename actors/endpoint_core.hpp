#pragma once

#include <list>
#include <map>
#include <memory>

#include "actors/http_desk.hpp"
#include "actors/machine.hpp"
#include "actors/moq_link.hpp"
#include "actors/net_loop.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/relay_door.hpp"
#include "actors/relaying.hpp"
#include "actors/session_events.hpp"
#include "actors/shown_identity.hpp"
#include "base/limits_webtransport.hpp"
#include "moq/relay.hpp"
#include "moq/track_store.hpp"
#include "quic/endpoint.hpp"
#include "quic/webtransport.hpp"
#include "quic/webtransport_watch.hpp"

namespace ec::actors {

/// What the endpoint actor and the session actors of one loop share: the socket, what is published, and the links of both sides.
/// Touched on the loop's thread only (and before it starts).
class endpoint_core final : public loop_source, public running_loop, public quic::acceptor, public quic::webtransport_acceptor,
                            public std::enable_shared_from_this<endpoint_core> {
public:
  static base::result<std::shared_ptr<endpoint_core>> make(caf::actor_system& sys, quic::endpoint_config config, std::string implementation,
    const machine& on, std::optional<relay_choice> relays = {});
  ~endpoint_core() override;
  /// The core as its users hold it; in_use() as long as a copy is there.
  std::shared_ptr<endpoint_core> lease();

  // running_loop; from any thread
  bool in_use() const override { return !leased_.expired(); }
  void stop_loop() override;

  net_loop& loop() { return *loop_; }
  quic::endpoint& quic() { return *quic_; }
  moq::track_store& store() { return store_; }
  /// Null: it serves only what is published on this node.
  moq::relay* relay() { return relay_.get(); }
  /// Null: everybody may come in.
  const relay_door* door() const { return door_.get(); }
  /// Null: it is no relay. What HTTP clients ask it.
  http_desk* desk() { return desk_.get(); }
  const std::shared_ptr<http_counters>& http() const { return http_; }
  /// Requests for a session by WebTransport that were refused: for their origin, or what they offer.
  uint64_t web_refused() const { return web_refused_; }
  /// The certificate that handshakes are shown now.
  const std::shared_ptr<shown_identity>& identity() const { return identity_; }
  base::result<void> use_identity(std::shared_ptr<const crypto::certificate_pair> identity);
  /// From now on tokens of these keys count, and of no others.
  void use_token_keys(access::token_keys keys);
  const std::string& implementation() const { return implementation_; }
  /// The versions of MoQ that are served, and those that are offered where it dials; the best first.
  const std::vector<std::string>& protocols() const { return protocols_; }
  /// This node in announcements of moq-lite, drawn at its start.
  uint64_t origin_id() const { return origin_id_; }
  size_t served() const { return served_.size(); }
  /// Of the sessions with one relay that this node dials; made at the first call, and stays.
  uplink_status& uplink(const std::string& relay) { return uplinks_[relay]; }
  const std::map<std::string, uplink_status>& uplinks() const { return uplinks_; }
  /// What the sessions that peers opened counted, ended ones too.
  moq::session_counters served_counters() const;
  /// Bytes that peers have not taken yet, over all sessions.
  size_t unsent() const;

  /// A link that an actor dialled: ticked with the others.
  void watch(moq_link& link);
  void forget(moq_link& link);
  /// Takes a link whose owner goes away; null: nothing happens. Its connection is closed with NO_ERROR unless that has begun, and
  /// the link lives until it has.
  void let_go(std::unique_ptr<moq_link> link);

  /// From now on, of sessions that peers open; in place of an older wish.
  void wish(guest_wish wish) { wish_ = std::move(wish); }
  /// No session is heard any more. False while actors that heard one have not ended: the loop is to run on.
  bool end_guests();

  /// No session is taken any more, and all that peers opened are asked to go on at `uri`, or elsewhere if it is empty, within `timeout`, after
  /// which they end; servers that this node dialled are told that it will leave. The number of the sessions that peers opened.
  size_t go_away(const std::string& uri, std::chrono::milliseconds timeout);
  /// Connections that came after that.
  uint64_t turned_away() const { return turned_away_; }

  /// Ends the sessions whose peers would not know from the end of the connection why. True when all of them have ended.
  bool end_web_sessions(uint64_t code, std::string_view reason);

  // quic::acceptor
  quic::connection_events* on_accept(quic::connection& accepted, std::string_view alpn, const quic::socket_address& peer) override;

  void on_certificate_refused(const quic::socket_address& peer, const std::string& subject, const std::string& why) override;

  // quic::webtransport_acceptor
  quic::connection_events* on_session(quic::connection& session, const quic::webtransport_request& request) override;
  void on_gone(quic::webtransport& gone) override;

  // loop_source
  void on_readable(base::mono_time now) override;
  std::optional<base::mono_time> deadline() const override;
  void on_timer(base::mono_time now) override;
  void flush(base::mono_time now) override;

private:
  endpoint_core(caf::actor_system& sys, std::unique_ptr<net_loop> loop, std::string implementation) :
    sys_(sys), loop_(std::move(loop)), implementation_(std::move(implementation)) {}

  /// One session that a peer opened. It serves the store; what the peer offers is wanted if somebody wished for it.
  struct served_session final : moq::upper_layer {
    explicit served_session(endpoint_core& core) : home(core) {}
    endpoint_core& home;
    std::unique_ptr<moq_link> link;
    std::string peer;
    std::string path; ///< over WebTransport, what the peer asked for
    std::string protocol; ///< the version of MoQ
    std::optional<access::admission> admitted; ///< at an endpoint with a door
    bool held = false; ///< it publishes too fast
    bool rate_told = false;
    moq::upper_layer* guest = nullptr; ///< hears what the peer offers
    std::unique_ptr<moq::relay_peer> relayed; ///< the guest, of a relay
    void on_setup(const moq::peer_setup& setup) override;
    void on_goaway(std::string_view uri, uint64_t timeout_ms) override;
    std::optional<moq::request_error> on_authorize(moq::request_id request, const moq::authorization& a) override;
    void on_closed(uint64_t code, std::string_view reason) override;
    void on_subscribe_ok(moq::request_id request, const moq::subscribe_ok& ok) override;
    void on_subgroup_begin(moq::request_id request, uint64_t group, uint64_t subgroup, bool from_start, bool ends_group) override;
    void on_object(moq::request_id request, const moq::object& o) override;
    void on_object_part(moq::request_id request, const moq::object_part& p) override;
    void on_subgroup_end(moq::request_id request, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end_of_group) override;
    void on_request_error(moq::request_id request, const moq::request_error& e) override;
    void on_publish_done(moq::request_id request, uint64_t status, std::string_view reason, uint64_t stream_count) override;
    moq::publish_answer on_publish(moq::request_id request, const moq::publish& m) override;
    void on_fetch_gap(moq::request_id request, moq::location last, bool unknown) override;
    void on_fetch_end(moq::request_id request, std::optional<uint64_t> reset) override;
    std::optional<moq::request_error> on_publish_namespace(moq::request_id request, const moq::track_namespace& ns) override;
    void on_publish_namespace_done(moq::request_id request, const moq::track_namespace& ns) override;
  };

  bool turn_away();
  void ask_to_leave(moq::session& session);
  /// Ends what its token allows no longer.
  void check_access();
  /// Has those wait that publish faster than they may.
  void pace_publishers(base::mono_time now);
  /// A session to which a peer dialled.
  quic::connection_events* serve(quic::connection& accepted, moq::transport_kind transport, const std::string& protocol, const std::string& path);

  caf::actor_system& sys_;
  std::unique_ptr<net_loop> loop_;
  std::weak_ptr<const void> leased_;
  std::string implementation_;
  std::vector<std::string> protocols_;
  uint64_t origin_id_ = 0;
  std::optional<guest_wish> wish_;
  uint32_t guests_ = 0; ///< that ever came
  std::optional<std::string> leaving_; ///< set: sessions are asked to go on there
  base::mono_time leave_by_{};
  uint64_t turned_away_ = 0;
  std::shared_ptr<const int> guest_lives_ = std::make_shared<const int>(); ///< held by each actor that hears a guest
  mutable moq_link::timers timers_; ///< of served_ and dialled_, which they outlive; asked again while the loop asks for the deadline
  moq::track_store store_; // outlives the sessions that read it
  std::unique_ptr<moq::relay_watcher> watcher_;
  std::unique_ptr<moq::relay> relay_; // as well
  std::unique_ptr<relay_door> door_; // as well
  std::shared_ptr<http_counters> http_ = std::make_shared<http_counters>();
  std::unique_ptr<http_desk> desk_; ///< reads the store by way of the relay
  std::shared_ptr<shown_identity> identity_ = std::make_shared<shown_identity>();
  std::list<served_session> served_;
  std::list<served_session> gone_; ///< destroyed at the end of the turn, never within their own callback
  moq::session_counters ended_; ///< what sessions counted that are no longer in served_
  std::list<std::unique_ptr<quic::webtransport>> webs_; ///< below served_
  std::vector<std::string> origins_; ///< pages that may open a session; empty: any
  uint64_t web_refused_ = 0;         ///< by connections that are gone
  quic::webtransport_watch no_session_yet_{base::limits::webtransport_session_wait}; ///< of webs_
  std::list<std::unique_ptr<quic::webtransport>> gone_webs_; ///< destroyed at the end of the turn
  std::vector<moq_link*> dialled_;
  std::map<std::string, uplink_status> uplinks_;
  std::list<std::unique_ptr<moq_link>> orphans_;
  std::list<std::unique_ptr<moq_link>> dead_; ///< destroyed at the end of the turn
  std::unique_ptr<quic::endpoint> quic_;
};

} // namespace ec::actors
