#include "access/ledger.hpp"

#include <algorithm>

namespace ec::access {

seat::~seat() {
  for (const auto& name : accounts_) {
    const auto at = home_.accounts_.find(name);
    std::erase(at->second.seats, this);
    if (at->second.seats.empty()) home_.accounts_.erase(at);
  }
}

std::optional<std::string> seat::join(const std::string& name, bool is_token, size_t limit, const std::string& who) {
  if (std::ranges::find(accounts_, name) != accounts_.end()) return std::nullopt;
  const auto known = home_.accounts_.find(name);
  if (limit > 0 && known != home_.accounts_.end() && known->second.seats.size() >= limit)
    return who + " has " + std::to_string(limit) + " sessions here, as many as it may";
  auto& account = home_.accounts_[name];
  account.is_token = is_token;
  account.seats.push_back(this);
  accounts_.push_back(name);
  return std::nullopt;
}

std::optional<std::string> seat::sit() {
  return join("address " + address_, false, home_.limits_.sessions_per_address, "its address");
}

std::optional<std::string> seat::show(const std::string& token, const std::string& who) {
  return join("token " + token, true, home_.limits_.sessions_per_token, who);
}

std::optional<std::string> seat::ask() const {
  for (const auto& name : accounts_) {
    const auto& account = home_.accounts_.at(name);
    const auto limit = account.is_token ? home_.limits_.requests_per_token : home_.limits_.requests_per_address;
    if (limit == 0) continue;
    size_t open = 0;
    for (const auto* s : account.seats) open += s->open_();
    if (open >= limit) return std::string(account.is_token ? "its token" : "its address") + " has " + std::to_string(limit) + " requests open here, as many as it may";
  }
  return std::nullopt;
}

bool seat::pace(uint64_t bytes, base::mono_time now) {
  const auto came = static_cast<double>(bytes - std::min(bytes, bytes_));
  bytes_ = bytes;
  bool held = false;
  for (const auto& name : accounts_) {
    auto& account = home_.accounts_.at(name);
    const auto rate = static_cast<double>(account.is_token ? home_.limits_.bytes_per_second_per_token : home_.limits_.bytes_per_second_per_address);
    if (rate == 0) continue;
    if (!account.paced) account.room = rate;
    else account.room = std::min(rate, account.room + rate * std::chrono::duration<double>(now - *account.paced).count());
    account.paced = now;
    account.room -= came;
    held = held || account.room < 0;
  }
  return held;
}

} // namespace ec::access
