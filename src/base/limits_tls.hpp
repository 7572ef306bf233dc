#pragma once

#include <cstddef>

/// Bounds of certificates that peers and operators give.
namespace ec::base::limits {

inline constexpr size_t tls_subject_bytes_max = 256;    ///< of a client's certificate, as it is shown
inline constexpr size_t client_ca_bytes_max = 1u << 20; ///< of a file of certificate authorities

} // namespace ec::base::limits
