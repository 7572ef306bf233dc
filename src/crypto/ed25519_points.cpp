#include "crypto/internal/ed25519_points.hpp"

#include <algorithm>
#include <array>

namespace ec::crypto::internal {
namespace {

using number = std::array<uint8_t, 32>; ///< little-endian

/// p = 2^255 - 19.
constexpr number prime = [] {
  number p;
  p.fill(0xff);
  p[0] = 0xed;
  p[31] = 0x7f;
  return p;
}();

/// L = 2^252 + 27742317777372353535851937790883648493.
constexpr number order = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                          0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

/// y of the points of order 1, 2, 4, 8 and 8; the sign of x does not matter.
constexpr std::array<number, 5> small_order = [] {
  std::array<number, 5> y{};
  y[0][0] = 1;
  y[1] = prime;
  y[1][0] -= 1;
  y[3] = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
          0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05};
  y[4] = {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
          0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a};
  return y;
}();

bool below(const number& a, const number& b) {
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

number number_of(std::span<const uint8_t, 32> in) {
  number out;
  std::ranges::copy(in, out.begin());
  return out;
}

} // namespace

bool acceptable_point(std::span<const uint8_t, 32> encoded) {
  number y = number_of(encoded);
  y[31] &= 0x7f; // the top bit is the sign of x
  return below(y, prime) && std::ranges::find(small_order, y) == small_order.end();
}

bool reduced_scalar(std::span<const uint8_t, 32> encoded) {
  return below(number_of(encoded), order);
}

} // namespace ec::crypto::internal
