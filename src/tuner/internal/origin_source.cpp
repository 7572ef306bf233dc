#include "tuner/internal/origin_source.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "base/limits_tuner.hpp"
#include "base/log.hpp"
#include "tuner/internal/origin_playlist.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

constexpr size_t live_segments = 3; // that a client begins behind the end [RFC 8216 6.3.3]
constexpr int silent_playlists = 6; // times in a row that a playlist brought nothing new: the origin stands still

class origin_source final : public source {
public:
  origin_source(source_facts facts, net::url from, const source_options& options)
      : source(std::move(facts)), playlist_url_(std::move(from)), timeouts_(options.timeouts) {}

  base::result<base::bytes> read(milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    const auto until = base::mono_now() + wait;
    while (true) {
      if (stopped()) return fail(down(said(fault_kind::stopped, retry_advice::never, "stopped")));
      if (now_) {
        auto got = now_->read(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - base::mono_now())));
        if (got && !got.value().empty()) {
          bytes_ += got.value().size();
          if (bytes_ > base::limits::origin_segment_bytes_max) return fail(down(said(fault_kind::unreadable, retry_advice::soon, "a segment has over 64 MiB")));
          mark_gap(std::exchange(gap_, false));
          return got;
        }
        if (got) return got;
        const bool whole = now_->ended();
        close();
        if (!whole && !stopped()) lose(*next_ - 1, "a segment broke off");
        continue;
      }
      if (!list_ || !next_ || list_->segments.empty() || *next_ > list_->segments.back().sequence) {
        if (list_ && list_->ended) return fail(down(said(fault_kind::ended, retry_advice::never, "the playlist ended")));
        if (list_ && base::mono_now() < again_) {
          if (!pause(std::min(again_, until)) && base::mono_now() >= until) return base::bytes{};
          continue;
        }
        EC_TRYV(read_playlist());
        continue;
      }
      EC_TRYV(open_segment());
    }
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      if (now_) now_->stop();
      if (asking_) asking_->stop();
    }
    woken_.notify_all();
  }

private:
  source_fault said(fault_kind kind, retry_advice retry, const std::string& text) const {
    return {.kind = kind, .retry = retry, .http_status = 0, .device_code = 0, .text = facts().spec + ": " + text};
  }

  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  /// True if `stop` woke it.
  bool pause(base::mono_time until) {
    std::unique_lock lock(mutex_);
    return woken_.wait_until(lock, until, [this] { return stopped_; });
  }

  void close() {
    const std::lock_guard lock(mutex_);
    now_.reset();
  }

  void lose(uint64_t sequence, std::string_view why) {
    gap_ = true;
    base::log::warn("source", "segment-lost", {{"input", facts().spec}, {"sequence", sequence}, {"reason", why}});
  }

  source_fault fault_of(const base::error& why) const {
    if (why.code == errc::timeout) return said(fault_kind::stalled, retry_advice::soon, "no answer in time (" + why.text + ")");
    if (why.code == errc::malformed) return said(fault_kind::unreadable, retry_advice::never, "this is no HTTP server (" + why.text + ")");
    return said(fault_kind::unreachable, retry_advice::soon, "not reachable (" + why.text + ")");
  }

  base::result<void> read_playlist() {
    again_ = base::mono_now() + milliseconds(1000);
    std::string text;
    {
      net::http_stream asking(playlist_url_, timeouts_);
      set_asking(&asking);
      auto opened = asking.open();
      while (opened && asking.status() == 200) {
        auto part = asking.read(milliseconds(100));
        if (!part) {
          if (!asking.ended()) opened = fail(part.error());
          break;
        }
        text.append(part.value().text());
        if (text.size() > base::limits::origin_playlist_bytes_max) break; // which the parser says
      }
      set_asking(nullptr);
      if (stopped()) return base::ok();
      if (!opened) return fail(down(fault_of(opened.error())));
      if (asking.status() != 200) return fail(down(fault_of_answer(asking.status(), asking.headers().find("X-HDHomeRun-Error").value_or(""), facts().spec)));
    }
    auto read = parse_origin_playlist(text);
    if (!read) return fail(down(said(fault_kind::unreadable, read.error().code == errc::unsupported ? retry_advice::never : retry_advice::soon, read.error().message())));
    return take_playlist(std::move(read).value());
  }

  base::result<void> take_playlist(origin_playlist list) {
    const auto last = [](const origin_playlist& l) { return l.segments.empty() ? std::optional<uint64_t>() : std::optional(l.segments.back().sequence); };
    const bool news = !list_ || last(list) != last(*list_) || list.ended != list_->ended;
    again_ = base::mono_now() + std::max<milliseconds>(list.target_duration / 2, milliseconds(250));
    silent_ = news ? 0 : silent_ + 1;
    if (silent_ >= silent_playlists)
      return fail(down(said(fault_kind::stalled, retry_advice::soon, "its playlist brings nothing new")));
    const bool began_anew = next_ && last(list) && *last(list) + 1 < *next_;
    if (began_anew) {
      base::log::warn("source", "playlist-restarted", {{"input", facts().spec}, {"expected", *next_}, {"last", *last(list)}});
      gap_ = true;
    }
    if (!list.segments.empty() && (!next_ || began_anew)) {
      const auto behind = list.ended || list.segments.size() < live_segments ? list.segments.size() : live_segments;
      next_ = list.segments[list.segments.size() - behind].sequence;
    }
    list_ = std::move(list);
    return base::ok();
  }

  void set_asking(net::http_stream* asking) {
    const std::lock_guard lock(mutex_);
    asking_ = asking;
    if (asking_ && stopped_) asking_->stop();
  }

  base::result<void> open_segment() {
    const auto found = std::ranges::find_if(list_->segments, [this](const origin_segment& s) { return s.sequence >= *next_; });
    if (found->sequence > *next_) lose(*next_, "it left the playlist before it was read");
    if (found->discontinuity) gap_ = true;
    next_ = found->sequence + 1;
    if (found->missing) {
      lose(found->sequence, "the playlist says that it is not there");
      return base::ok();
    }
    auto at = net::resolve_url(playlist_url_, found->uri);
    if (!at) {
      lose(found->sequence, at.error().message());
      return base::ok();
    }
    auto segment = std::make_unique<net::http_stream>(std::move(at).value(), timeouts_);
    auto* opening = segment.get();
    {
      const std::lock_guard lock(mutex_);
      now_ = std::move(segment);
      if (stopped_) now_->stop();
    }
    bytes_ = 0;
    const auto opened = opening->open();
    if (opened && opening->status() == 200) return base::ok();
    if (stopped()) return base::ok();
    const auto status = opened ? opening->status() : 0;
    close();
    if (!opened) return fail(down(fault_of(opened.error())));
    lose(*next_ - 1, "HTTP status " + std::to_string(status));
    return base::ok();
  }

  const net::url playlist_url_;
  const net::http_timeouts timeouts_;
  std::optional<origin_playlist> list_;
  std::optional<uint64_t> next_; ///< sequence of the segment to be read next
  base::mono_time again_;        ///< when the playlist may be read again
  int silent_ = 0;
  size_t bytes_ = 0;             ///< of the segment under way
  bool gap_ = false;
  mutable std::mutex mutex_; ///< of what stop() touches
  std::condition_variable woken_;
  std::unique_ptr<net::http_stream> now_;
  net::http_stream* asking_ = nullptr;
  bool stopped_ = false;
};

} // namespace

std::unique_ptr<source> make_origin_source(source_facts facts, net::url from, const source_options& options) {
  return std::make_unique<origin_source>(std::move(facts), std::move(from), options);
}

} // namespace ec::tuner::internal
