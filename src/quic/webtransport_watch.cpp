#include "quic/webtransport_watch.hpp"

#include <algorithm>

namespace ec::quic {

void webtransport_watch::forget(const webtransport& web) {
  std::erase_if(waiting_, [&](const auto& w) { return w.second == &web; });
}

std::optional<base::mono_time> webtransport_watch::deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.front().first;
}

std::vector<std::string> webtransport_watch::on_timer(base::mono_time now) {
  std::vector<std::string> missed;
  while (!waiting_.empty() && waiting_.front().first <= now) {
    auto* web = waiting_.front().second;
    waiting_.pop_front();
    if (web->connected()) continue; // a session that came and went took its connection along
    ++missed_;
    missed.push_back(web->peer().to_string());
    web->close(0, "no session was opened in time");
  }
  return missed;
}

} // namespace ec::quic
