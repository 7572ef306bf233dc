#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/outcome/basic_result.hpp>

namespace ec::base {

/// What went wrong, as far as a caller must tell one case from another.
enum class errc {
  need_more,        ///< the input ends too early: call again with more bytes
  malformed,        ///< the input breaks its format: drop it, never retry it
  too_large,        ///< over a limit of base/limits.hpp: refuse, count
  unsupported,      ///< valid, but this build does not do it: tell the user
  not_found,        ///< the named thing is not there: correct the name, or wait for it
  exists,           ///< would overwrite: choose another name
  io,               ///< the operating system refused: the text has its reason
  permission,       ///< not allowed to: fix the rights
  timeout,          ///< no answer in time: retry with back-off
  closed,           ///< the other side is gone: reconnect with back-off
  busy,             ///< the resource is taken: retry with back-off
  untrusted,        ///< the key is not one that was named as trusted: drop, count
  bad_signature,    ///< the signature does not verify: drop, count
  mismatch,         ///< a digest, id or length differs from what was promised: drop, count, ask another source
  damaged,          ///< this copy is known not to be whole: ask another source
  invalid_argument, ///< the caller's value is out of range: correct the call or the option
  config,           ///< an option or config file is wrong: `about` names it, the text says what was expected
  refused,          ///< the peer said no: the text has its reason
  internal,         ///< our own bug: report it
};

/// Stable lower-case name of a code, for logs: "need-more".
std::string_view name(errc code);

/// One failure: a code to act on, a sentence for a person, and the thing that it is about.
struct error {
  errc code = errc::internal;
  std::string text;  ///< what happened and what to do, without a full stop
  std::string about; ///< the file, key, peer or field; may be empty

  /// "about: text" for logs and terminals.
  std::string message() const;
};

/// The only spelling of "a T or an error" in this project. Move a failure on with `EC_TRY`.
template <class T>
using result = boost::outcome_v2::basic_result<T, error, boost::outcome_v2::policy::terminate>;

/// Makes the failure of any `result`: `return fail(errc::malformed, "the tail has no digest", "object 7")`.
inline auto fail(errc code, std::string text, std::string about = {}) {
  return boost::outcome_v2::failure(error{code, std::move(text), std::move(about)});
}

inline auto fail(error why) {
  return boost::outcome_v2::failure(std::move(why));
}

/// Success of a `result<void>`.
inline auto ok() {
  return boost::outcome_v2::success();
}

} // namespace ec::base

/// `EC_TRY(auto x, f())`: x is the value of f(), or this function returns f()'s error. `EC_TRYV(f())` for no value.
/// Spelled out here because Boost.Outcome's own macros changed their form between the releases that we build with.
#define EC_TRY(decl, ...) EC_INTERNAL_TRY(EC_INTERNAL_JOIN(ec_try_, __COUNTER__), decl, __VA_ARGS__)
#define EC_TRYV(...) EC_INTERNAL_TRYV(EC_INTERNAL_JOIN(ec_try_, __COUNTER__), __VA_ARGS__)

#define EC_INTERNAL_JOIN(a, b) EC_INTERNAL_JOIN_NOW(a, b)
#define EC_INTERNAL_JOIN_NOW(a, b) a##b
#define EC_INTERNAL_TRYV(name, ...)                                                                                                        \
  auto&& name = (__VA_ARGS__);                                                                                                             \
  if (!name) return ::ec::base::fail(std::move(name).error())
#define EC_INTERNAL_TRY(name, decl, ...)                                                                                                   \
  EC_INTERNAL_TRYV(name, __VA_ARGS__);                                                                                                     \
  decl = std::move(name).value()
