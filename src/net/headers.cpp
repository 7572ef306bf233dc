#include "net/headers.hpp"

#include <algorithm>

namespace ec::net {

std::optional<std::string_view> headers::find(std::string_view name) const {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (const auto& [have, value] : fields_)
    if (std::equal(have.begin(), have.end(), name.begin(), name.end(), [&](char a, char b) { return lower(a) == lower(b); }))
      return value;
  return std::nullopt;
}

} // namespace ec::net
