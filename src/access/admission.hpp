#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/gatekeeper.hpp"
#include "base/limits_access.hpp"
#include "moq/layers.hpp"

namespace ec::access {

/// The tokens in the path and query of a session's URL: its first segment if it has the look of one, and the values of `jwt`.
std::vector<std::string> tokens_of_path(std::string_view path);
/// The path for logs: without its query, and without a token in its first segment.
std::string path_without_secrets(std::string_view path);

/// One session at the door of a relay: what its peer showed, and what that allows. One thread; the gatekeeper outlives it.
class admission {
public:
  /// `later`: requests of this session may show tokens of their own, so it may come without any.
  admission(gatekeeper& home, bool later) : home_(home), later_(later) {}
  /// Where it comes from, and how many requests of it go on: for the limits, ahead of enter().
  void comes_from(std::string address, std::function<size_t()> open) { seat_ = std::make_unique<seat>(home_.book(), std::move(address), std::move(open)); }

  /// Its peer has shown a certificate that counts, ahead of enter(): until it ends the peer may do what the rules say of such.
  void certify(const std::string& subject, const std::string& key, base::wall_time not_after);

  /// The peer is there. `path`: with query, from SETUP or of WebTransport's CONNECT; `shown`: the tokens of SETUP. Nothing: it is let in.
  std::optional<denial> enter(std::string_view path, const std::vector<moq::auth_token>& shown);
  /// May it do this? For upper_layer::on_authorize.
  std::optional<moq::request_error> authorize(moq::request_id id, const moq::authorization& a);

  /// When the next of what it lives by ends; nothing: never.
  std::optional<base::wall_time> due() const;
  /// True while requests live by tokens of their own.
  bool holds() const { return !held_.empty(); }
  struct verdict {
    std::optional<denial> session;               ///< it is over
    std::vector<moq::request_id> subscriptions;  ///< these are over, and the session goes on
  };
  /// Looks again at everything that was allowed. A session lives as long as each token that it showed at its start; a request that lives by
  /// a token of its own, as long as that. Of those a subscription ends by itself, any other takes its session along. `is_open`: the
  /// request goes on.
  verdict check(const std::function<bool(moq::request_id)>& is_open);

  /// `bytes`: of objects that came in it since its start. True: no more is to be taken from it for now. Asked ten times a second where a rate is limited.
  bool pace(uint64_t bytes, base::mono_time now);

  /// Who came, for logs; "anonymous" without a token.
  std::string who() const;

private:
  struct held {
    moq::request_kind kind;
    grants by; ///< of its own tokens, those that allow it
  };
  std::optional<moq::request_error> judge(moq::request_id id, const moq::authorization& a);
  std::optional<denial> take(std::string_view token, grants& out);
  std::optional<denial> why_over(const grant& g) const;

  gatekeeper& home_;
  bool later_;
  grants session_;
  std::shared_ptr<const grant> certified_; ///< of its certificate
  std::unique_ptr<seat> seat_; ///< null: no limit is asked about
  bool held_back_ = false;
  std::map<moq::request_id, held> held_;
};

} // namespace ec::access
