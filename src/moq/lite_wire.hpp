#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_io.hpp"
#include "moq/profile.hpp"
#include "moq/types.hpp"

/// moq-lite, drafts 03 to 05, as its peers write it [draft-lcurley-moq-lite-05]: messages as values, and their bytes. No state.
namespace ec::moq::lite {

enum class version : uint8_t { v03 = 3, v04 = 4, v05 = 5 };

/// The version of an ALPN or WebTransport protocol, "moq-lite-05"; nothing for other names.
std::optional<version> version_named(std::string_view protocol);
std::string_view name_of(version v);

/// First integer of a bidirectional stream. Who wants something opens it; GOAWAY either side.
enum class bidi_type : uint64_t { announce = 1, subscribe = 2, fetch = 3, probe = 4, goaway = 5, track = 6 };
/// First integer of a unidirectional stream.
enum class uni_type : uint64_t { group = 0, setup = 1 };

/// Codes of resets, STOP_SENDING and of the session's end, as the peers of drafts 03 to 05 use them: one space, which the drafts leave open.
namespace code {
inline constexpr uint64_t cancel = 0, old = 2, timeout = 3, decode = 5, unauthorized = 6, unexpected_stream = 10, duplicate = 12, not_found = 13,
                          protocol_violation = 15, unexpected_message = 16, unsupported = 17, dropped = 24, closed = 25, lagged = 26,
                          frame_too_large = 27, timestamp_mismatch = 29, unroutable = 30, evicted = 31;
}

/// Largest origin id that every peer reads: some count in doubles. 0 stands for "unknown".
inline constexpr uint64_t origin_max = (uint64_t{1} << 53) - 1;
/// Largest timestamp of a frame, in units of its track's timescale: its zigzag form still is an integer of QUIC.
inline constexpr uint64_t timestamp_max = (uint64_t{1} << 61) - 1;
/// Largest datagram, with its header [lite Datagrams].
inline constexpr size_t datagram_bytes_max = 1200;

/// What an endpoint says of itself, draft 05 [lite SETUP]. Unknown parameters are passed over.
struct setup {
  std::optional<uint64_t> probe;  ///< level: 0 none, 1 reports, 2 raises
  std::optional<std::string> path; ///< client over raw QUIC only
  std::optional<uint64_t> role;   ///< client only: 1 publisher, 2 subscriber; absent: both
  std::optional<uint64_t> origin; ///< the sender's origin id
  bool operator==(const setup&) const = default;
};

struct announce_request {
  std::string prefix;
  uint64_t exclude_hop = 0; ///< drafts 04 and 05; 0: none
  bool operator==(const announce_request&) const = default;
};

/// Draft 05: opens the answer to ANNOUNCE_REQUEST.
struct announce_ok {
  uint64_t origin = 0; ///< of the sender: the last hop of all that follows; 0: unknown
  uint64_t active = 0; ///< announcements that follow at once
  bool operator==(const announce_ok&) const = default;
};

struct announce {
  bool active = false;
  std::string suffix;
  std::vector<uint64_t> hops; ///< origin ids, the first publisher's first; draft 03 tells their number only, and all are 0
  bool operator==(const announce&) const = default;
};

/// How the groups of a subscription are wanted: in SUBSCRIBE, its updates, and SUBSCRIBE_OK of drafts 03 and 04.
struct delivery {
  uint8_t priority = 0;        ///< higher first
  bool ordered = false;        ///< older groups first
  uint64_t max_latency_ms = 0; ///< age over which a group that is not the newest is given up
  std::optional<uint64_t> start; ///< group; unset: the newest
  std::optional<uint64_t> end;   ///< group, inclusive
  bool operator==(const delivery&) const = default;
};

struct subscribe {
  uint64_t id = 0;
  std::string broadcast;
  std::string track;
  delivery how;
  bool operator==(const subscribe&) const = default;
};

/// What a publisher says on a subscribe stream.
struct subscribe_reply {
  enum class kind {
    ok,    ///< drafts 03 and 04: `how`
    start, ///< draft 05: `group` is the first that comes
    end,   ///< draft 05: no group from `group` on comes; 0: none came. The draft says inclusive; its peers send it exclusive
    drop,  ///< groups `first` to `last`, inclusive, do not come
  };
  kind what = kind::start;
  delivery how;
  uint64_t group = 0;
  uint64_t first = 0, last = 0, error = 0;
  bool operator==(const subscribe_reply&) const = default;
};

/// TRACK, draft 05; also the head of FETCH.
struct track_request {
  std::string broadcast;
  std::string track;
  bool operator==(const track_request&) const = default;
};

/// Draft 05: what never changes of a track.
struct track_info {
  uint8_t priority = 0; ///< higher first
  bool ordered = false;
  uint64_t max_latency_ms = 0; ///< how long a group that is not the newest is held, at most
  uint64_t timescale = 1000;   ///< units of timestamps in a second; never 0
  bool operator==(const track_info&) const = default;
};

struct fetch {
  track_request track;
  uint8_t priority = 0; ///< higher first
  uint64_t group = 0;
  bool operator==(const fetch&) const = default;
};

struct probe {
  uint64_t bitrate = 0; ///< bit/s; 0: unknown
  uint64_t rtt_ms = 0;  ///< drafts 04 and 05; 0: unknown
  bool operator==(const probe&) const = default;
};

struct goaway {
  std::string uri; ///< empty: no other place
  bool operator==(const goaway&) const = default;
};

/// What a group's stream begins with.
struct group {
  uint64_t subscribe = 0;
  uint64_t sequence = 0;
  bool operator==(const group&) const = default;
};

/// What stands before a frame's payload.
struct frame {
  int64_t timestamp_delta = 0; ///< draft 05: to the frame before on the stream; the first: to 0
  uint64_t payload_bytes = 0;
  bool operator==(const frame&) const = default;
};

/// A group of one frame [lite Datagrams], draft 05; what follows the header is the payload.
struct datagram {
  uint64_t subscribe = 0;
  uint64_t sequence = 0;
  uint64_t timestamp = 0;
  bool operator==(const datagram&) const = default;
};

// Decoders leave the reader behind what they took, or at its start if they failed. Errors: need more, or a close code of `code`.
decoded<uint64_t> decode_type(base::byte_reader& in);
decoded<setup> decode_setup(base::byte_reader& in);
decoded<announce_request> decode_announce_request(base::byte_reader& in, version v);
decoded<announce_ok> decode_announce_ok(base::byte_reader& in);
decoded<announce> decode_announce(base::byte_reader& in, version v);
decoded<subscribe> decode_subscribe(base::byte_reader& in);
decoded<delivery> decode_subscribe_update(base::byte_reader& in);
decoded<subscribe_reply> decode_subscribe_reply(base::byte_reader& in, version v);
decoded<track_request> decode_track_request(base::byte_reader& in);
decoded<track_info> decode_track_info(base::byte_reader& in);
decoded<fetch> decode_fetch(base::byte_reader& in);
decoded<probe> decode_probe(base::byte_reader& in, version v);
decoded<goaway> decode_goaway(base::byte_reader& in);
decoded<group> decode_group(base::byte_reader& in);
decoded<frame> decode_frame(base::byte_reader& in, version v);
decoded<datagram> decode_datagram(base::byte_reader& in);

// Without the stream's type, which `put_type` writes.
void put_type(base::byte_writer& out, bidi_type t);
void put_type(base::byte_writer& out, uni_type t);
void encode(base::byte_writer& out, const setup& m);
void encode(base::byte_writer& out, const announce_request& m, version v);
void encode(base::byte_writer& out, const announce_ok& m);
void encode(base::byte_writer& out, const announce& m, version v);
void encode(base::byte_writer& out, const subscribe& m);
void encode(base::byte_writer& out, const delivery& m);
void encode(base::byte_writer& out, const subscribe_reply& m, version v);
void encode(base::byte_writer& out, const track_request& m);
void encode(base::byte_writer& out, const track_info& m);
void encode(base::byte_writer& out, const fetch& m);
void encode(base::byte_writer& out, const probe& m, version v);
void encode(base::byte_writer& out, const goaway& m);
void encode(base::byte_writer& out, const group& m);
void encode(base::byte_writer& out, const frame& m, version v);
void encode(base::byte_writer& out, const datagram& m);

/// The namespace that a broadcast path names: its segments, of which empty ones count for nothing. Nothing: it is no valid namespace.
std::optional<track_namespace> to_namespace(std::string_view path);
/// The path of a namespace; nothing if no path has its fields: one holds a '/', is not UTF-8, or all are too long.
std::optional<std::string> to_path(const track_namespace& ns);
/// True if `text` may stand in a message.
bool is_utf8(std::string_view text);

} // namespace ec::moq::lite
