#include "discovery/peer_book.hpp"

#include <algorithm>
#include <array>

#include "discovery/announcement_table.hpp"

namespace ec::discovery {
namespace {

struct block {
  std::array<uint8_t, 4> begin;
  int bits;
};

/// What the registry of special addresses [RFC 6890] keeps from the internet.
constexpr block special_v4[] = {
  {{0, 0, 0, 0}, 8}, {{10, 0, 0, 0}, 8}, {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8}, {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},
  {{192, 0, 0, 0}, 24}, {{192, 0, 2, 0}, 24}, {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
  {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 3},
};
/// Within 2000::/3, of which the internet is made: Teredo, documentation, 6to4 (an IPv4 address of anybody's choice is inside).
constexpr block special_v6[] = {{{0x20, 0x01, 0, 0}, 32}, {{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0x20, 0x02, 0, 0}, 16}, {{0x3f, 0xff, 0, 0}, 20}};

bool within(std::span<const uint8_t> host, const block& b) {
  for (int bit = 0; bit < b.bits; ++bit)
    if (((host[bit / 8] ^ b.begin[bit / 8]) >> (7 - bit % 8)) & 1) return false;
  return true;
}

} // namespace

bool globally_reachable(std::span<const uint8_t> host, uint16_t port) {
  if (port < 1024 && port != 443) return false;
  const auto is = [&](const block& b) { return within(host, b); };
  if (host.size() == 4) return std::ranges::none_of(special_v4, is);
  return host.size() == 16 && (host[0] & 0xe0) == 0x20 && std::ranges::none_of(special_v6, is);
}

bool peer_book::want(const std::string& stream, base::mono_time now) {
  if (!streams_.contains(stream) && streams_.size() >= config_.streams) return false;
  streams_[stream] = now + config_.forget_stream;
  return true;
}

void peer_book::found(const std::string& stream, const found_peer& peer, base::mono_time now) {
  ++counters_.found;
  if (!wanted(stream)) return;
  if (config_.anybody && !peer.reachable) {
    ++counters_.unreachable;
    return;
  }
  if (const auto known = peers_.find(peer.address); known != peers_.end() && known->second.streams.contains(stream)) return;
  if (config_.anybody) {
    const auto near = neighbourhood(peer.address);
    const auto same = std::ranges::count_if(peers_, [&](const auto& p) { return p.second.streams.contains(stream) && neighbourhood(p.first) == near; });
    if (static_cast<size_t>(same) >= config_.per_neighbourhood) {
      ++counters_.no_room;
      return;
    }
  }
  if (!make_room(stream)) {
    ++counters_.no_room;
    return;
  }
  auto [at, fresh] = peers_.try_emplace(peer.address);
  at->second.streams.insert(stream);
  if (!fresh) return;
  at->second.order = next_order_++;
  at->second.next = now;
}

/// Who failed most often makes room for who is new; who was not tried yet, or is dialled, does not.
bool peer_book::make_room(const std::string& stream) {
  size_t count = 0;
  auto worst = peers_.end();
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    const auto& p = at->second;
    if (!p.streams.contains(stream)) continue;
    ++count;
    if (!p.dialled && p.fails > 0 && (worst == peers_.end() || p.fails > worst->second.fails)) worst = at;
  }
  if (count < config_.per_stream) return true;
  if (worst == peers_.end()) return false;
  worst->second.streams.erase(stream);
  if (worst->second.streams.empty()) peers_.erase(worst);
  return true;
}

void peer_book::useful(const std::string& address, std::chrono::milliseconds ttl, base::mono_time now) {
  const auto at = peers_.find(address);
  if (at == peers_.end()) return;
  at->second.proven = true;
  at->second.fails = 0;
  at->second.until = std::max(at->second.until, now + ttl);
}

void peer_book::useless(const std::string& address, base::mono_time now) {
  const auto at = peers_.find(address);
  if (at == peers_.end() || !at->second.dialled) return;
  auto& p = at->second;
  p.proven = false;
  p.since = p.until = now - config_.trial; // its time is over
  while (wait(p.fails) < config_.again_max) ++p.fails;
}

void peer_book::lost(const std::string& address, base::mono_time now) {
  const auto at = peers_.find(address);
  if (at != peers_.end() && at->second.dialled) at->second.since = at->second.until = now - config_.trial;
}

std::chrono::milliseconds peer_book::wait(unsigned fails) const {
  return fails > 20 ? config_.again_max : std::min(config_.again_max, config_.again_first * (int64_t{1} << fails));
}

void peer_book::leave(const std::string& address, peer& p, base::mono_time next, step& out) {
  p.dialled = p.proven = false;
  p.next = next;
  out.leave.push_back(address);
}

size_t peer_book::places(const std::string& stream, bool proven) const {
  return static_cast<size_t>(std::ranges::count_if(peers_, [&](const auto& p) { return p.second.dialled && p.second.proven == proven && p.second.streams.contains(stream); }));
}

/// Of too many that are useful those stay that were there first; the others are visited again when half of the time of what they gave is over.
void peer_book::visit_only(const std::string& stream, base::mono_time now, step& out) {
  for (auto over = places(stream, true); over > config_.kept; --over) {
    auto last = peers_.end();
    for (auto at = peers_.begin(); at != peers_.end(); ++at)
      if (at->second.dialled && at->second.proven && at->second.streams.contains(stream) && (last == peers_.end() || at->second.since >= last->second.since)) last = at;
    leave(last->first, last->second, now + (last->second.until - now) / 2, out);
  }
}

peer_book::step peer_book::look(base::mono_time now) {
  step out;
  std::erase_if(streams_, [&](const auto& s) { return s.second <= now; });
  for (auto at = peers_.begin(); at != peers_.end();) {
    auto& p = at->second;
    std::erase_if(p.streams, [&](const std::string& s) { return !wanted(s); });
    if (p.dialled && p.streams.empty()) leave(at->first, p, now, out);
    else if (p.dialled && now >= std::max(p.since, p.until) + config_.trial) {
      if (!p.proven) ++counters_.fruitless;
      leave(at->first, p, now + wait(p.fails), out);
      ++p.fails;
    }
    at = p.streams.empty() ? peers_.erase(at) : std::next(at);
  }
  for (const auto& [stream, unused] : streams_) visit_only(stream, now, out);

  std::vector<std::map<std::string, peer>::iterator> due;
  for (auto at = peers_.begin(); at != peers_.end(); ++at)
    if (!at->second.dialled && at->second.next <= now) due.push_back(at);
  std::ranges::sort(due, [](const auto& a, const auto& b) { return std::pair(a->second.fails, a->second.order) < std::pair(b->second.fails, b->second.order); });
  auto room = config_.dialled - std::min(config_.dialled, dialled_now());
  for (const auto& at : due) {
    auto& p = at->second;
    if (room == 0) break;
    if (std::ranges::none_of(p.streams, [&](const std::string& s) { return places(s, false) < config_.tried; })) continue;
    p.dialled = true;
    p.since = p.until = now;
    ++counters_.dialled;
    --room;
    out.dial.push_back(at->first);
  }
  return out;
}

size_t peer_book::dialled_now() const {
  return static_cast<size_t>(std::ranges::count_if(peers_, [](const auto& p) { return p.second.dialled; }));
}

size_t peer_book::useful_now(const std::string& stream, base::mono_time now) const {
  return static_cast<size_t>(std::ranges::count_if(peers_, [&](const auto& p) { return p.second.until > now && p.second.streams.contains(stream); }));
}

} // namespace ec::discovery
