#include "actors/chunker.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "actors/air_name.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "ts/repair_queue.hpp"

namespace ec::actors {
namespace {

/// What one name of the stream takes: its own sealer, and the ways to its publisher and its signer.
class outlet {
public:
  outlet(object::stream_cipher cipher, const object::sealer_config& sealer) : sealer_(std::move(cipher), sealer) {}

  template <class Self>
  void connect(Self* self, const edge_config& config, std::optional<chunk_publisher_actor> publisher, std::optional<signer_actor> signer,
    const observer_actor& observer, const std::function<void()>& on_room) {
    if (publisher) objects_.emplace(config, std::move(*publisher), edge_watch{"chunker-chunk_publisher", observer});
    if (signer) summaries_.emplace(config, std::move(*signer), edge_watch{"chunker-signer", observer});
    if (objects_) {
      objects_->on_room(on_room);
      // What left of the group before is all that there will be.
      objects_->on_drop([this, self](uint64_t group, bool begun) {
        if (begun) objects_->push_always(self, {.what = chunk_item::step::reset, .group = group});
      });
    }
    if (summaries_) summaries_->on_room(on_room);
  }

  object::sealer& seal() { return sealer_; }

  template <class Self>
  void put(Self* self, base::result<object::sealed_object> made) {
    if (made) push(self, chunk_track::chunks, made.value(), false);
    else base::log::error("chunker", "seal-failed", {{"reason", made.error().message()}});
  }

  template <class Self>
  void push(Self* self, chunk_track track, const object::sealed_object& o, bool last) {
    ++sealed_;
    if (objects_)
      objects_->push(self, {.track = track, .group = o.group, .object = o.object, .payload = o.payload, .last = last}, o.group);
  }

  template <class Self>
  void reset(Self* self, uint64_t index) {
    if (objects_) objects_->push(self, {.what = chunk_item::step::reset, .group = index}, index);
  }

  template <class Self>
  void summarise(Self* self, chunk_summary of) {
    const auto index = of.index;
    if (summaries_) summaries_->push(self, std::move(of), index);
  }

  /// A chunk that was given up is whole after all.
  template <class Self>
  void restore(Self* self, uint64_t index) {
    if (objects_) objects_->push(self, {.what = chunk_item::step::restore, .group = index}, index);
  }

  template <class Self>
  void end(Self* self) {
    if (objects_) objects_->push_always(self, {.what = chunk_item::step::end});
    if (summaries_) summaries_->push_always(self, {.end = true});
  }

  template <class Self>
  void release(Self* self) {
    if (objects_) objects_->release(self);
    if (summaries_) summaries_->release(self);
  }

  bool full() const { return (objects_ && objects_->full()) || (summaries_ && summaries_->full()); }
  bool idle() const { return (!objects_ || objects_->idle()) && (!summaries_ || summaries_->idle()); }
  uint64_t sealed() const { return sealed_; }

private:
  object::sealer sealer_;
  std::optional<edge<chunk_item, chunk_publisher_actor>> objects_;
  std::optional<edge<chunk_summary, signer_actor>> summaries_;
  uint64_t sealed_ = 0;
};

/// A second source looks at what is late now and then: so long its answer may take beyond the time that it has.
constexpr std::chrono::milliseconds answer_grace{1000};

class chunker final : public chunker_actor::base {
public:
  chunker(caf::actor_config& cfg, chunker_config config, std::optional<chunk_publisher_actor> publisher,
    std::optional<signer_actor> signer, observer_actor observer) :
    chunker_actor::base(cfg), cutter_(config.cutter), sealer_config_(std::move(config.sealer)), edge_config_(config.edge),
    names_(std::move(config.names)), outlet_for_(std::move(config.outlet_for)), on_names_(std::move(config.on_names)),
    repair_(std::move(config.repair)), held_(held_settings(repair_, config.edge)), observer_(std::move(observer)), holds_(config.cutter.hold), clock_wait_(config.clock_wait) {
    connect({std::move(config.cipher), std::move(publisher), std::move(signer)});
  }

  behavior_type make_behavior() override {
    return {
      [this](const ts_burst& burst) { return on(burst); },
      [this](const clock_query&) { return clock_reading{newest_, synced_}; },
      [this](const clock_offer& o) {
        events_.clear();
        const auto became = cutter_.adopt(o.reference, clock().now(), events_);
        act_on_events();
        return became;
      },
      [this](status_atom) {
        uint64_t sealed = 0;
        for (const auto& o : outlets_) sealed += o->sealed();
        return chunker_status{cutter_.counters(), sealed, repaired_, repairs_refused_};
      },
    };
  }

  void on_exit() override {
    for (const auto& o : outlets_) o->release(this);
    outlet_for_ = nullptr;
    on_names_ = nullptr;
    if (repair_) anon_send(repair_->from, stop_atom::value);
    repair_.reset();
    held_.clear();
    summaries_.clear();
    waiting_.clear();
  }

private:
  void connect(chunk_outlet to) {
    auto& added = outlets_.emplace_back(std::make_unique<outlet>(std::move(to.cipher), sealer_config_));
    added->connect(this, edge_config_, std::move(to.publisher), std::move(to.signer), observer_, [this] { give_credit(); });
  }

  caf::result<edge_credit> on(const ts_burst& burst) {
    const auto now = clock().now();
    events_.clear();
    if (burst.gap && began_) cutter_.source_gap(now, events_); // in front of the first byte nothing is missing
    if (holds_ && !burst.data.empty()) {
      if (!began_) hold_until_ = now + clock_wait_;
      if (now >= hold_until_) {
        holds_ = false;
        cutter_.let_open();
      }
    }
    began_ = began_ || !burst.data.empty();
    if (!burst.data.empty()) cutter_.push(burst.data, now, events_);
    if (burst.end) cutter_.finish(now, events_);
    act_on_events();
    if (names_ && cutter_.program_changes() != named_at_) learn_names();
    if (burst.end) {
      ended_ = true;
      settle();
      return edge_credit{};
    }
    auto promise = make_response_promise<edge_credit>();
    if (full()) waiting_.push_back(promise);
    else promise.deliver(edge_credit{});
    return promise;
  }

  void act_on_events() {
    for (const auto& event : events_) std::visit([this](const auto& e) { on_event(e); }, event);
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
    if (!learnt.fresh.empty() && learnt.fresh.front().stronger) publish_as(learnt.fresh.front().id);
    if (!learnt.fresh.empty() && on_names_) on_names_(*names_, second_);
    for (const auto& other : learnt.contradicting) {
      base::log::warn("chunker", "stream-name-differs", {{"stream_id", here.text()}, {"on_air", other.text()}});
      send(observer_, report{"stream-name-differs", {{"stream_id", here.text()}, {"on_air", other.text()},
                                                      {"warning", "the broadcast calls itself otherwise: is it the channel that was meant"}}});
    }
  }

  /// Others know the broadcast by a better name: the stream is theirs too, under it. Once: a stream has one name of each strength.
  void publish_as(const identity::stream_id& id) {
    if (!outlet_for_ || outlets_.size() > 1) return;
    auto made = outlet_for_(system(), id);
    if (!made) {
      base::log::error("chunker", "alias-failed", {{"alias", id.text()}, {"reason", made.error().message()}});
      return;
    }
    // If they fail, so does this one, and its branch is started anew as a whole.
    if (made.value().publisher) link_to(*made.value().publisher);
    if (made.value().signer) link_to(*made.value().signer);
    connect(std::move(made).value());
    second_ = id;
    base::log::info("chunker", "published-as", {{"alias", id.text()}});
    send(observer_, report{"published-as", {{"stream_id", names_->id().text()}, {"alias", id.text()}}});
  }

  static ts::repair_queue::settings held_settings(const std::optional<repair_config>& repair, const edge_config& edge) {
    ts::repair_queue::settings out;
    out.drops = edge.policy == edge_policy::live;
    if (!repair) return out;
    out.repairs = true;
    out.share_percent_max = repair->share_percent_max;
    out.wait = repair->wait;
    return out;
  }

  void on_event(const ts::chunk_opened& e) {
    first_pts_ = e.first_pts;
    newest_ = e.index;
    synced_ = e.synced;
    if (!e.certain) return;
    for (const auto& o : outlets_) o->put(this, o->seal().open(e.index, e.first_pts));
    // An outlet that came while a chunk was open gets nothing of it.
    opened_by_ = outlets_.size();
  }

  void on_event(const ts::piece_released& e) {
    for (size_t i = 0; i < opened_by_; ++i) outlets_[i]->put(this, outlets_[i]->seal().piece(e.index, e.place, e.data));
  }

  void on_event(const ts::chunk_whole& e) {
    bool any = false;
    const auto id = held_.add();
    for (size_t i = 0; i < opened_by_; ++i) {
      auto& o = *outlets_[i];
      auto done = o.seal().finish(e.index, static_cast<uint64_t>(e.duration_pts));
      if (!done) {
        base::log::error("chunker", "seal-failed", {{"chunk", e.index}, {"reason", done.error().message()}});
        o.reset(this, e.index);
        continue;
      }
      any = true;
      o.push(this, chunk_track::chunks, done.value().tail, true);
      summaries_[id].push_back({&o, summary_of(done.value().chunk, e.broadcast_unix_ms, e.shown_whole_at)});
    }
    settle();
    if (!any) return;
    send(observer_, report{"chunk-cut",
                      {{"chunk", static_cast<int64_t>(e.index)}, {"bytes", static_cast<int64_t>(e.size)},
                        {"duration_ms", e.duration_pts / 90}, {"damaged", false}, {"shown_whole_unix_us", base::unix_us_of(e.shown_whole_at)}}});
  }

  void on_event(const ts::chunk_doubted& e) {
    // What was released is what everybody else has too; there will be no more of it from here.
    abandon(e.index);
  }

  void on_event(const ts::chunk_damaged& e) {
    abandon(e.index);
    send(observer_, report{"chunk-cut",
                      {{"chunk", static_cast<int64_t>(e.index)}, {"duration_ms", e.duration_pts / 90}, {"damaged", true},
                        {"reason", std::string(ts::name(e.why))}}});
    base::log::info("chunker", "chunk-damaged", {{"chunk", e.index}, {"reason", ts::name(e.why)}, {"pieces_released", e.pieces_released}});
    if (!e.pieces.empty()) do_step(held_.add(e, first_pts_, clock().now()));
  }

  // ---- repair

  void do_step(const ts::repair_step& s) {
    switch (s.what) {
    case ts::repair_step::kind::ask: return ask(s);
    case ts::repair_step::kind::refuse: return refuse(s);
    case ts::repair_step::kind::give_up: return give_up(s.id);
    }
  }

  /// Asks the second sources for the chunk, but those that gave a copy that did not do.
  void ask(const ts::repair_step& s) {
    const auto& w = *held_.find(s.id);
    // It answers in time itself; but if it ended while it was asked, nobody would.
    request(repair_->from, s.within + answer_grace, fetch_group{w.had.index, s.within, w.refused, repair_->of_found})
      .then([this, id = s.id](const fetched_group& got) { on_copy(id, got); },
        [this, id = s.id](const caf::error& e) { do_step(held_.no_copy(id, e == caf::sec::request_timeout ? "late" : "unreachable")); });
  }

  void on_copy(uint64_t id, const fetched_group& got) {
    const auto* w = held_.find(id);
    if (w == nullptr) return; // too many waited behind it
    if (!got.copy) return do_step(held_.no_copy(id, std::string(actors::name(got.why))));
    const auto& copy = *got.copy;
    const auto v = held_.judge(*w, {copy.index, copy.first_pts, copy.duration, copy.data.span()});
    if (v.taken() && take(id, *w, copy, v)) {
      ++repaired_;
      send(repair_->from, copy_taken{got.source});
      base::log::info("chunker", "chunk-repaired", {{"chunk", copy.index}, {"packets", v.on_trust}, {"of", v.packets}, {"source", got.address}});
      send(observer_, report{"chunk-repaired",
                        {{"chunk", static_cast<int64_t>(copy.index)}, {"packets", static_cast<int64_t>(v.on_trust)}, {"of", static_cast<int64_t>(v.packets)},
                          {"damage", std::string(ts::name(w->had.why))}, {"source", got.address}}});
      held_.heal(id);
      return settle();
    }
    const std::string why(v.taken() ? "not_sealed" : ts::name(v.why));
    base::log::warn("chunker", "copy-refused",
      {{"chunk", copy.index}, {"reason", why}, {"source", got.address}, {"matched", v.matched}, {"on_trust", v.on_trust}, {"of", v.packets}});
    send(observer_, report{"copy-refused",
                      {{"chunk", static_cast<int64_t>(copy.index)}, {"reason", why}, {"source", got.address}, {"matched", static_cast<int64_t>(v.matched)},
                        {"packets", static_cast<int64_t>(v.on_trust)}, {"of", static_cast<int64_t>(v.packets)}}});
    do_step(held_.refuse_copy(id, got.source, why, clock().now()));
  }

  /// The copy is the chunk: published and signed as whole, under every name or under none. False if it cannot be sealed.
  bool take(uint64_t id, const ts::repair_queue::wounded& w, const object::chunk_copy& copy, const ts::repair_verdict& v) {
    std::vector<std::pair<object::sealed_chunk, std::vector<object::sealed_object>>> made(outlets_.size());
    for (size_t n = 0; n < outlets_.size(); ++n) {
      const auto done = seal_whole(*outlets_[n], copy, made[n].second);
      if (!done) {
        base::log::error("chunker", "seal-failed", {{"chunk", copy.index}, {"reason", done.error().message()}});
        outlets_[n]->seal().abandon(copy.index);
        return false;
      }
      made[n].first = done.value();
    }
    for (size_t n = 0; n < outlets_.size(); ++n) {
      auto& o = *outlets_[n];
      const auto& [chunk, objects] = made[n];
      o.restore(this, copy.index);
      for (size_t i = 0; i < objects.size(); ++i) o.push(this, chunk_track::chunks, objects[i], i + 1 == objects.size());
      auto said = summary_of(chunk, w.had.broadcast_unix_ms, clock().now());
      said.repaired = taken_on_trust{v.on_trust, v.packets};
      summaries_[id].push_back({&o, said});
    }
    return true;
  }

  static base::result<object::sealed_chunk> seal_whole(outlet& to, const object::chunk_copy& copy, std::vector<object::sealed_object>& out) {
    EC_TRY(auto head, to.seal().open(copy.index, copy.first_pts));
    out.push_back(std::move(head));
    for (uint32_t place = 0; object::piece_size(copy.data.size(), place) > 0; ++place) {
      const auto part = copy.data.span().subspan(place * base::limits::piece_bytes, object::piece_size(copy.data.size(), place));
      EC_TRY(auto piece, to.seal().piece(copy.index, place, part));
      out.push_back(std::move(piece));
    }
    EC_TRY(auto done, to.seal().finish(copy.index, copy.duration));
    out.push_back(std::move(done.tail));
    return done.chunk;
  }

  /// Nobody had it, or not so that it could be taken.
  void refuse(const ts::repair_step& s) {
    const auto* w = held_.find(s.id);
    if (w == nullptr) return;
    ++repairs_refused_;
    base::log::info("chunker", "repair-refused", {{"chunk", w->had.index}, {"reason", s.why}});
    send(observer_, report{"repair-refused", {{"chunk", static_cast<int64_t>(w->had.index)}, {"reason", s.why}}});
    give_up(s.id);
  }

  /// What this node has of it is offered as that: damaged, and attributed to itself.
  void give_up(uint64_t id) {
    const auto w = held_.give_up(id);
    const auto& e = w.had;
    for (const auto& o : outlets_) {
      auto sealed = o->seal().seal_damaged(e.index, w.first_pts, static_cast<uint64_t>(std::max<int64_t>(e.duration_pts, 0)), ts::name(e.why), e.pieces);
      if (!sealed) break; // this node offers no damaged versions
      const auto& objects = sealed.value().objects;
      for (size_t i = 0; i < objects.size(); ++i) o->push(this, chunk_track::damaged, objects[i], i + 1 == objects.size());
      summaries_[id].push_back({o.get(), summary_of(sealed.value().chunk, e.broadcast_unix_ms, clock().now())});
    }
    settle();
  }

  /// What nobody waits for goes on to the signers, in order.
  void settle() {
    for (const auto id : held_.settle()) {
      auto said = summaries_.extract(id);
      if (said)
        for (auto& [to, summary] : said.mapped()) to->summarise(this, std::move(summary));
    }
    if (const auto late = held_.overdue()) return do_step(*late);
    if (ended_ && held_.empty()) end();
    else give_credit();
  }

  void on_event(const ts::note& e) {
    base::log::info("chunker", e.event, {{"text", e.text}});
    send(observer_, report{std::string(e.event), {{"text", e.text}}});
  }

  void abandon(uint64_t index) {
    for (const auto& o : outlets_)
      if (o->seal().abandon(index)) o->reset(this, index);
  }

  static chunk_summary summary_of(const object::sealed_chunk& c, std::optional<int64_t> broadcast_unix_ms, base::mono_time shown_whole_at) {
    return {false, c.index, c.digest, c.damaged, broadcast_unix_ms, shown_whole_at, std::nullopt};
  }

  void end() {
    // The actor ends when all edges have delivered all that they hold.
    if (ending_) return give_credit();
    for (const auto& o : outlets_) o->end(this);
    ending_ = true;
    give_credit();
  }

  bool full() const {
    return held_.full() || std::ranges::any_of(outlets_, [](const auto& o) { return o->full(); });
  }

  void give_credit() {
    if (ending_ && std::ranges::all_of(outlets_, [](const auto& o) { return o->idle(); })) {
      quit();
      return;
    }
    if (full()) return;
    for (auto& promise : waiting_) promise.deliver(edge_credit{});
    waiting_.clear();
  }

  ts::chunk_cutter cutter_;
  object::sealer_config sealer_config_;
  edge_config edge_config_;
  std::vector<std::unique_ptr<outlet>> outlets_; ///< by name of the stream; edges point into them
  size_t opened_by_ = 0; ///< outlets that have the chunk that is open
  std::optional<identity::stream_names> names_;
  std::function<base::result<chunk_outlet>(caf::actor_system&, const identity::stream_id&)> outlet_for_;
  std::function<void(const identity::stream_names&, const std::optional<identity::stream_id>&)> on_names_;
  std::optional<identity::stream_id> second_; ///< under which it is published too
  uint64_t named_at_ = 0; ///< program_changes() when the names were asked for
  std::optional<repair_config> repair_;
  ts::repair_queue held_;
  std::map<uint64_t, std::vector<std::pair<outlet*, chunk_summary>>> summaries_; ///< of chunks in it, by id
  uint64_t repaired_ = 0;
  uint64_t repairs_refused_ = 0;
  observer_actor observer_;
  std::vector<ts::cut_event> events_;
  std::vector<caf::typed_response_promise<edge_credit>> waiting_;
  uint64_t first_pts_ = 0;
  std::optional<uint64_t> newest_; ///< chunk that was opened
  bool synced_ = false;
  bool holds_ = false; ///< the first chunk, until
  base::mono_time hold_until_{};
  std::chrono::milliseconds clock_wait_;
  bool began_ = false;
  bool ended_ = false;  ///< the input is
  bool ending_ = false; ///< so are the outlets, once they have given all
};

} // namespace

chunker_actor spawn_chunker(caf::actor_system& sys, chunker_config config, std::optional<chunk_publisher_actor> publisher,
  std::optional<signer_actor> signer, observer_actor observer) {
  return sys.spawn<chunker>(std::move(config), std::move(publisher), std::move(signer), std::move(observer));
}

} // namespace ec::actors
