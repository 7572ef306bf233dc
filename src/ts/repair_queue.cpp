#include "ts/repair_queue.hpp"

#include <algorithm>
#include <utility>

namespace ec::ts {

uint64_t repair_queue::add() {
  chunks_.push_back({next_, std::nullopt});
  return next_++;
}

repair_step repair_queue::add(chunk_damaged had, uint64_t first_pts, base::mono_time now) {
  const auto id = add();
  const auto why = had.why;
  chunks_.back().damage = wounded{std::move(had), first_pts, now, {}, {}};
  if (!settings_.repairs || !repairable(why)) return {repair_step::kind::give_up, id, {}, {}};
  const auto waiting = std::ranges::count_if(chunks_, [](const chunk& c) { return c.damage.has_value(); });
  if (static_cast<size_t>(waiting) > settings_.repairs_max) return {repair_step::kind::refuse, id, {}, "busy"};
  chunks_.back().damage->until += settings_.wait;
  return ask(chunks_.back(), now);
}

repair_queue::chunk* repair_queue::at(uint64_t id) {
  const auto found = std::ranges::find(chunks_, id, &chunk::id);
  return found == chunks_.end() || !found->damage ? nullptr : &*found;
}

const repair_queue::wounded* repair_queue::find(uint64_t id) const {
  const auto found = std::ranges::find(chunks_, id, &chunk::id);
  return found == chunks_.end() || !found->damage ? nullptr : &*found->damage;
}

repair_step repair_queue::ask(const chunk& c, base::mono_time now) const {
  const auto& w = *c.damage;
  const auto left = std::chrono::floor<std::chrono::milliseconds>(w.until - now);
  if (left.count() <= 0) return no_copy(c.id, "late");
  return {repair_step::kind::ask, c.id, left, {}};
}

repair_verdict repair_queue::judge(const wounded& w, const offered_chunk& offered) const {
  return judge_repair({w.had.index, w.first_pts, w.had.duration_pts, w.had.why, w.had.pieces}, offered, settings_.share_percent_max);
}

void repair_queue::heal(uint64_t id) {
  if (auto* c = at(id)) c->damage.reset();
}

repair_step repair_queue::refuse_copy(uint64_t id, uint32_t source, std::string why, base::mono_time now) {
  auto* c = at(id);
  if (c == nullptr) return no_copy(id, std::move(why));
  c->damage->why = std::move(why);
  c->damage->refused.push_back(source);
  return ask(*c, now);
}

repair_step repair_queue::no_copy(uint64_t id, std::string why) const {
  const auto* w = find(id);
  return {repair_step::kind::refuse, id, {}, w != nullptr && !w->why.empty() ? w->why : std::move(why)};
}

repair_queue::wounded repair_queue::give_up(uint64_t id) {
  auto* c = at(id);
  return c == nullptr ? wounded{} : *std::exchange(c->damage, std::nullopt);
}

std::vector<uint64_t> repair_queue::settle() {
  std::vector<uint64_t> out;
  for (; !chunks_.empty() && !chunks_.front().damage; chunks_.pop_front()) out.push_back(chunks_.front().id);
  return out;
}

std::optional<repair_step> repair_queue::overdue() const {
  if (!settings_.drops || chunks_.size() <= settings_.chunks_max) return std::nullopt;
  return repair_step{repair_step::kind::refuse, chunks_.front().id, {}, "late"};
}

} // namespace ec::ts
