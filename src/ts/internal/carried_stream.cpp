#include "ts/internal/carried_stream.hpp"

namespace ec::ts::internal {

void carried_stream::lost() {
  video_.lost();
  audio_.lost();
  in_pes_ = header_pending_ = false;
  header_.clear();
  pes_want_ = pes_got_ = 0;
}

carried_stream::seen carried_stream::take(packet_view p) {
  seen out;
  const size_t offset = p.payload_offset();
  std::span<const uint8_t> payload{p.data() + offset, packet_bytes - offset};
  const bool starts = p.payload_unit_start();
  if (starts) {
    end_pes(out.found);
    header_.clear();
    header_pending_ = true;
    in_pes_ = false;
    pts_.reset();
    random_access_ = p.random_access_indicator();
  }
  if (header_pending_) {
    pes_header head;
    const bool whole = header_.empty();
    if (!whole) header_.insert(header_.end(), payload.begin(), payload.end());
    const std::span<const uint8_t> in = whole ? payload : std::span<const uint8_t>(header_);
    switch (parse_pes_header(in, head)) {
    case pes_parse::ok:
      begin_pes(head, out.found);
      out.begun = head;
      out.at_start = whole;
      header_pending_ = false;
      // What of the payload is behind the header lies in this packet: the header was not whole before it.
      payload = payload.last(in.size() - head.header_bytes);
      header_.clear();
      break;
    case pes_parse::need_more:
      if (whole) header_.assign(payload.begin(), payload.end());
      payload = {};
      break;
    case pes_parse::malformed:
      out.malformed = true;
      header_pending_ = false;
      header_.clear();
      payload = {};
      break;
    }
  }
  if (in_pes_ && !payload.empty()) {
    pes_got_ += payload.size();
    out.found.add(is_video ? video_.payload(payload) : audio_.payload(payload));
  }
  if (!is_video && reference && starts && in_pes_) {
    out.found.decided = true;
    out.found.random_access = pts_.has_value();
  }
  return out;
}

void carried_stream::begin_pes(const pes_header& head, check_outcome& found) {
  in_pes_ = true;
  pts_ = head.pts;
  pes_got_ = 0;
  // PES_packet_length counts from behind itself: the rest of the header, then the payload.
  pes_want_ = head.length > head.header_bytes - 6 ? head.length - (head.header_bytes - 6) : 0;
  found.add(is_video ? video_.pes_start(head, random_access_) : audio_.pes_start(head));
}

/// The PES packet under way is over: its length must be what its header promised.
void carried_stream::end_pes(check_outcome& found) {
  if (!in_pes_ || pes_want_ == 0) return;
  if (pes_got_ == pes_want_) {
    if (pes_good_ < 4) ++pes_good_;
  } else {
    if (pes_good_ >= 4) found.failed = true;
    pes_good_ = 0;
  }
}

} // namespace ec::ts::internal
