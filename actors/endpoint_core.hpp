#pragma once

#include <list>
#include <memory>

#include "actors/machine.hpp"
#include "actors/moq_link.hpp"
#include "actors/net_loop.hpp"
#include "moq/track_store.hpp"
#include "quic/endpoint.hpp"

namespace ec::actors {

/// What the endpoint actor and the session actors of one loop share: the socket, what is published, and the links of both sides.
/// Touched on the loop's thread only (and before it starts).
class endpoint_core final : public loop_source, public quic::acceptor {
public:
  static base::result<std::shared_ptr<endpoint_core>> make(caf::actor_system& sys, quic::endpoint_config config, std::string implementation,
    const machine& on);
  ~endpoint_core() override;

  net_loop& loop() { return *loop_; }
  quic::endpoint& quic() { return *quic_; }
  moq::track_store& store() { return store_; }
  const std::string& implementation() const { return implementation_; }
  size_t served() const { return served_.size(); }
  /// Bytes that peers have not taken yet, over all sessions that were accepted.
  size_t unsent() const;

  /// A link that an actor dialled: ticked with the others.
  void watch(moq_link& link);
  void forget(moq_link& link);
  /// Keeps a link whose actor is gone until its connection has closed.
  void adopt(std::unique_ptr<moq_link> link);

  // quic::acceptor
  quic::connection_events* on_accept(quic::connection& accepted, std::string_view alpn, const quic::socket_address& peer) override;

  // loop_source
  void on_readable(base::mono_time now) override;
  std::optional<base::mono_time> deadline() const override;
  void on_timer(base::mono_time now) override;
  void flush(base::mono_time now) override;

private:
  endpoint_core(std::unique_ptr<net_loop> loop, std::string implementation) : loop_(std::move(loop)), implementation_(std::move(implementation)) {}

  /// One session that a peer opened. It serves the store; what the peer offers is not wanted here yet.
  struct served_session final : moq::upper_layer {
    std::unique_ptr<moq_link> link;
    std::string peer;
    void on_setup(const moq::peer_setup& setup) override;
    void on_closed(uint64_t code, std::string_view reason) override;
  };

  std::unique_ptr<net_loop> loop_;
  std::string implementation_;
  moq::track_store store_; // outlives the sessions that read it
  std::list<served_session> served_;
  std::list<served_session> gone_; ///< destroyed at the end of the turn, never within their own callback
  std::vector<moq_link*> dialled_;
  std::list<std::unique_ptr<moq_link>> orphans_;
  std::list<std::unique_ptr<moq_link>> dead_; ///< destroyed at the end of the turn
  std::unique_ptr<quic::endpoint> quic_;
};

} // namespace ec::actors
