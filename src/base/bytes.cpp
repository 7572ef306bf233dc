#include "base/bytes.hpp"

#include <algorithm>

namespace ec::base {

bytes bytes::copy(std::span<const uint8_t> from) {
  return adopt(std::vector<uint8_t>(from.begin(), from.end()));
}

bytes bytes::copy(std::string_view text) {
  return copy(as_span(text));
}

bytes bytes::adopt(std::vector<uint8_t>&& from) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(from));
  const std::span<const uint8_t> view{*owner};
  return {std::move(owner), view};
}

bytes bytes::share(std::shared_ptr<const void> owner, std::span<const uint8_t> view) {
  return {std::move(owner), view};
}

bytes bytes::slice(size_t from, size_t count) const {
  const size_t start = std::min(from, size());
  return {owner_, view_.subspan(start, std::min(count, size() - start))};
}

bool operator==(const bytes& a, const bytes& b) {
  return std::ranges::equal(a.view_, b.view_);
}

} // namespace ec::base
