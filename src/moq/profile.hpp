#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/outcome/basic_result.hpp>

#include "base/byte_io.hpp"
#include "base/bytes.hpp"
#include "moq/message.hpp"

/// The seam between sessions and drafts: a profile knows one draft's bytes, a session none.
namespace ec::moq {

/// Why a decoder gave no value: it needs more bytes, or the peer broke the protocol.
struct wire_stop {
  bool need_more = false;
  uint64_t code = session_code::protocol_violation; ///< the session closes with it, unless need_more
  std::string reason;
};

/// A value, "need more", or a violation with its close code.
template <class T>
using decoded = boost::outcome_v2::basic_result<T, wire_stop, boost::outcome_v2::policy::terminate>;

/// Header of a subgroup stream [MOQT 11.4.2].
struct subgroup_header {
  uint64_t alias = 0;
  uint64_t group = 0;
  std::optional<uint64_t> subgroup; ///< unset: the id of the first object on the stream
  std::optional<uint8_t> priority;  ///< unset: the track's default
  bool has_properties = false;
  bool end_of_group = false; ///< a FIN also ends the group
  bool first_object = false; ///< starts with the subgroup's first object

  bool operator==(const subgroup_header&) const = default;
};

/// Header of a fetch stream [MOQT 11.4.4].
struct fetch_header {
  request_id id = 0;
  bool operator==(const fetch_header&) const = default;
};

/// What a unidirectional stream begins with. The control stream's SETUP is left in the reader: it is a message.
struct control_stream {};
struct padding_stream {};
using uni_header = std::variant<control_stream, subgroup_header, fetch_header, padding_stream>;

/// Header of one object; `properties` are borrowed from the input of the decoder, or from `rewritten`.
struct object_header {
  uint64_t group = 0;    ///< fetch streams only
  uint64_t subgroup = 0; ///< fetch streams only
  uint64_t id = 0;
  uint8_t priority = 128; ///< fetch streams only
  bool datagram = false;  ///< fetch streams only: was published as a datagram
  std::span<const uint8_t> properties;
  base::bytes rewritten; ///< what `properties` lie in, if they stood otherwise on the wire
  uint64_t payload_bytes = 0;
  object_status status = object_status::normal;
};

/// The objects up to here do not exist, or nobody can tell [MOQT 11.4.4.2].
struct fetch_range_end {
  location last;
  bool unknown = false;
};

using fetch_item = std::variant<object_header, fetch_range_end>;

/// What the fields of a fetch stream refer back to. Kept by the caller, one for each stream, changed by the profile.
struct fetch_cursor {
  bool first = true;
  location prior;
  std::optional<uint64_t> subgroup;
  std::optional<uint8_t> priority;
  group_order order = group_order::ascending;
};

/// A datagram's header; what follows it is the payload [MOQT 11.3.1].
struct datagram_header {
  uint64_t alias = 0;
  uint64_t group = 0;
  uint64_t id = 0;
  std::optional<uint8_t> priority;
  bool end_of_group = false;
  object_status status = object_status::normal;
  bool has_payload = true;
  std::span<const uint8_t> properties;
  base::bytes rewritten; ///< as in `object_header`
};
struct padding_datagram {};
using datagram = std::variant<datagram_header, padding_datagram>;

/// What a receiver checks in the properties of an object. A track whose object breaks the rules is malformed [MOQT 12].
struct object_properties {
  bool malformed = false;
  std::optional<uint64_t> prior_group_gap;
  std::optional<uint64_t> prior_object_gap;
};

/// The bytes of one draft's data streams and datagrams. Stateless; every decoder leaves the reader behind what it took, or at its
/// start if it failed. Properties of objects are key-value pairs of draft 18 on our side, whatever the draft: tracks outlive sessions.
class object_codec {
public:
  virtual ~object_codec() = default;

  virtual decoded<uni_header> decode_uni_header(base::byte_reader& in) const = 0;
  virtual std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h) const = 0;
  virtual std::vector<uint8_t> encode_fetch_header(const fetch_header& h) const = 0;

  /// `previous`: id of the object before on this stream.
  virtual decoded<object_header> decode_subgroup_object(base::byte_reader& in, const subgroup_header& h,
                                                        std::optional<uint64_t> previous) const = 0;
  /// Without the payload. Objects with a status other than normal carry no properties.
  virtual std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h,
                                                      std::optional<uint64_t> previous) const = 0;

  virtual decoded<fetch_item> decode_fetch_item(base::byte_reader& in, fetch_cursor& cursor) const = 0;
  virtual std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor) const = 0;

  /// The reader stands at the payload afterwards.
  virtual decoded<datagram> decode_datagram(base::byte_reader& in) const = 0;
  /// Without the payload, which follows if `has_payload`.
  virtual std::vector<uint8_t> encode_datagram(const datagram_header& h) const = 0;
  /// What padding begins with on a stream of its own, or in a datagram; zeros follow. Empty: the draft has none.
  virtual std::vector<uint8_t> encode_padding(bool datagram) const = 0;

  /// Violations are those that close the session; what only makes the track malformed is in the value.
  virtual decoded<object_properties> check_object_properties(std::span<const uint8_t> in) const = 0;

  /// Largest id of a group or an object that can be written.
  virtual uint64_t id_max() const = 0;
};

/// One draft whose requests have a stream each, wholly.
class profile : public object_codec {
public:
  /// Protocol name for ALPN and WebTransport, "moqt-18".
  virtual std::string_view name() const = 0;

  /// One control message at the front of `in`. `on`: the request whose stream it came on, if it is not the first message
  /// of its stream; it decides which parameters may stand in REQUEST_OK and REQUEST_UPDATE. Unset on the control stream.
  virtual decoded<message> decode_control(base::byte_reader& in, std::optional<request_kind> on) const = 0;
  virtual std::vector<uint8_t> encode_control(const message& m) const = 0;
};

/// draft-ietf-moq-transport-18.
const profile& moqt18();
/// Objects of draft-ietf-moq-transport-16; its one control stream is internal/control_mux.hpp.
const object_codec& moqt16_objects();

} // namespace ec::moq
