// What of moq-lite has its like in the IETF's drafts: codes, and the times of frames.
#include "moq/internal/lite_session.hpp"

namespace ec::moq {

namespace code = lite::code;

uint64_t request_code_of(uint64_t lite_code) {
  switch (lite_code) {
  case code::unauthorized: return request_code::unauthorized;
  case code::timeout: return request_code::timeout;
  case code::unsupported: return request_code::not_supported;
  case code::duplicate: return request_code::duplicate_subscription;
  case code::not_found:
  case code::unroutable: return request_code::does_not_exist;
  default: return request_code::internal_error;
  }
}

uint64_t reset_code_of(uint64_t lite_code) {
  switch (lite_code) {
  case code::old: return reset_code::delivery_timeout;
  case code::lagged: return reset_code::too_far_behind;
  case code::closed: return reset_code::session_closed;
  case code::cancel:
  case 1: return reset_code::cancelled;
  default: return reset_code::internal_error;
  }
}

uint64_t lite_code_of_request(uint64_t c) {
  switch (c) {
  case request_code::unauthorized:
  case request_code::malformed_auth_token:
  case request_code::expired_auth_token: return code::unauthorized;
  case request_code::timeout: return code::timeout;
  case request_code::not_supported: return code::unsupported;
  case request_code::going_away: return code::closed;
  case request_code::does_not_exist:
  case request_code::uninterested: return code::not_found;
  case request_code::duplicate_subscription: return code::duplicate;
  default: return code::dropped;
  }
}

uint64_t lite_code_of_reset(uint64_t c) {
  switch (c) {
  case reset_code::delivery_timeout: return code::old;
  case reset_code::too_far_behind: return code::lagged;
  case reset_code::session_closed:
  case reset_code::going_away: return code::closed;
  case reset_code::cancelled: return code::cancel;
  default: return code::dropped;
  }
}

uint64_t lite_code_of_session(uint64_t c) {
  switch (c) {
  case session_code::no_error: return code::cancel;
  case session_code::unauthorized:
  case session_code::malformed_auth_token:
  case session_code::expired_auth_token: return code::unauthorized;
  case session_code::protocol_violation: return code::protocol_violation;
  case session_code::goaway_timeout:
  case session_code::control_message_timeout:
  case session_code::data_stream_timeout: return code::timeout;
  case session_code::invalid_path:
  case session_code::malformed_path: return code::not_found;
  default: return code::closed;
  }
}

std::optional<uint64_t> timestamp_of(std::span<const uint8_t> properties, bool& others) {
  base::byte_reader in(properties);
  std::optional<uint64_t> out;
  others = false;
  for (uint64_t type = 0; !in.done();) {
    const auto delta = in.moqt_vi64(), value = in.moqt_vi64();
    if (!delta || !value) break;
    type += *delta;
    if (type == loc::timestamp) out = *value;
    else others = true;
    if (type % 2 == 1 && !in.skip(*value)) break;
  }
  return out;
}

base::bytes timestamp_properties(uint64_t timestamp) {
  base::byte_writer out;
  out.moqt_vi64(loc::timestamp);
  out.moqt_vi64(timestamp);
  return base::bytes::adopt(out.take());
}

std::optional<uint64_t> timescale_of(const track_properties& p) {
  for (const auto& o : p.others) {
    if (o.type == loc::timescale && o.number > 0 && o.number <= base::quic_varint_max) return o.number;
  }
  return std::nullopt;
}

} // namespace ec::moq
