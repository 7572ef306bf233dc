#include "node/console.hpp"

#include <cstdio>
#include <string>

#include <unistd.h>

#include "base/clock.hpp"

namespace ec::node {
namespace {

namespace json = base::json;

/// One value as a person reads it: text without quotes.
std::string plain(const json::value& v) {
  if (const auto* s = v.as_string()) return *s;
  return json::dump(v);
}

class console final : public actors::observer_actor::base {
public:
  console(caf::actor_config& cfg, console_mode mode, std::shared_ptr<console_outcome> outcome) :
    actors::observer_actor::base(cfg), mode_(mode), outcome_(std::move(outcome)), live_(mode == console_mode::human && isatty(1) == 1) {}

  ~console() override { clear_progress(); }

  behavior_type make_behavior() override {
    return {[this](const actors::report& r) { on(r); }};
  }

private:
  void on(const actors::report& r) {
    if (r.event == "too-many-invalid") outcome_->failed = true;
    if (mode_ == console_mode::quiet) return;
    if (mode_ == console_mode::json) {
      json::object line{{"event", r.event}, {"unix_ms", base::unix_ms(base::wall_now())}};
      line.insert(line.end(), r.fields.begin(), r.fields.end());
      std::printf("%s\n", json::dump(line).c_str());
      std::fflush(stdout);
      return;
    }
    if (r.event == "stream-named") return; // stands above the first line already
    // Steady work is one line that is written over; what changes gets a line of its own.
    if (r.event == "chunk-cut" || r.event == "chunk" || r.event == "signed" || r.event == "segment") progress(r);
    else line(r);
  }

  void line(const actors::report& r) {
    clear_progress();
    std::string text = r.event;
    for (const auto& [key, value] : r.fields) text += "  " + key + "=" + plain(value);
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }

  void progress(const actors::report& r) {
    const auto count = [&](const char* key) {
      const auto* v = find(r, key);
      return v != nullptr && v->as_bool() != nullptr && *v->as_bool();
    };
    if (r.event == "chunk-cut") {
      ++(count("damaged") ? damaged_ : whole_);
      last_ = plain(*find(r, "chunk"));
    } else if (r.event == "signed") {
      ++signed_;
    } else if (r.event == "chunk") {
      ++(count("verified") ? verified_ : unverified_);
      if (count("damaged")) ++damaged_;
      last_ = plain(*find(r, "chunk"));
    } else {
      ++segments_;
    }
    std::string text = "chunk " + last_;
    const auto add = [&](uint64_t n, const char* what) {
      if (n > 0) text += ", " + std::to_string(n) + " " + what;
    };
    add(whole_, "cut whole");
    add(signed_, "manifests signed");
    add(verified_, "verified");
    add(unverified_, "not verified");
    add(damaged_, "damaged");
    add(segments_, "segments written");
    if (live_) {
      std::printf("\r\x1b[K%s", text.c_str());
      open_line_ = true;
    } else if (r.event != "segment" && r.event != "signed") {
      std::printf("%s\n", text.c_str());
    }
    std::fflush(stdout);
  }

  void clear_progress() {
    if (open_line_) std::printf("\n");
    open_line_ = false;
    std::fflush(stdout);
  }

  static const json::value* find(const actors::report& r, const char* key) {
    for (const auto& [k, v] : r.fields)
      if (k == key) return &v;
    return nullptr;
  }

  console_mode mode_;
  std::shared_ptr<console_outcome> outcome_;
  bool live_ = false;
  bool open_line_ = false;
  std::string last_;
  uint64_t whole_ = 0, signed_ = 0, verified_ = 0, unverified_ = 0, damaged_ = 0, segments_ = 0;
};

} // namespace

actors::observer_actor spawn_console(caf::actor_system& sys, console_mode mode, std::shared_ptr<console_outcome> outcome) {
  return sys.spawn<console>(mode, std::move(outcome));
}

} // namespace ec::node
