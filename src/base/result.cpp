#include "base/result.hpp"

namespace ec::base {

std::string_view name(errc code) {
  switch (code) {
  case errc::need_more: return "need-more";
  case errc::malformed: return "malformed";
  case errc::too_large: return "too-large";
  case errc::unsupported: return "unsupported";
  case errc::not_found: return "not-found";
  case errc::exists: return "exists";
  case errc::io: return "io";
  case errc::permission: return "permission";
  case errc::timeout: return "timeout";
  case errc::closed: return "closed";
  case errc::busy: return "busy";
  case errc::untrusted: return "untrusted";
  case errc::bad_signature: return "bad-signature";
  case errc::mismatch: return "mismatch";
  case errc::damaged: return "damaged";
  case errc::invalid_argument: return "invalid-argument";
  case errc::config: return "config";
  case errc::refused: return "refused";
  case errc::internal: return "internal";
  }
  return "unknown";
}

std::string error::message() const {
  return about.empty() ? text : about + ": " + text;
}

} // namespace ec::base
