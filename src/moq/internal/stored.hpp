#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "moq/track_store.hpp"

/// What track_store*.cpp have in common.
namespace ec::moq {

/// What an object costs beside its bytes: without it, empty objects would be free [faults: flat memory].
inline constexpr size_t object_charge = 256;

inline size_t charge(const object& o) {
  return o.payload.size() + o.properties.size() + object_charge;
}

/// True if both say the same of themselves, whatever their payloads.
inline bool same_head(const object& a, const object& b) {
  return a.subgroup == b.subgroup && a.datagram == b.datagram && a.priority == b.priority && a.status == b.status && a.properties == b.properties;
}

inline bool same(const object& a, const object& b) {
  return same_head(a, b) && a.payload == b.payload;
}

template <class Call>
void track::tell(Call call) {
  ++telling_;
  // By index: a call may add observers. Those added now hear of the next change.
  for (size_t i = 0, count = observers_.size(); i < count; ++i) {
    if (observers_[i]) call(*observers_[i]);
  }
  if (--telling_ == 0) std::erase(observers_, nullptr);
}

/// True if one of the two begins with the other.
inline bool agree(const base::bytes& a, const base::bytes& b) {
  const size_t both = std::min(a.size(), b.size());
  return both == 0 || a.data() == b.data() || std::memcmp(a.data(), b.data(), both) == 0;
}

/// True if `o`, of `payload_bytes` in all, may be the object that `p` is a part of.
inline bool goes_with(const object_part& p, const object& o, uint64_t payload_bytes) {
  return same_head(p.begun, o) && p.payload_bytes == payload_bytes && agree(p.begun.payload, o.payload);
}

/// For an error.
inline std::string about(const track& t, const object& o) {
  return to_string(t.name()) + " " + std::to_string(o.group) + "/" + std::to_string(o.id);
}

} // namespace ec::moq
