#include "moq/lite_wire.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/limits_lite.hpp"

namespace ec::moq::lite {
namespace {

namespace limits = base::limits;

constexpr uint64_t varint_max = base::quic_varint_max;

wire_stop more() {
  return {.need_more = true, .code = 0, .reason = {}};
}

wire_stop bad(std::string reason, uint64_t why = code::protocol_violation) {
  return {.need_more = false, .code = why, .reason = std::move(reason)};
}

/// Fields of one message. The first that is missing or wrong fails all that follow.
class fields {
public:
  explicit fields(std::span<const uint8_t> body) : in_(body) {}

  uint64_t number() {
    const auto v = in_.quic_varint();
    if (!v) fail();
    return v.value_or(0);
  }
  uint8_t octet() {
    const auto v = in_.u8();
    if (!v) fail();
    return v.value_or(0);
  }
  bool flag() {
    const auto v = octet();
    if (v > 1) fail();
    return v == 1;
  }
  /// A number in which 0 stands for none, others for themselves plus 1.
  std::optional<uint64_t> optional_number() {
    const auto v = number();
    return v == 0 ? std::nullopt : std::optional(v - 1);
  }
  std::string text(size_t bytes_max = limits::moq_full_track_name_bytes_max) {
    const auto size = number();
    if (size > bytes_max) fail();
    const auto part = failed_ ? std::nullopt : in_.take(size);
    if (!part) {
      fail();
      return {};
    }
    std::string out(part->begin(), part->end());
    if (!is_utf8(out)) fail();
    return out;
  }
  std::string path() {
    auto out = text();
    if (const auto ns = to_namespace(out); !ns) fail();
    return out;
  }
  delivery how() {
    delivery d;
    d.priority = octet();
    d.ordered = flag();
    d.max_latency_ms = number();
    d.start = optional_number();
    d.end = optional_number();
    return d;
  }
  std::span<const uint8_t> raw(uint64_t size) {
    const auto part = in_.take(size);
    if (!part) fail();
    return part.value_or(std::span<const uint8_t>{});
  }
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }
  bool whole() const { return !failed_ && in_.done(); }

private:
  base::byte_reader in_;
  bool failed_ = false;
};

/// One message: its length, and a body that `read` takes exactly.
template <class Read>
auto message(base::byte_reader& in, const char* name, Read read) -> decoded<decltype(read(std::declval<fields&>()))> {
  const size_t start = in.position();
  const auto length = in.quic_varint();
  if (!length) return more();
  if (*length > limits::moq_control_message_bytes_max) {
    in.rewind(start);
    return bad(std::string(name) + " is too long");
  }
  const auto body = in.take(*length);
  if (!body) {
    in.rewind(start);
    return more();
  }
  fields f(*body);
  auto value = read(f);
  if (f.whole()) return value;
  in.rewind(start);
  return bad(std::string(name) + " is malformed");
}

template <class Write>
void put_message(base::byte_writer& out, Write write) {
  base::byte_writer body;
  write(body);
  out.quic_varint(body.size());
  out.raw(body.span());
}

void put_text(base::byte_writer& out, std::string_view text) {
  out.quic_varint(text.size());
  out.raw(text);
}

void put_how(base::byte_writer& out, const delivery& d) {
  out.u8(d.priority);
  out.u8(d.ordered ? 1 : 0);
  out.quic_varint(std::min(d.max_latency_ms, varint_max));
  out.quic_varint(d.start ? std::min(*d.start, varint_max - 1) + 1 : 0);
  out.quic_varint(d.end ? std::min(*d.end, varint_max - 1) + 1 : 0);
}

enum parameter : uint64_t { parameter_probe = 1, parameter_path = 2, parameter_role = 3, parameter_origin = 5 };

uint64_t zigzag(int64_t v) {
  return static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63);
}

int64_t unzigzag(uint64_t v) {
  return static_cast<int64_t>(v >> 1 ^ (~(v & 1) + 1));
}

} // namespace

std::optional<version> version_named(std::string_view protocol) {
  for (const auto v : {version::v03, version::v04, version::v05}) {
    if (protocol == name_of(v)) return v;
  }
  return std::nullopt;
}

std::string_view name_of(version v) {
  switch (v) {
  case version::v03: return "moq-lite-03";
  case version::v04: return "moq-lite-04";
  case version::v05: break;
  }
  return "moq-lite-05";
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t extra = lead < 0x80 ? 0 : lead < 0xc2 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 4;
    if (extra > 3 || i + extra >= text.size()) return false;
    uint32_t point = extra == 0 ? lead : lead & (0x3fu >> extra);
    for (size_t k = 1; k <= extra; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    if ((extra == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) || (extra == 3 && (point < 0x10000 || point > 0x10ffff))) return false;
    i += extra + 1;
  }
  return true;
}

std::optional<track_namespace> to_namespace(std::string_view path) {
  track_namespace ns;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) ns.fields.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
    if (ns.fields.size() > limits::moq_namespace_fields_max) return std::nullopt;
  }
  return is_valid(ns) ? std::optional(std::move(ns)) : std::nullopt;
}

std::optional<std::string> to_path(const track_namespace& ns) {
  std::string out;
  for (const auto& field : ns.fields) {
    if (field.find('/') != std::string::npos || !is_utf8(field)) return std::nullopt;
    if (!out.empty()) out += '/';
    out += field;
  }
  // With its separators it may be longer than a name may be.
  return out.size() > limits::moq_full_track_name_bytes_max ? std::nullopt : std::optional(std::move(out));
}

decoded<uint64_t> decode_type(base::byte_reader& in) {
  const auto v = in.quic_varint();
  if (!v) return more();
  return *v;
}

decoded<setup> decode_setup(base::byte_reader& in) {
  constexpr uint64_t parameters_max = 64;
  return message(in, "SETUP", [](fields& f) {
    setup m;
    std::vector<uint64_t> seen;
    const auto count = f.number();
    if (count > parameters_max) f.fail();
    for (uint64_t i = 0; i < count && !f.failed(); ++i) {
      const auto id = f.number();
      const auto value = f.raw(f.number());
      if (std::ranges::find(seen, id) != seen.end()) f.fail();
      seen.push_back(id);
      fields v(value);
      switch (id) {
      case parameter_probe: m.probe = v.number(); break;
      case parameter_role: m.role = v.number(); break;
      case parameter_origin: m.origin = v.number(); break;
      case parameter_path: m.path = std::string(value.begin(), value.end()); continue;
      default: continue;
      }
      if (!v.whole()) f.fail();
    }
    if (m.path && (!m.path->starts_with('/') || !is_utf8(*m.path))) f.fail();
    return m;
  });
}

decoded<announce_request> decode_announce_request(base::byte_reader& in, version v) {
  return message(in, "ANNOUNCE_REQUEST", [&](fields& f) {
    announce_request m;
    m.prefix = f.path();
    if (v >= version::v04) m.exclude_hop = f.number();
    return m;
  });
}

decoded<announce_ok> decode_announce_ok(base::byte_reader& in) {
  return message(in, "ANNOUNCE_OK", [](fields& f) {
    announce_ok m;
    m.origin = f.number();
    m.active = f.number();
    return m;
  });
}

decoded<announce> decode_announce(base::byte_reader& in, version v) {
  return message(in, "ANNOUNCE_BROADCAST", [&](fields& f) {
    announce m;
    const auto status = f.number();
    // Some peers of draft 05 have a status of their own for a route that changed: an `active` again.
    m.active = status == 1 || (status == 2 && v >= version::v05);
    if (status > 1 && !m.active) f.fail();
    m.suffix = f.path();
    const auto count = f.number();
    if (count > limits::moq_hops_max) f.fail();
    for (uint64_t i = 0; i < count && !f.failed(); ++i) m.hops.push_back(v >= version::v04 ? f.number() : 0);
    return m;
  });
}

decoded<subscribe> decode_subscribe(base::byte_reader& in) {
  return message(in, "SUBSCRIBE", [](fields& f) {
    subscribe m;
    m.id = f.number();
    m.broadcast = f.path();
    m.track = f.text();
    m.how = f.how();
    return m;
  });
}

decoded<delivery> decode_subscribe_update(base::byte_reader& in) {
  return message(in, "SUBSCRIBE_UPDATE", [](fields& f) { return f.how(); });
}

decoded<subscribe_reply> decode_subscribe_reply(base::byte_reader& in, version v) {
  using kind = subscribe_reply::kind;
  const size_t start = in.position();
  const auto type = in.quic_varint();
  if (!type) return more();
  const auto what = v >= version::v05 ? (*type == 0 ? kind::start : *type == 1 ? kind::end : kind::drop) : (*type == 0 ? kind::ok : kind::drop);
  if (*type > (v >= version::v05 ? 2u : 1u)) {
    in.rewind(start);
    return bad("an unknown answer to SUBSCRIBE", code::unexpected_message);
  }
  auto m = message(in, "the answer to SUBSCRIBE", [&](fields& f) {
    subscribe_reply r;
    r.what = what;
    switch (what) {
    case kind::ok: r.how = f.how(); break;
    case kind::start:
    case kind::end: r.group = f.number(); break;
    case kind::drop:
      r.first = f.number();
      r.last = f.number();
      r.error = f.number();
      if (r.last < r.first) f.fail();
      break;
    }
    return r;
  });
  if (!m) in.rewind(start);
  return m;
}

decoded<track_request> decode_track_request(base::byte_reader& in) {
  return message(in, "TRACK", [](fields& f) {
    track_request m;
    m.broadcast = f.path();
    m.track = f.text();
    return m;
  });
}

decoded<track_info> decode_track_info(base::byte_reader& in) {
  return message(in, "TRACK_INFO", [](fields& f) {
    track_info m;
    m.priority = f.octet();
    m.ordered = f.flag();
    m.max_latency_ms = f.number();
    m.timescale = f.number();
    if (m.timescale == 0) f.fail();
    return m;
  });
}

decoded<fetch> decode_fetch(base::byte_reader& in) {
  return message(in, "FETCH", [](fields& f) {
    fetch m;
    m.track.broadcast = f.path();
    m.track.track = f.text();
    m.priority = f.octet();
    m.group = f.number();
    return m;
  });
}

decoded<probe> decode_probe(base::byte_reader& in, version v) {
  return message(in, "PROBE", [&](fields& f) {
    probe m;
    m.bitrate = f.number();
    if (v >= version::v04) m.rtt_ms = f.number();
    return m;
  });
}

decoded<goaway> decode_goaway(base::byte_reader& in) {
  return message(in, "GOAWAY", [](fields& f) { return goaway{f.text(limits::moq_uri_bytes_max)}; });
}

decoded<group> decode_group(base::byte_reader& in) {
  return message(in, "GROUP", [](fields& f) {
    group m;
    m.subscribe = f.number();
    m.sequence = f.number();
    return m;
  });
}

decoded<frame> decode_frame(base::byte_reader& in, version v) {
  const size_t start = in.position();
  frame m;
  if (v >= version::v05) {
    const auto delta = in.quic_varint();
    if (!delta) return more();
    m.timestamp_delta = unzigzag(*delta);
  }
  const auto size = in.quic_varint();
  if (!size) {
    in.rewind(start);
    return more();
  }
  m.payload_bytes = *size;
  return m;
}

decoded<datagram> decode_datagram(base::byte_reader& in) {
  const size_t start = in.position();
  const auto subscribe = in.quic_varint(), sequence = in.quic_varint(), timestamp = in.quic_varint();
  if (subscribe && sequence && timestamp) return datagram{*subscribe, *sequence, *timestamp};
  in.rewind(start);
  return bad("a datagram ends within its header", code::decode);
}

void put_type(base::byte_writer& out, bidi_type t) { out.quic_varint(static_cast<uint64_t>(t)); }
void put_type(base::byte_writer& out, uni_type t) { out.quic_varint(static_cast<uint64_t>(t)); }

void encode(base::byte_writer& out, const setup& m) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint((m.probe ? 1 : 0) + (m.path ? 1 : 0) + (m.role ? 1 : 0) + (m.origin ? 1 : 0));
    const auto number = [&](uint64_t id, std::optional<uint64_t> value) {
      if (!value) return;
      b.quic_varint(id);
      b.quic_varint(base::quic_varint_size(*value));
      b.quic_varint(*value);
    };
    number(parameter_probe, m.probe);
    if (m.path) {
      b.quic_varint(parameter_path);
      put_text(b, *m.path);
    }
    number(parameter_role, m.role);
    number(parameter_origin, m.origin);
  });
}

void encode(base::byte_writer& out, const announce_request& m, version v) {
  put_message(out, [&](base::byte_writer& b) {
    put_text(b, m.prefix);
    if (v >= version::v04) b.quic_varint(m.exclude_hop);
  });
}

void encode(base::byte_writer& out, const announce_ok& m) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint(m.origin);
    b.quic_varint(m.active);
  });
}

void encode(base::byte_writer& out, const announce& m, version v) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint(m.active ? 1 : 0);
    put_text(b, m.suffix);
    b.quic_varint(m.hops.size());
    if (v < version::v04) return;
    for (const auto hop : m.hops) b.quic_varint(hop);
  });
}

void encode(base::byte_writer& out, const subscribe& m) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint(m.id);
    put_text(b, m.broadcast);
    put_text(b, m.track);
    put_how(b, m.how);
  });
}

void encode(base::byte_writer& out, const delivery& m) {
  put_message(out, [&](base::byte_writer& b) { put_how(b, m); });
}

void encode(base::byte_writer& out, const subscribe_reply& m, version v) {
  using kind = subscribe_reply::kind;
  out.quic_varint(m.what == kind::end ? 1 : m.what == kind::drop ? (v >= version::v05 ? 2 : 1) : 0);
  put_message(out, [&](base::byte_writer& b) {
    switch (m.what) {
    case kind::ok: return put_how(b, m.how);
    case kind::start:
    case kind::end: return b.quic_varint(m.group);
    case kind::drop:
      b.quic_varint(m.first);
      b.quic_varint(m.last);
      b.quic_varint(m.error);
    }
  });
}

void encode(base::byte_writer& out, const track_request& m) {
  put_message(out, [&](base::byte_writer& b) {
    put_text(b, m.broadcast);
    put_text(b, m.track);
  });
}

void encode(base::byte_writer& out, const track_info& m) {
  put_message(out, [&](base::byte_writer& b) {
    b.u8(m.priority);
    b.u8(m.ordered ? 1 : 0);
    b.quic_varint(std::min(m.max_latency_ms, varint_max));
    b.quic_varint(m.timescale);
  });
}

void encode(base::byte_writer& out, const fetch& m) {
  put_message(out, [&](base::byte_writer& b) {
    put_text(b, m.track.broadcast);
    put_text(b, m.track.track);
    b.u8(m.priority);
    b.quic_varint(m.group);
  });
}

void encode(base::byte_writer& out, const probe& m, version v) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint(m.bitrate);
    if (v >= version::v04) b.quic_varint(m.rtt_ms);
  });
}

void encode(base::byte_writer& out, const goaway& m) {
  put_message(out, [&](base::byte_writer& b) { put_text(b, m.uri); });
}

void encode(base::byte_writer& out, const group& m) {
  put_message(out, [&](base::byte_writer& b) {
    b.quic_varint(m.subscribe);
    b.quic_varint(m.sequence);
  });
}

void encode(base::byte_writer& out, const frame& m, version v) {
  if (v >= version::v05) out.quic_varint(zigzag(m.timestamp_delta));
  out.quic_varint(m.payload_bytes);
}

void encode(base::byte_writer& out, const datagram& m) {
  out.quic_varint(m.subscribe);
  out.quic_varint(m.sequence);
  out.quic_varint(m.timestamp);
}

} // namespace ec::moq::lite
