#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "moq/session.hpp"

/// The cases by which the MoQ interop runner judges a relay, as the client that it starts must play them: what is asked in one or two
/// sessions, and what has to come back. No I/O: whoever runs a case dials, and tells the time.
namespace ec::moq {

/// How a case ended. `expected` and `received` are names of messages, for a person; empty if it passed.
struct interop_outcome {
  bool passed = false;
  std::string expected, received;
};

/// What a case needs of who runs it.
struct interop_stage {
  virtual ~interop_stage() = default;
  /// Dials a session for `role`; `on_dialled` follows, within this call or later, or `on_gone`.
  virtual void open(size_t role) = 0;
};

class interop_case {
public:
  /// Ids as the runner spells them, in its order.
  static const std::vector<std::string_view>& ids();
  /// True of a case in which the relay must wait for a publisher because the subscriber says so: drafts before 18 have no RENDEZVOUS_TIMEOUT.
  static bool needs_rendezvous(std::string_view id);
  /// Null if there is no case of this name.
  static std::unique_ptr<interop_case> make(std::string_view id, interop_stage& stage);

  virtual ~interop_case();
  interop_case(const interop_case&) = delete;
  interop_case& operator=(const interop_case&) = delete;

  /// The sessions that it opens, by what they are: "client", or "publisher" and "subscriber".
  const std::vector<std::string_view>& roles() const { return names_; }
  /// What the session of a role tells; valid for as long as the case.
  upper_layer& listens(size_t role);
  /// What the session of a role serves.
  track_store& serves(size_t role);

  void start(base::mono_time now);
  void on_dialled(size_t role, session& s);
  /// The session of a role is over, or never came to be; `why` for a person.
  void on_gone(size_t role, std::string_view why);
  void on_tick(base::mono_time now);
  std::optional<base::mono_time> deadline() const;
  const std::optional<interop_outcome>& outcome() const { return outcome_; }

protected:
  interop_case(interop_stage& stage, std::vector<std::string_view> names, base::mono_duration limit);

  virtual void begin() = 0;
  virtual void up(size_t /*role*/) {}
  virtual void accepted(size_t /*role*/, request_id) {}
  virtual void subscribed(size_t /*role*/, request_id) {}
  virtual void refused(size_t role, request_id, const request_error& e);
  virtual void received(size_t /*role*/, const object&) {}
  /// PUBLISH_DONE came, and all streams that it counts.
  virtual void done(size_t /*role*/, uint64_t /*status*/, uint64_t /*streams*/) {}
  /// A track that was published is over, and its request stream.
  virtual void finished(size_t /*role*/) {}
  virtual void at_wake() {}

  void open(size_t role) { stage_.open(role); }
  session& at(size_t role);
  /// What the next wait is for: said when it was in vain.
  void expect(std::string what) { expected_ = std::move(what); }
  void wake_after(base::mono_duration d) { wake_ = now_ + d; }
  void pass();
  void fail(std::string received);
  base::mono_time now() const { return now_; }

private:
  struct part;
  void leave_all();

  interop_stage& stage_;
  std::vector<std::string_view> names_;
  base::mono_duration limit_;
  std::vector<std::unique_ptr<part>> parts_;
  base::mono_time now_{}, until_{};
  std::optional<base::mono_time> wake_;
  std::string expected_;
  std::optional<interop_outcome> outcome_;
};

} // namespace ec::moq
