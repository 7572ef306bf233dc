#include "tuner/internal/http_source.hpp"

#include <algorithm>
#include <atomic>

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

/// True for media types that can be no transport stream. Devices and servers name those in many ways, or not at all.
bool is_document(std::string_view type) {
  std::string t(type.substr(0, type.find(';')));
  std::ranges::transform(t, t.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  while (!t.empty() && t.back() == ' ') t.pop_back();
  for (const std::string_view start : {"text/", "image/", "font/"})
    if (t.starts_with(start)) return true;
  for (const std::string_view end : {"json", "xml", "mpegurl", "javascript", "pdf"})
    if (t.starts_with("application/") && t.ends_with(end)) return true;
  return t == "audio/mpegurl" || t == "audio/x-mpegurl"; // playlists that name streams
}

class http_source final : public source {
public:
  http_source(source_facts facts, net::url from, const source_options& options)
      : source(std::move(facts)), bounded_(net::query_value(from.query, "duration").has_value()), where_(from.text()),
        stream_(std::move(from), options.timeouts) {}

  base::result<base::bytes> read(std::chrono::milliseconds wait) override {
    if (fault()) return fail(down(*fault()));
    if (!open_) {
      if (auto opened = stream_.open(); !opened) return fail(down(fault_of(opened.error(), true)));
      open_ = true;
      if (stream_.status() != 200) {
        const auto device = stream_.headers().find("X-HDHomeRun-Error");
        return fail(down(fault_of_answer(stream_.status(), device.value_or(""), where_)));
      }
      // 200 and a page: a device under update, a proxy, a login. It is not to be searched for packets.
      if (const auto type = stream_.headers().find("Content-Type"); type && is_document(*type))
        return fail(down({.kind = fault_kind::unreadable, .retry = retry_advice::soon, .http_status = 200, .device_code = 0,
          .text = where_ + ": the answer is '" + std::string(type->substr(0, 80)) + "', not a transport stream: is this the address of a stream?"}));
    }
    auto got = stream_.read(wait);
    if (!got) return fail(down(fault_of(got.error(), false)));
    return got;
  }

  void stop() override {
    stopped_ = true;
    stream_.stop();
  }

private:
  source_fault fault_of(const base::error& why, bool opening) const {
    source_fault f;
    const auto say = [&](fault_kind kind, retry_advice retry, std::string_view what) {
      f.kind = kind;
      f.retry = retry;
      f.text = where_ + ": " + std::string(what);
      if (kind != fault_kind::ended && kind != fault_kind::stopped && !why.text.empty()) f.text += " (" + why.text + ")";
      return f;
    };
    if (stopped_) return say(fault_kind::stopped, retry_advice::never, "stopped");
    if (!opening && stream_.ended())
      return bounded_ ? say(fault_kind::ended, retry_advice::never, "the stream ended after its duration")
                      : say(fault_kind::ended, retry_advice::soon, "the device closed the stream");
    switch (why.code) {
    case errc::timeout: return say(fault_kind::stalled, retry_advice::soon, opening ? "no answer in time" : "the stream has stalled");
    case errc::malformed: return say(fault_kind::unreadable, retry_advice::never, "this is no HTTP server");
    default: return say(fault_kind::unreachable, retry_advice::soon, opening ? "not reachable" : "the connection broke");
    }
  }

  const bool bounded_;
  const std::string where_;
  net::http_stream stream_;
  bool open_ = false;
  std::atomic<bool> stopped_{false};
};

} // namespace

std::unique_ptr<source> make_http_source(source_facts facts, net::url from, const source_options& options) {
  return std::make_unique<http_source>(std::move(facts), std::move(from), options);
}

} // namespace ec::tuner::internal
