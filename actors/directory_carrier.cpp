#include "actors/directory_carrier.hpp"

#include <map>
#include <tuple>
#include <utility>

#include "base/log.hpp"
#include "discovery/directory.hpp"

namespace ec::actors {
namespace {

using namespace std::chrono_literals;

class directory_reader final : public carrier_actor::base {
public:
  directory_reader(caf::actor_config& cfg, directory_carrier_config config, announcement_sink_actor sink, observer_actor observer) :
    carrier_actor::base(cfg), config_(std::move(config)), sink_(std::move(sink)), observer_(std::move(observer)) {
    status_.by = discovery::carrier_kind::directory;
    status_.name = "directory " + config_.directory.text();
  }

  behavior_type make_behavior() override {
    send(this, tick_atom::value);
    return {
      [this](const carried_announcement& c) {
        if (!config_.pass_on && c.from.by != discovery::carrier_kind::self) return;
        // What came from a directory is not for this one to be told back.
        if (c.from.by == discovery::carrier_kind::directory) return;
        waiting_[{c.what->stream_id.text(), c.what->signer, c.what->source_node}] = c.encoded;
        if (std::exchange(posting_, true)) return;
        // Behind what waits in the mailbox: a burst is posted once, in its newest version.
        send(this, tick_atom::value);
      },
      [](const wanted_stream&) {}, // everything is listed
      [this](status_atom) { return status_; },
      [this](tick_atom) {
        post();
        if (const auto now = clock().now(); now >= look_at_) poll(now);
      },
      [this](stop_atom) {
        post();
        quit();
      },
    };
  }

  void on_exit() override {
    sink_ = nullptr;
    observer_ = nullptr;
  }

private:
  using slot = std::tuple<std::string, crypto::verifying_key, std::string>;

  void post() {
    posting_ = false;
    while (!waiting_.empty()) {
      const auto [key, encoded] = *waiting_.begin();
      const auto answer = config_.ask(discovery::upsert_url(config_.directory), discovery::upsert_call(encoded, config_.token));
      if (!answer) return fault(answer.error().message()); // what waits is posted with the next look
      ++status_.sent;
      status_.bytes_out += encoded.size();
      const auto code = answer.value().status;
      if (code == 429 || code >= 500) return fault("it answered " + std::to_string(code) + " to a post");
      waiting_.erase(key);
      if (code >= 400 && code != 409) fault("it refused an announcement: " + std::to_string(code) + " " + std::string(answer.value().body.text().substr(0, 200)));
      else if (code < 400) restored(posts_faulty_);
    }
  }

  void poll(base::mono_time now) {
    look_at_ = now + 1h; // until the sink has judged this one
    auto answer = config_.ask(discovery::listing_url(config_.directory, place_), {});
    if (answer && answer.value().status != 200) answer = base::fail(base::errc::refused, "it answered " + std::to_string(answer.value().status));
    if (!answer) return again(answer.error().message());
    auto listing = discovery::read_listing(answer.value().body.text());
    if (!listing) return again(listing.error().message());
    restored(faulty_);
    status_.bytes_in += answer.value().body.size();
    auto& l = listing.value();
    status_.heard += l.encoded.size();
    place_ = l.place;
    const auto next = l.more ? 0ms : config_.poll;
    if (l.encoded.empty()) return later(next);
    request(sink_, caf::infinite, heard_announcements{discovery::carrier_kind::directory, config_.directory.authority(), std::move(l.encoded)})
      .then([this, next](const heard_verdicts&) { later(next); }, [this](const caf::error&) { quit(); });
  }

  void again(const std::string& why) {
    faulty_ = true;
    fault(why);
    later(config_.poll);
  }

  void later(std::chrono::milliseconds after) {
    look_at_ = clock().now() + after;
    delayed_send(this, after, tick_atom::value);
  }

  void fault(const std::string& why) {
    ++status_.faults;
    if (!faulty_) posts_faulty_ = true;
    if (status_.fault.empty()) {
      base::log::warn("directory_carrier", "carrier-fault", {{"carrier", status_.name}, {"reason", why}});
      if (observer_) send(observer_, report{"carrier-fault", {{"carrier", status_.name}, {"reason", why}}});
    }
    status_.fault = why;
  }

  void restored(bool& which) {
    which = false;
    if (status_.fault.empty() || faulty_ || posts_faulty_) return;
    status_.fault.clear();
    if (observer_) send(observer_, report{"carrier-restored", {{"carrier", status_.name}}});
  }

  directory_carrier_config config_;
  announcement_sink_actor sink_;
  observer_actor observer_;
  carrier_status status_;
  discovery::directory_place place_;
  std::map<slot, base::bytes> waiting_; ///< to be posted
  bool posting_ = false; ///< a tick for it is under way
  base::mono_time look_at_{};
  bool faulty_ = false;       ///< the last look
  bool posts_faulty_ = false; ///< the last post
};

} // namespace

base::result<net::http_answer> ask_directory(const net::url& where, const net::http_call& call) {
  return net::http_ask(where, call, {.connect = 2000ms, .header = 3000ms, .stall = 3000ms});
}

carrier_spec directory_carrier(directory_carrier_config config, observer_actor observer, placement where) {
  const auto name = "directory " + config.directory.text();
  return {name, [config = std::move(config), observer = std::move(observer), where](caf::actor_system& sys, announcement_sink_actor sink) -> base::result<carrier_actor> {
            return caf::actor_cast<carrier_actor>(spawn_at<directory_reader>(sys, where, config, std::move(sink), observer));
          }};
}

} // namespace ec::actors
