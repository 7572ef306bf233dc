#include "tests/simulation/broadcast.hpp"

#include <algorithm>

#include "object/format.hpp"

namespace ec::simulation {
namespace {

constexpr unsigned pictures_per_second = 10;

test::mux_options options_of(const world& in, const broadcast_config& config) {
  test::mux_options o;
  o.gop = pictures_per_second;
  o.frame = ts::pts_hz / pictures_per_second;
  o.picture_bytes = config.picture_bytes;
  o.audio = false;
  o.unix_ms = base::unix_ms(in.wall());
  o.tables_every = o.stt_every = pictures_per_second;
  return o;
}

ts::cutter_config cutter_of(const broadcast_config& config) {
  ts::cutter_config c;
  c.profile.duration_ms = config.chunk_ms;
  return c;
}

class sim_tuner final : public tuner::source {
public:
  sim_tuner(world& in, broadcast& from, const reception& how, base::mono_duration rewind) :
    tuner::source({tuner::source_kind::hdhomerun, "simulated", "5.1", "hdhomerun://simulated/v5.1", true}), world_(in), from_(from), how_(how) {
    from_.go_on();
    place_ = from_.place_before(rewind);
  }

  base::result<base::bytes> read(std::chrono::milliseconds) override {
    if (how_.down) return base::fail(down({.kind = tuner::fault_kind::stalled, .retry = tuner::retry_advice::soon, .text = "the simulated tuner is down"}));
    from_.go_on();
    const auto& all = from_.bytes();
    std::vector<uint8_t> heard(all.begin() + static_cast<ptrdiff_t>(place_), all.end());
    place_ = all.size();
    auto& rng = world_.rng();
    if (how_.lost_per_mille > 0 && !heard.empty() && rng.chance(how_.lost_per_mille)) {
      // One packet: a counter shows it.
      const auto packet = rng.below(heard.size() / ts::packet_bytes) * ts::packet_bytes;
      if (rng.chance(500)) heard[packet + 1] |= 0x80; // transport_error_indicator
      else heard.erase(heard.begin() + static_cast<ptrdiff_t>(packet), heard.begin() + static_cast<ptrdiff_t>(packet + ts::packet_bytes));
    }
    return base::bytes::adopt(std::move(heard));
  }
  void stop() override {}

private:
  world& world_;
  broadcast& from_;
  const reception& how_;
  size_t place_ = 0;
};

} // namespace

broadcast::broadcast(world& in, broadcast_config config) :
  world_(in), config_(config), mux_(options_of(in, config)), cutter_(cutter_of(config)) {}

void broadcast::go_on() {
  const auto due = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(world_.elapsed()).count()) * pictures_per_second / 1000;
  if (pictures_ >= due) return;
  mux_.run(static_cast<unsigned>(due - pictures_));
  pictures_ = due;
  const auto fresh = mux_.take();
  bytes_.insert(bytes_.end(), fresh.begin(), fresh.end());
  sizes_.emplace_back(world_.now(), bytes_.size());
  std::vector<ts::cut_event> events;
  cutter_.push(fresh, world_.now(), events);
  for (const auto& event : events) {
    if (const auto* opened = std::get_if<ts::chunk_opened>(&event)) {
      first_pts_[opened->index] = opened->first_pts;
      open_.clear();
    } else if (const auto* piece = std::get_if<ts::piece_released>(&event)) {
      open_.insert(open_.end(), piece->data.begin(), piece->data.end());
    } else if (const auto* whole = std::get_if<ts::chunk_whole>(&event)) {
      const auto digest = object::digest_of_chunk(first_pts_.at(whole->index), static_cast<uint64_t>(whole->duration_pts), open_);
      truth_[whole->index] = {digest, crypto::blake3(open_), open_.size(), world_.now()};
    }
  }
}

size_t broadcast::place_before(base::mono_duration ago) const {
  const auto behind = std::ranges::upper_bound(sizes_, world_.now() - ago, {}, &std::pair<base::mono_time, size_t>::first);
  return behind == sizes_.begin() ? 0 : std::prev(behind)->second;
}

std::unique_ptr<tuner::source> open_tuner(world& in, broadcast& from, const reception& how, base::mono_duration rewind) {
  return std::make_unique<sim_tuner>(in, from, how, rewind);
}

} // namespace ec::simulation
