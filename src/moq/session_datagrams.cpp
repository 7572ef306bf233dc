// Objects in datagrams, and padding.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

void session::impl::on_datagram(base::bytes data, mono_time now) {
  if (closed_) return;
  now_ = now;
  base::byte_reader in(data);
  const auto d = draft_.decode_datagram(in);
  if (!d) return fail(d.error());
  if (std::holds_alternative<padding_datagram>(d.value())) {
    counters_.padding_ignored += in.left();
    return;
  }
  const auto& h = std::get<datagram_header>(d.value());
  const auto p = draft_.check_object_properties(h.properties);
  if (!p) return fail(p.error());
  const auto known = aliases_.find(h.alias);
  if (known == aliases_.end()) {
    // Nothing keeps it for a control message that it may have overtaken: it could as well have been lost.
    ++counters_.datagrams_ignored;
    return;
  }
  const request_id id = known->second;
  auto& r = own_.at(id);
  object o;
  o.group = h.group;
  o.id = h.id;
  o.priority = h.priority.value_or(r.default_priority);
  o.status = h.status;
  o.datagram = true;
  o.ends_group = h.end_of_group;
  if (!h.properties.empty()) o.properties = base::bytes::copy(h.properties);
  if (h.has_payload) o.payload = data.slice(in.position());
  switch (r.seen->object(o, p.value())) {
  case seen_objects::verdict::malformed: return malformed(id, "an object contradicts what came before");
  case seen_objects::verdict::duplicate: ++counters_.objects_duplicate; return;
  case seen_objects::verdict::fresh: break;
  }
  if (h.end_of_group && !r.seen->end_group(o.group, o.id)) return malformed(id, "a group has two ends");
  ++counters_.objects_in;
  ++counters_.datagrams_in;
  counters_.payload_bytes_in += o.payload.size();
  upper_.on_object(id, o);
}

/// Goes out now or never: what a datagram waits for is over when it could leave.
void session::impl::write_datagram(const served_subscription& s, const track& t, const object& o) {
  datagram_header h;
  h.alias = s.alias;
  h.group = o.group;
  h.id = o.id;
  if (o.priority != t.config().priority) h.priority = o.priority;
  h.status = o.status;
  h.has_payload = o.status == object_status::normal;
  h.end_of_group = o.ends_group && h.has_payload;
  h.properties = o.properties;
  auto out = draft_.encode_datagram(h);
  if (out.size() + o.payload.size() > lower_.datagram_bytes_max()) {
    ++counters_.datagrams_too_large;
    return;
  }
  out.insert(out.end(), o.payload.begin(), o.payload.end());
  if (!lower_.send_datagram(base::bytes::adopt(std::move(out)))) {
    ++counters_.datagrams_dropped;
    return;
  }
  ++counters_.objects_out;
  ++counters_.datagrams_out;
  counters_.payload_bytes_out += o.payload.size();
}

bool session::impl::pad(size_t count, bool as_datagram) {
  if (closed_ || !control_out_) return false;
  const size_t zeros = std::min(count, base::limits::moq_object_bytes_max);
  auto out = draft_.encode_padding(as_datagram);
  if (out.empty()) return false;
  out.resize(out.size() + zeros);
  if (as_datagram) {
    if (out.size() > lower_.datagram_bytes_max() || !lower_.send_datagram(base::bytes::adopt(std::move(out)))) return false;
  } else {
    const auto stream = lower_.open_uni();
    if (!stream) return false;
    lower_.set_priority(*stream, ~uint64_t{0}); // behind everything [MOQT 11.5]
    lower_.write(*stream, base::bytes::adopt(std::move(out)), true);
  }
  counters_.padding_out += zeros;
  return true;
}

} // namespace ec::moq
