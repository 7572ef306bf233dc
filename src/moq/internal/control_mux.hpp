#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.hpp"
#include "moq/internal/moqt16.hpp"
#include "moq/internal/request_ids.hpp"
#include "moq/internal/stream_buffer.hpp"
#include "moq/layers.hpp"
#include "moq/session.hpp"

namespace ec::moq {

/// The control stream of draft 16, below a session whose every request has a stream of its own: it gives the session virtual request
/// streams and turns what it says on them into messages with request ids, and back [ADR 15]. UNSUBSCRIBE and its kin are the end of a
/// virtual stream, MAX_REQUEST_ID is the credit for them. Data streams pass, but for the request id of a fetch: ids of the session and
/// of the wire differ, as those of the wire must follow one another. Bounded by the peer's request ids, which it grants.
class control_mux final : public lower_layer {
public:
  /// What came for the session, in order.
  struct arrival {
    enum class kind : uint8_t { control, message, fin, reset } what;
    uint64_t stream = 0; ///< virtual; none for control
    message body;        ///< control, message
    size_t bytes = 0;    ///< message: that it took on the wire
  };

  control_mux(lower_layer& below, session_role role, size_t requests_max);

  lower_layer& below() { return below_; }

  // From the session.
  std::optional<uint64_t> open_uni() override;
  std::optional<uint64_t> open_bidi() override;
  /// A message on a virtual stream, or on the session's control stream.
  void send(uint64_t stream, const message& m, bool fin);
  void write(uint64_t stream, base::bytes data, bool fin) override;
  void set_priority(uint64_t stream, uint64_t urgency) override;
  void reset(uint64_t stream, uint64_t code) override;
  void stop_sending(uint64_t stream, uint64_t code) override;
  size_t unsent(uint64_t stream) const override { return is_virtual(stream) ? 0 : below_.unsent(stream); }
  void close(uint64_t code, std::string_view reason) override { below_.close(code, reason); }
  bool early() const override { return below_.early(); }
  size_t datagram_bytes_max() const override { return below_.datagram_bytes_max(); }
  bool send_datagram(base::bytes data) override { return below_.send_datagram(std::move(data)); }
  void deadline_moved() override { below_.deadline_moved(); }

  // From below.
  void on_bidi_data(uint64_t stream, base::bytes data, bool fin);
  void on_bidi_reset(uint64_t stream);
  void on_bidi_stop(uint64_t stream, uint64_t code);
  void on_streams_available();
  /// What the session gets of data on a unidirectional stream of the peer, now; nothing while its head is not whole.
  std::optional<base::bytes> pass_uni(uint64_t stream, base::bytes data, bool fin);
  void forget_uni(uint64_t stream);

  /// Streams of which a part is held, but for the control stream, and how much.
  std::vector<std::pair<uint64_t, size_t>> parts() const;
  /// Stops such a stream: it was too much.
  void stop_part(uint64_t stream);
  /// Bytes that the table of requests takes, about.
  size_t table_bytes() const { return (requests_.size() + bidis_.size()) * 512; }
  /// Bytes held of messages on the control stream, and of streams whose head is not whole.
  size_t held_bytes() const;

  /// The next arrival; the session takes all of them before it returns to below.
  std::optional<arrival> next();
  /// True if there is one. A request that waits for the handshake is none before, and neither is what came behind it.
  bool waiting() const;
  /// True once each time that the peer allowed more requests.
  bool more_requests() { return std::exchange(more_requests_, false); }
  /// Why the session must close, when nothing is left to take.
  const std::optional<wire_stop>& broken() const { return broken_; }

  /// Codes of RESET_STREAM and STOP_SENDING on data streams, which differ in one place [MOQT 16 13.4.4].
  static uint64_t code_in(uint64_t code);
  static uint64_t code_out(uint64_t code);

private:
  using type = moqt16_wire::type;
  using control_message = moqt16_wire::control_message;

  struct request {
    request_kind kind = request_kind::subscribe;
    bool ours = false;
    uint64_t wire = 0;  ///< its id on the wire
    uint64_t inner = 0; ///< and in the session
    bool answered = false;
    bool joinable = false;           ///< SUBSCRIBE of ours: from the largest object on
    bool peer_done = false;          ///< the session knows, or will, that the peer ended it
    std::deque<uint64_t> to_answer;  ///< ids of the peer's updates
    std::vector<uint64_t> updates;   ///< ids of ours
    std::vector<message> held;       ///< answers to updates that overtook the request's own
    // Updates of ours that wait for an id, as one.
    std::optional<parameters> unsent;
    size_t unsent_count = 0;
    // SUBSCRIBE_NAMESPACE, on a stream of its own.
    std::optional<uint64_t> real;
    std::optional<control_message> waits; ///< its first message, until there is a stream, and an id
    std::optional<uint64_t> twin;    ///< the peer asked for namespaces and tracks in one
    bool second = false;             ///< of the twins, the one without an id of its own
    std::vector<uint8_t> after_ok;   ///< what follows the answer that waits for the twin's
  };
  struct update {
    uint64_t stream = 0;
    size_t count = 1; ///< updates of the session that went as one
  };
  struct bidi {
    enum class kind : uint8_t { unknown, control, request, over } what = kind::unknown;
    uint64_t request = 0; ///< virtual stream
    stream_buffer in;
    bool ended = false;
  };

  static bool is_virtual(uint64_t stream) { return (stream >> 63) != 0; }
  static bool has_stream(request_kind k) { return k == request_kind::subscribe_namespace || k == request_kind::subscribe_tracks; }
  uint64_t own_bit() const { return server_ ? 1 : 0; }
  bool is_own_id(uint64_t id) const { return (id & 1) == own_bit(); }

  // control_mux.cpp: what the session says
  void put(const control_message& m);
  void put_on(uint64_t real, const control_message& m);
  void reply(const request& r, const control_message& m);
  std::vector<uint8_t> bytes_of(const control_message& m);
  void put_control(const message& m);
  void begin(uint64_t stream, const message& m);
  std::optional<request_error> cannot_fetch(const moq::fetch& m) const;
  void number(uint64_t stream, request& r, control_message& m);
  void say(uint64_t stream, request& r, const message& m);
  void say_ok(request& r, const request_ok& m);
  void say_error(request& r, const request_error& m);
  void answer_twin(request& r, const request_ok& m);
  void say_update(uint64_t stream, request& r, const parameters& p);
  void send_update(uint64_t stream, request& r, const parameters& p, size_t count);
  void flush_updates();
  void blocked();
  void open_waiting();
  void end(uint64_t stream, std::optional<uint64_t> reset);
  void say_end(request& r, uint64_t code);
  void close_real(request& r, std::optional<uint64_t> reset);
  void forget(uint64_t stream, request& r);
  void grant();
  void error_to(uint64_t id, uint64_t code, std::string reason);

  // control_mux_in.cpp: what the peer says
  void read(uint64_t stream);
  bool first_message(uint64_t stream, bidi& b, const control_message& m);
  void take_control(control_message m);
  void take_setup(control_message& m);
  void take_request(control_message& m);
  void take_namespaces(uint64_t stream, bidi& b, const control_message& m);
  void take_update(control_message& m);
  void take_answer(control_message& m);
  void take_end(const control_message& m);
  void take_on_request(bidi& b, control_message& m);
  void answered(uint64_t stream, request& r, control_message& m);
  void stream_ended(bidi& b, bool reset);
  bool take_id(uint64_t id);
  uint64_t new_stream(request r);
  bool existed(uint64_t id) const { return is_own_id(id) ? id < next_wire_ : id < peer_ids_.next(); }
  request* named(uint64_t id, uint64_t* stream = nullptr);
  uint64_t inner_of(uint64_t wire) const;
  size_t message_bytes_ = 0; ///< of the one under way
  void arrive(arrival::kind what, uint64_t stream, message body = {});
  void violation(std::string reason, uint64_t code = session_code::protocol_violation);

  lower_layer& below_;
  bool server_;
  size_t window_; ///< ids that the peer has beyond those of its requests that are over
  std::deque<arrival> arrivals_;
  std::optional<wire_stop> broken_;
  bool more_requests_ = false;

  std::optional<uint64_t> control_out_;  ///< the session's, virtual
  std::optional<uint64_t> control_;      ///< the stream
  std::vector<uint8_t> control_waiting_; ///< a server's, until the stream is there
  bool ready_ = false;                   ///< the peer's setup came

  uint64_t next_stream_ = 0; ///< of the virtual ones
  uint64_t next_wire_;
  uint64_t next_inner_;     ///< of the peer's requests
  uint64_t peer_max_ = 0;   ///< below which our ids must be
  uint64_t granted_;        ///< below which the peer's must be
  uint64_t over_ = 0;       ///< requests and updates of the peer that are over
  std::optional<uint64_t> blocked_at_;
  request_ids peer_ids_;
  uint64_t control_floor_ = 0; ///< ids on the control stream only rise
  std::optional<uint64_t> opened_; ///< virtual, without a message yet

  std::unordered_map<uint64_t, request> requests_; ///< by virtual stream
  std::unordered_map<uint64_t, uint64_t> by_wire_, by_inner_;
  std::unordered_map<uint64_t, update> updates_;   ///< ours, by their id
  std::unordered_map<uint64_t, bidi> bidis_;
  std::optional<uint64_t> fresh_uni_; ///< ours, without a byte yet
  std::unordered_map<uint64_t, std::vector<uint8_t>> heads_; ///< of the peer's streams, not whole yet
  std::unordered_set<uint64_t> passed_;                      ///< streams of the peer whose head was seen
};

} // namespace ec::moq
