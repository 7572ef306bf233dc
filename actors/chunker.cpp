#include "actors/chunker.hpp"

#include "actors/air_name.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

class chunker final : public chunker_actor::base {
public:
  chunker(caf::actor_config& cfg, chunker_config config, std::optional<chunk_publisher_actor> publisher,
    std::optional<signer_actor> signer, observer_actor observer) :
    chunker_actor::base(cfg), cutter_(config.cutter), sealer_(std::move(config.cipher), config.sealer), names_(std::move(config.names)), observer_(std::move(observer)) {
    if (publisher) objects_.emplace(config.edge, std::move(*publisher), edge_watch{"chunker-chunk_publisher", observer_});
    if (signer) summaries_.emplace(config.edge, std::move(*signer), edge_watch{"chunker-signer", observer_});
    const auto on_room = [this] { give_credit(); };
    if (objects_) {
      objects_->on_room(on_room);
      // What left of the group before is all that there will be.
      objects_->on_drop([this](uint64_t group, bool begun) {
        if (begun) objects_->push_always(this, {.what = chunk_item::step::reset, .group = group});
      });
    }
    if (summaries_) summaries_->on_room(on_room);
  }

  behavior_type make_behavior() override {
    return {
      [this](const ts_burst& burst) { return on(burst); },
      [this](status_atom) { return chunker_status{cutter_.counters(), sealed_}; },
    };
  }

  void on_exit() override {
    if (objects_) objects_->release(this);
    if (summaries_) summaries_->release(this);
    waiting_.clear();
  }

private:
  caf::result<edge_credit> on(const ts_burst& burst) {
    const auto now = clock().now();
    events_.clear();
    if (burst.gap && began_) cutter_.source_gap(now, events_); // in front of the first byte nothing is missing
    began_ = began_ || !burst.data.empty();
    if (!burst.data.empty()) cutter_.push(burst.data, now, events_);
    if (burst.end) cutter_.finish(now, events_);
    for (const auto& event : events_) std::visit([this](const auto& e) { on_event(e); }, event);
    if (names_ && cutter_.program_changes() != named_at_) learn_names();
    if (burst.end) {
      end();
      return edge_credit{};
    }
    auto promise = make_response_promise<edge_credit>();
    if (full()) waiting_.push_back(promise);
    else promise.deliver(edge_credit{});
    return promise;
  }

  /// The tables changed: what the broadcast says of itself may be a better name than the stream was started under.
  void learn_names() {
    named_at_ = cutter_.program_changes();
    const auto& air = cutter_.program();
    if (!air.selected) return;
    const auto found = identify_on_air(air, air.program_number);
    if (!found) {
      base::log::debug("chunker", "no-name-on-air", {{"reason", found.error().text}});
      return;
    }
    const auto& here = names_->id();
    std::vector<identity::stream_id> said;
    if (auto id = identity::stream_id::make(found.value().key, here.profile(), here.variant())) said.push_back(std::move(id).value());
    if (auto ids = identity::alias_ids(found.value(), here.profile(), here.variant()))
      for (auto& id : ids.value()) said.push_back(std::move(id));
    const auto learnt = names_->learn(said);
    for (const auto& alias : learnt.fresh) {
      base::log::info("chunker", "stream-alias",
        {{"stream_id", here.text()}, {"alias", alias.id.text()}, {"stronger", alias.stronger}, {"reason", found.value().reason}});
      send(observer_, report{"stream-alias",
                        {{"stream_id", here.text()}, {"alias", alias.id.text()}, {"stronger", alias.stronger}, {"reason", found.value().reason}}});
    }
    for (const auto& other : learnt.contradicting) {
      base::log::warn("chunker", "stream-name-differs", {{"stream_id", here.text()}, {"on_air", other.text()}});
      send(observer_, report{"stream-name-differs", {{"stream_id", here.text()}, {"on_air", other.text()},
                                                      {"warning", "the broadcast calls itself otherwise: is it the channel that was meant"}}});
    }
  }

  void on_event(const ts::chunk_opened& e) {
    first_pts_ = e.first_pts;
    if (e.certain) put(sealer_.open(e.index, e.first_pts));
  }

  void on_event(const ts::piece_released& e) { put(sealer_.piece(e.index, e.place, e.data)); }

  void on_event(const ts::chunk_whole& e) {
    auto done = sealer_.finish(e.index, static_cast<uint64_t>(e.duration_pts));
    if (!done) {
      lose(e.index, done.error());
      return;
    }
    push(chunk_track::chunks, done.value().tail, true);
    summarise(done.value().chunk, e.broadcast_unix_ms, e.shown_whole_at);
    send(observer_, report{"chunk-cut",
                      {{"chunk", static_cast<int64_t>(e.index)}, {"bytes", static_cast<int64_t>(e.size)},
                        {"duration_ms", e.duration_pts / 90}, {"damaged", false}, {"shown_whole_unix_us", base::unix_us_of(e.shown_whole_at)}}});
  }

  void on_event(const ts::chunk_doubted& e) {
    // What was released is what everybody else has too; there will be no more of it from here.
    if (sealer_.abandon(e.index)) reset(e.index);
  }

  void on_event(const ts::chunk_damaged& e) {
    if (sealer_.abandon(e.index)) reset(e.index);
    send(observer_, report{"chunk-cut",
                      {{"chunk", static_cast<int64_t>(e.index)}, {"duration_ms", e.duration_pts / 90}, {"damaged", true},
                        {"reason", std::string(ts::name(e.why))}}});
    base::log::info("chunker", "chunk-damaged", {{"chunk", e.index}, {"reason", ts::name(e.why)}, {"pieces_released", e.pieces_released}});
    if (e.pieces.empty()) return;
    auto sealed = sealer_.seal_damaged(e.index, first_pts_, static_cast<uint64_t>(std::max<int64_t>(e.duration_pts, 0)), ts::name(e.why), e.pieces);
    if (!sealed) return; // this node offers no damaged versions
    const auto& objects = sealed.value().objects;
    for (size_t i = 0; i < objects.size(); ++i) push(chunk_track::damaged, objects[i], i + 1 == objects.size());
    summarise(sealed.value().chunk, e.broadcast_unix_ms, clock().now());
  }

  void on_event(const ts::note& e) {
    base::log::info("chunker", e.event, {{"text", e.text}});
    send(observer_, report{std::string(e.event), {{"text", e.text}}});
  }

  void put(base::result<object::sealed_object> made) {
    if (made) push(chunk_track::chunks, made.value(), false);
    else base::log::error("chunker", "seal-failed", {{"reason", made.error().message()}});
  }

  void push(chunk_track track, const object::sealed_object& o, bool last) {
    ++sealed_;
    if (objects_)
      objects_->push(this, {.track = track, .group = o.group, .object = o.object, .payload = o.payload, .last = last}, o.group);
  }

  void reset(uint64_t index) {
    if (objects_) objects_->push(this, {.what = chunk_item::step::reset, .group = index}, index);
  }

  void lose(uint64_t index, const base::error& why) {
    base::log::error("chunker", "seal-failed", {{"chunk", index}, {"reason", why.message()}});
    reset(index);
  }

  void summarise(const object::sealed_chunk& c, std::optional<int64_t> broadcast_unix_ms, base::mono_time shown_whole_at) {
    if (summaries_) summaries_->push(this, {false, c.index, c.digest, c.damaged, broadcast_unix_ms, shown_whole_at}, c.index);
  }

  void end() {
    // The actor ends when both edges have delivered all that they hold.
    if (objects_) objects_->push_always(this, {.what = chunk_item::step::end});
    if (summaries_) summaries_->push_always(this, {.end = true});
    ending_ = true;
    give_credit();
  }

  bool full() const { return (objects_ && objects_->full()) || (summaries_ && summaries_->full()); }

  void give_credit() {
    if (ending_ && (!objects_ || objects_->idle()) && (!summaries_ || summaries_->idle())) {
      quit();
      return;
    }
    if (full()) return;
    for (auto& promise : waiting_) promise.deliver(edge_credit{});
    waiting_.clear();
  }

  ts::chunk_cutter cutter_;
  object::sealer sealer_;
  std::optional<identity::stream_names> names_;
  uint64_t named_at_ = 0; ///< program_changes() when the names were asked for
  observer_actor observer_;
  std::optional<edge<chunk_item, chunk_publisher_actor>> objects_;
  std::optional<edge<chunk_summary, signer_actor>> summaries_;
  std::vector<ts::cut_event> events_;
  std::vector<caf::typed_response_promise<edge_credit>> waiting_;
  uint64_t first_pts_ = 0;
  uint64_t sealed_ = 0;
  bool began_ = false;
  bool ending_ = false;
};

} // namespace

chunker_actor spawn_chunker(caf::actor_system& sys, chunker_config config, std::optional<chunk_publisher_actor> publisher,
  std::optional<signer_actor> signer, observer_actor observer) {
  return sys.spawn<chunker>(std::move(config), std::move(publisher), std::move(signer), std::move(observer));
}

} // namespace ec::actors
