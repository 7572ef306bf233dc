#include "moq/interop_case.hpp"

#include <algorithm>

#include "moq/track_store.hpp"

namespace ec::moq {
namespace {

using namespace std::chrono_literals;

// Names, waits and limits are those of the runner's specification.
const track_namespace test_namespace{{"moq-test", "interop"}};
const full_track_name test_track{test_namespace, "test-track"};
const full_track_name missing_track{{{"nonexistent", "namespace"}}, "test-track"};
constexpr auto announce_later = 500ms;
constexpr uint64_t rendezvous_ms = 500;
constexpr auto rendezvous_early = 100ms; // a timer of the relay may be coarse

std::string error_text(const request_error& e) {
  return "REQUEST_ERROR " + std::to_string(e.code) + (e.reason.empty() ? "" : " (" + e.reason + ")");
}

class setup_only final : public interop_case {
public:
  explicit setup_only(interop_stage& s) : interop_case(s, {"client"}, 2s) {}

protected:
  void begin() override { open(0); }
  void up(size_t) override { pass(); }
};

class announce_only : public interop_case {
public:
  explicit announce_only(interop_stage& s) : interop_case(s, {"client"}, 2s) {}

protected:
  void begin() override { open(0); }
  void up(size_t) override {
    expect("REQUEST_OK to PUBLISH_NAMESPACE");
    at(0).publish_namespace(test_namespace);
  }
  void accepted(size_t, request_id) override { pass(); }
};

class publish_namespace_done final : public announce_only {
public:
  using announce_only::announce_only;

protected:
  void accepted(size_t, request_id id) override {
    at(0).withdraw_namespace(id);
    // What withdrawing does to the session shows only in that it lives on.
    expect("a session that outlives the withdrawal");
    wake_after(100ms);
  }
  void at_wake() override { pass(); }
};

class subscribe_error final : public interop_case {
public:
  explicit subscribe_error(interop_stage& s) : interop_case(s, {"client"}, 2s) {}

protected:
  void begin() override { open(0); }
  void up(size_t) override {
    expect("REQUEST_ERROR to SUBSCRIBE");
    at(0).subscribe(missing_track, {});
  }
  void subscribed(size_t, request_id) override { fail("SUBSCRIBE_OK"); }
  void refused(size_t, request_id, const request_error&) override { pass(); }
};

constexpr size_t publisher = 0, subscriber = 1;

class announce_subscribe final : public interop_case {
public:
  explicit announce_subscribe(interop_stage& s) : interop_case(s, {"publisher", "subscriber"}, 3s) {}

protected:
  void begin() override { open(publisher); }
  void up(size_t role) override {
    if (role == publisher) {
      expect("REQUEST_OK to PUBLISH_NAMESPACE");
      at(publisher).publish_namespace(test_namespace);
    } else {
      expect("SUBSCRIBE_OK");
      at(subscriber).subscribe(test_track, {});
    }
  }
  void accepted(size_t, request_id) override { open(subscriber); }
  void subscribed(size_t, request_id) override { pass(); }
};

class subscribe_before_announce final : public interop_case {
public:
  explicit subscribe_before_announce(interop_stage& s) : interop_case(s, {"publisher", "subscriber"}, 3500ms) {}

protected:
  void begin() override { open(subscriber); }
  void up(size_t role) override {
    if (role == subscriber) {
      expect("an answer to SUBSCRIBE");
      at(subscriber).subscribe(test_track, {});
      wake_after(announce_later);
    } else {
      at(publisher).publish_namespace(test_namespace);
    }
  }
  void at_wake() override { open(publisher); }
  void accepted(size_t, request_id) override {
    announced_ = true;
    if (answered_) pass();
  }
  void subscribed(size_t, request_id) override { answer(); }
  void refused(size_t role, request_id id, const request_error& e) override {
    if (role == subscriber) answer(); // as good: not every relay keeps who comes too early
    else interop_case::refused(role, id, e);
  }

private:
  void answer() {
    answered_ = true;
    expect("REQUEST_OK to PUBLISH_NAMESPACE");
    if (announced_) pass();
  }
  bool announced_ = false, answered_ = false;
};

class rendezvous_timeout final : public interop_case {
public:
  explicit rendezvous_timeout(interop_stage& s) : interop_case(s, {"client"}, 5s) {}

protected:
  void begin() override { open(0); }
  void up(size_t) override {
    expect("REQUEST_ERROR TIMEOUT when the time is over");
    asked_ = now();
    subscribe_options o;
    o.rendezvous_timeout_ms = rendezvous_ms;
    at(0).subscribe(missing_track, o);
  }
  void subscribed(size_t, request_id) override { fail("SUBSCRIBE_OK"); }
  void refused(size_t, request_id, const request_error& e) override {
    if (e.code != request_code::timeout) return fail(error_text(e));
    if (now() + rendezvous_early < asked_ + std::chrono::milliseconds(rendezvous_ms)) return fail("REQUEST_ERROR TIMEOUT too early");
    pass();
  }

private:
  base::mono_time asked_{};
};

const full_track_name published_track{{{"moq-test", "publish"}}, "published-track"};

/// What the cases of PUBLISH have in common: a track of one object, and its end.
class publishing : public interop_case {
protected:
  publishing(interop_stage& s, std::vector<std::string_view> names, size_t by, std::string text) :
    interop_case(s, std::move(names), 10s), by_(by), text_(std::move(text)) {}

  void offer() {
    auto added = serves(by_).add(published_track, {}, now());
    if (!added) return fail("internal error: " + added.error().message());
    track_ = added.value();
    expect("REQUEST_OK to PUBLISH");
    at(by_).publish(published_track, {});
  }
  void send_object() {
    object o;
    o.payload = base::bytes::copy(text_);
    auto& store = serves(by_);
    if (const auto sent = store.append(*track_, o, now()); !sent) return fail("internal error: " + sent.error().message());
    store.end_group(*track_, 0, now());
    store.end_track(*track_, done_code::track_ended, "the only object was sent", now());
  }
  const std::string& text() const { return text_; }

private:
  size_t by_;
  std::string text_;
  track* track_ = nullptr;
};

class publish_track_only final : public publishing {
public:
  explicit publish_track_only(interop_stage& s) : publishing(s, {"client"}, 0, "moqt18-publish-track-only") {}

protected:
  void begin() override { open(0); }
  void up(size_t) override { offer(); }
  void accepted(size_t, request_id) override {
    expect("the end of the request stream, behind PUBLISH_DONE");
    send_object(); // nothing of it leaves if the relay wants nothing yet
  }
  void finished(size_t) override { pass(); }
};

class publish_track_subscribe final : public publishing {
public:
  explicit publish_track_subscribe(interop_stage& s) : publishing(s, {"publisher", "subscriber"}, publisher, "moqt18-publish-track-subscribe") {}

protected:
  void begin() override { open(subscriber); }
  void up(size_t role) override {
    if (role == publisher) return offer();
    subscribe_options o;
    o.rendezvous_timeout_ms = 5000;
    at(subscriber).subscribe(published_track, o);
    wake_after(subscriber_first);
  }
  void at_wake() override { open(publisher); }
  void accepted(size_t, request_id) override {
    expect("SUBSCRIBE_OK");
    taken_ = true;
    go_on();
  }
  void subscribed(size_t, request_id) override {
    subscribed_ = true;
    go_on();
  }
  void received(size_t, const object& o) override {
    if (o.at() != location{} || o.payload.text() != text()) return fail("another object than was published");
    if (++objects_ > 1) return fail("the object twice");
    expect("PUBLISH_DONE with one stream");
  }
  void done(size_t, uint64_t status, uint64_t streams) override {
    if (objects_ == 1 && status == done_code::track_ended && streams == 1) return pass();
    fail("PUBLISH_DONE " + std::to_string(status) + " with " + std::to_string(streams) + " streams after " + std::to_string(objects_) + " objects");
  }

private:
  /// What the subscriber asks is on its way before the publisher comes.
  static constexpr auto subscriber_first = 200ms;
  void go_on() {
    if (!taken_ || !subscribed_) return;
    expect("the object");
    send_object();
  }
  bool taken_ = false, subscribed_ = false;
  int objects_ = 0;
};

struct entry {
  std::string_view id;
  std::unique_ptr<interop_case> (*make)(interop_stage&);
  bool rendezvous = false; ///< RENDEZVOUS_TIMEOUT is what it is about, or what it hangs on
};

template <class Case>
constexpr entry row(std::string_view id, bool rendezvous = false) {
  return {id, [](interop_stage& s) -> std::unique_ptr<interop_case> { return std::make_unique<Case>(s); }, rendezvous};
}

constexpr entry cases[] = {
  row<setup_only>("setup-only"),
  row<announce_only>("announce-only"),
  row<publish_namespace_done>("publish-namespace-done"),
  row<subscribe_error>("subscribe-error"),
  row<announce_subscribe>("announce-subscribe"),
  row<subscribe_before_announce>("subscribe-before-announce"),
  row<publish_track_only>("publish-track-only"),
  row<publish_track_subscribe>("publish-track-subscribe", true),
  row<rendezvous_timeout>("rendezvous-timeout", true),
};

} // namespace

/// One session of a case.
struct interop_case::part final : upper_layer {
  part(interop_case& of, size_t role) : owner(of), place(role) {}
  interop_case& owner;
  size_t place;
  session* joined = nullptr;
  track_store store;

  bool over() const { return owner.outcome_.has_value(); }
  void on_setup(const peer_setup&) override {
    if (!over()) owner.up(place);
  }
  void on_closed(uint64_t code, std::string_view reason) override {
    owner.on_gone(place, "the session closed with code " + std::to_string(code) + (reason.empty() ? "" : ": " + std::string(reason)));
  }
  void on_request_ok(request_id id, const request_ok&) override {
    if (!over()) owner.accepted(place, id);
  }
  void on_subscribe_ok(request_id id, const subscribe_ok&) override {
    if (!over()) owner.subscribed(place, id);
  }
  void on_request_error(request_id id, const request_error& e) override {
    if (!over()) owner.refused(place, id, e);
  }
  void on_object(request_id, const object& o) override {
    if (!over()) owner.received(place, o);
  }
  void on_publish_done(request_id, uint64_t status, std::string_view, uint64_t streams) override {
    if (!over()) owner.done(place, status, streams);
  }
  void on_request_closed(request_id) override {
    if (!over()) owner.finished(place);
  }
};

const std::vector<std::string_view>& interop_case::ids() {
  static const auto all = [] {
    std::vector<std::string_view> out;
    for (const auto& c : cases) out.push_back(c.id);
    return out;
  }();
  return all;
}

bool interop_case::needs_rendezvous(std::string_view id) {
  const auto it = std::ranges::find(cases, id, &entry::id);
  return it != std::end(cases) && it->rendezvous;
}

std::unique_ptr<interop_case> interop_case::make(std::string_view id, interop_stage& stage) {
  const auto it = std::ranges::find(cases, id, &entry::id);
  return it == std::end(cases) ? nullptr : it->make(stage);
}

interop_case::interop_case(interop_stage& stage, std::vector<std::string_view> names, base::mono_duration limit) :
  stage_(stage), names_(std::move(names)), limit_(limit) {
  for (size_t i = 0; i < names_.size(); ++i) parts_.push_back(std::make_unique<part>(*this, i));
}

interop_case::~interop_case() = default;

upper_layer& interop_case::listens(size_t role) {
  return *parts_.at(role);
}

track_store& interop_case::serves(size_t role) {
  return parts_.at(role)->store;
}

session& interop_case::at(size_t role) {
  return *parts_.at(role)->joined;
}

void interop_case::start(base::mono_time now) {
  now_ = now;
  until_ = now + limit_;
  for (auto& p : parts_) // who subscribes anyway finds nothing in it but its name
    if (const auto t = p->store.add(test_track, {}, now); !t) return fail("internal error: " + t.error().message());
  expect("SETUP");
  begin();
}

void interop_case::on_dialled(size_t role, session& s) {
  parts_.at(role)->joined = &s;
}

void interop_case::on_gone(size_t role, std::string_view why) {
  parts_.at(role)->joined = nullptr;
  if (!outcome_) fail(std::string(names_[role]) + ": " + std::string(why));
}

void interop_case::on_tick(base::mono_time now) {
  now_ = std::max(now_, now);
  if (outcome_) return;
  if (wake_ && now >= *wake_) {
    wake_.reset();
    at_wake();
  }
  if (!outcome_ && now >= until_) fail("nothing within " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit_).count()) + " ms");
}

std::optional<base::mono_time> interop_case::deadline() const {
  if (outcome_) return std::nullopt;
  return wake_ ? std::min(*wake_, until_) : until_;
}

void interop_case::refused(size_t, request_id, const request_error& e) {
  fail(error_text(e));
}

void interop_case::pass() {
  outcome_ = interop_outcome{true, {}, {}};
  leave_all();
}

void interop_case::fail(std::string received) {
  if (outcome_) return;
  outcome_ = interop_outcome{false, expected_, std::move(received)};
  leave_all();
}

void interop_case::leave_all() {
  for (auto& p : parts_)
    if (auto* s = std::exchange(p->joined, nullptr)) s->close(session_code::no_error, "done");
}

} // namespace ec::moq
