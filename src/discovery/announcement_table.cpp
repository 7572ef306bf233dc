#include "discovery/announcement_table.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ec::discovery {
namespace {

namespace limits = base::limits;

constexpr pace directory_pace{limits::announcements_per_directory_burst, limits::announcements_per_directory_second};
constexpr pace address_pace{limits::announcements_per_address_burst, limits::announcements_per_address_second};
constexpr pace key_pace{limits::announcements_per_key_burst, limits::announcements_per_key_second};
constexpr pace check_pace{limits::announcement_checks_burst, limits::announcement_checks_second};
constexpr double forged_weight = 8; ///< no honest peer sends one

const pace& pace_of(carrier_kind by) {
  return by == carrier_kind::directory ? directory_pace : address_pace;
}

/// Shares and rates of one address are apart by carrier: a directory's host may also be a peer.
std::string payer(const std::string& address, carrier_kind by) {
  return std::string(name(by)) + " " + address;
}

verdict verdict_of(base::errc code) {
  if (code == base::errc::too_large) return verdict::too_large;
  return code == base::errc::unsupported ? verdict::unsupported : verdict::malformed;
}

} // namespace

std::string_view name(carrier_kind by) {
  switch (by) {
  case carrier_kind::self: return "self";
  case carrier_kind::directory: return "directory";
  case carrier_kind::gossip: return "gossip";
  case carrier_kind::dht: return "dht";
  case carrier_kind::mdns: return "mdns";
  case carrier_kind::post: return "post";
  }
  return "?";
}

std::string_view name(verdict v) {
  static constexpr std::array<std::string_view, verdicts> names{"added", "renewed", "withdrawn", "duplicate", "too_large", "malformed", "unsupported",
    "expired", "from_future", "replayed", "over_address_rate", "over_key_rate", "over_check_rate", "full_address", "full_key", "full_stream", "full",
    "bad_signature", "equivocation"};
  return names[static_cast<size_t>(v)];
}

bool accepted(verdict v) {
  return v == verdict::added || v == verdict::renewed || v == verdict::withdrawn;
}

std::string neighbourhood(std::string_view address) {
  if (!address.starts_with('[')) return std::string(address.substr(0, address.rfind(':')));
  auto host = address.substr(1, std::min(address.find(']'), address.size()) - 1);
  host = host.substr(0, host.find('%'));
  // The first four groups: a household gets at least 2^64 addresses. What "::" leaves out among them is zeros.
  std::string out;
  size_t groups = 0;
  while (groups < 4 && !host.empty()) {
    const auto colon = std::min(host.find(':'), host.size());
    if (colon == 0) break; // "::"
    out += std::string(host.substr(0, colon)) + ":";
    host.remove_prefix(std::min(colon + 1, host.size()));
    ++groups;
  }
  while (out.ends_with(":0:")) out.resize(out.size() - 2); // written out or not, zeros are zeros
  return out + ":";
}

announcement_table::outcome announcement_table::refuse(verdict v, std::string reason) {
  return {v, std::move(reason), std::nullopt};
}

size_t announcement_table::share(const std::string& address, carrier_kind by) const {
  const auto at = by_address_.find(payer(address, by));
  return at == by_address_.end() ? 0 : at->second;
}

announcement_table::outcome announcement_table::push(std::span<const uint8_t> encoded, const origin& from, base::wall_time wall, base::mono_time now) {
  auto out = judge(encoded, from, wall, now);
  ++counts_[static_cast<size_t>(out.what)];
  return out;
}

announcement_table::outcome announcement_table::judge(std::span<const uint8_t> encoded, const origin& from, base::wall_time wall, base::mono_time now) {
  if (encoded.size() > limits::announcement_bytes_max)
    return refuse(verdict::too_large, "an announcement of " + std::to_string(encoded.size()) + " bytes");
  const auto address = neighbourhood(from.address);
  const auto& pace = pace_of(from.by);
  const bool own = from.by == carrier_kind::self;
  bucket* purse = own ? nullptr : address_rates_.find(payer(address, from.by), pace, now);
  if (!own && (purse == nullptr || !purse->try_take(pace, now)))
    return refuse(verdict::over_address_rate, address + " brings more announcements than one address may");

  auto read = decode(base::as_text(encoded));
  if (!read) return refuse(verdict_of(read.error().code), read.error().message());
  const auto& a = read.value();
  const auto wall_ms = static_cast<uint64_t>(std::max<int64_t>(base::unix_ms(wall), 0));
  if (a.updated_unix_ms > wall_ms + limits::announcement_ahead_ms_max)
    return refuse(verdict::from_future, "its signer's clock is " + std::to_string((a.updated_unix_ms - wall_ms) / 1000) + " s ahead of this node's");
  if (a.updated_unix_ms + a.ttl_ms <= wall_ms)
    return refuse(verdict::expired, "it counted until " + std::to_string((wall_ms - a.updated_unix_ms - a.ttl_ms) / 1000) + " s ago, by this node's clock");

  const slot key{a.stream_id.text(), a.signer, a.source_node};
  const auto known = entries_.find(key);
  if (known != entries_.end()) {
    const auto& before = *known->second.it.what;
    if (a.sequence < before.sequence) return refuse(verdict::replayed, "a newer one of this source is known");
    if (a.sequence == before.sequence && std::ranges::equal(encoded, known->second.it.encoded)) return refuse(verdict::duplicate, {});
  } else if (auto full = no_room(a, from, address)) {
    return std::move(*full);
  }
  if (!own) {
    // The signer's own rate is asked before his signature is checked and charged after it: nobody else can use it up.
    if (auto* of_key = key_rates_.peek(a.signer); of_key != nullptr && of_key->left(key_pace, now) < 1)
      return refuse(verdict::over_key_rate, "its signer announces more than one key may");
    if (!checks_.try_take(check_pace, now)) return refuse(verdict::over_check_rate, "more announcements come than this node checks");
  }
  ++checked_;
  if (!genuine(a)) {
    if (purse != nullptr) purse->take(pace, forged_weight - 1, now);
    return refuse(verdict::bad_signature, "it is not signed by the key that it names");
  }
  if (!own)
    if (auto* of_key = key_rates_.find(a.signer, key_pace, now)) of_key->take(key_pace, 1, now);
  if (known != entries_.end() && a.sequence == known->second.it.what->sequence)
    return refuse(verdict::equivocation, "its signer said something else under sequence " + std::to_string(a.sequence));

  // Room is made by others only for what is genuine.
  if (known == entries_.end() && entries_.size() >= limits_.announcements && !crowd_out(payer(address, from.by)))
    return refuse(verdict::full, "the table is full");
  entry e;
  e.gone = a.transports.empty();
  e.address = address;
  e.by = from.by;
  const auto updated = std::chrono::milliseconds(std::min(a.updated_unix_ms, wall_ms));
  e.counts_until = now + (updated + std::chrono::milliseconds(a.ttl_ms) - std::chrono::milliseconds(wall_ms));
  e.known_until = now + std::chrono::milliseconds(a.updated_unix_ms + a.ttl_ms - wall_ms);
  e.it = {std::make_shared<const announcement>(a), base::bytes::copy(encoded), from, ++version_};
  const bool was_there = known != entries_.end() && !known->second.gone;
  if (known != entries_.end()) erase(known);
  const auto result = e.gone ? verdict::withdrawn : was_there ? verdict::renewed : verdict::added;
  outcome out{result, {}, e.it};
  link(key, e);
  entries_.emplace(key, std::move(e));
  return out;
}

std::optional<announcement_table::outcome> announcement_table::no_room(const announcement& a, const origin& from, const std::string& address) {
  if (from.by != carrier_kind::self && from.by != carrier_kind::directory && share(address, from.by) >= limits_.per_address)
    return refuse(verdict::full_address, address + " brought as many announcements as one address may");
  if (const auto at = by_key_.find(a.signer); at != by_key_.end() && at->second >= limits_.per_key)
    return refuse(verdict::full_key, "its signer stands for as many announcements as one key may");
  if (const auto at = by_stream_.find(a.stream_id.text()); at != by_stream_.end() && at->second >= limits_.per_stream)
    return refuse(verdict::full_stream, "the stream has as many sources as are kept");
  // Where it would have to make room for itself, no signature is worth checking.
  if (entries_.size() >= limits_.announcements) {
    const auto most = std::ranges::max_element(by_address_, {}, [](const auto& of) { return of.second; });
    if (most->first == payer(address, from.by)) return refuse(verdict::full, "the table is full, and " + address + " filled it");
  }
  return std::nullopt;
}

/// Who brought the most gives up the one of his that would end first.
bool announcement_table::crowd_out(const std::string& newcomer) {
  const auto most = std::ranges::max_element(by_address_, {}, [](const auto& of) { return of.second; });
  if (most == by_address_.end() || most->first == newcomer) return false;
  auto victim = entries_.end();
  for (auto at = entries_.begin(); at != entries_.end(); ++at)
    if (payer(at->second.address, at->second.by) == most->first && (victim == entries_.end() || at->second.known_until < victim->second.known_until)) victim = at;
  if (victim == entries_.end()) return false;
  ++crowded_out_;
  erase(victim);
  return true;
}

void announcement_table::link(const slot& key, const entry& e) {
  ++by_stream_[std::get<0>(key)];
  ++by_key_[std::get<1>(key)];
  ++by_address_[payer(e.address, e.by)];
  due_.emplace(e.gone ? e.known_until : e.counts_until, key);
  if (e.gone) return;
  for (const auto& n : names(*e.it.what)) by_name_[n].insert(key);
}

void announcement_table::unlink(const slot& key, const entry& e) {
  const auto drop = [](auto& map, const auto& at) {
    const auto found = map.find(at);
    if (found != map.end() && --found->second == 0) map.erase(found);
  };
  drop(by_stream_, std::get<0>(key));
  drop(by_key_, std::get<1>(key));
  drop(by_address_, payer(e.address, e.by));
  const auto [first, last] = due_.equal_range(e.gone ? e.known_until : e.counts_until);
  for (auto at = first; at != last; ++at)
    if (at->second == key) {
      due_.erase(at);
      break;
    }
  if (e.gone) return;
  for (const auto& n : names(*e.it.what)) {
    const auto found = by_name_.find(n);
    if (found == by_name_.end()) continue;
    found->second.erase(key);
    if (found->second.empty()) by_name_.erase(found);
  }
}

void announcement_table::erase(std::map<slot, entry>::iterator at) {
  unlink(at->first, at->second);
  entries_.erase(at);
}

std::vector<source> announcement_table::expire(base::mono_time now) {
  std::vector<source> out;
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto at = entries_.find(due_.begin()->second);
    auto e = at->second;
    const auto key = at->first;
    erase(at);
    if (!e.gone) {
      out.push_back(e.it);
      ++version_;
      // Signed ahead of our clock: it is over, but its bytes would still pass as new.
      if (e.known_until > now) {
        e.gone = true;
        link(key, e);
        entries_.emplace(key, std::move(e));
      }
    }
  }
  return out;
}

std::optional<base::mono_time> announcement_table::deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::vector<source> announcement_table::find(const identity::stream_id& id) const {
  std::vector<source> own, others;
  const auto at = by_name_.find(id.text());
  if (at == by_name_.end()) return own;
  std::set<slot> all = at->second;
  // By the other names that those state for it.
  for (const auto& key : at->second)
    for (const auto& n : names(*entries_.at(key).it.what))
      if (const auto more = by_name_.find(n); more != by_name_.end()) all.insert(more->second.begin(), more->second.end());
  for (const auto& key : all) (std::get<0>(key) == id.text() ? own : others).push_back(entries_.at(key).it);
  own.insert(own.end(), others.begin(), others.end());
  return own;
}

std::vector<source> announcement_table::all() const {
  std::vector<source> out;
  for (const auto& [key, e] : entries_)
    if (!e.gone) out.push_back(e.it);
  return out;
}

std::vector<source> announcement_table::since(uint64_t version) const {
  std::vector<source> out;
  for (const auto& [key, e] : entries_)
    // What expired is told by its own time; what was withdrawn has to be said.
    if (e.it.version > version && (!e.gone || e.it.what->transports.empty())) out.push_back(e.it);
  std::ranges::sort(out, {}, &source::version);
  return out;
}

} // namespace ec::discovery
