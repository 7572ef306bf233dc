#include "actors/subscriber_verifier.hpp"

#include <map>

#include "base/log.hpp"
#include "object/verifier_judge.hpp"

namespace ec::actors {
namespace {

// A publisher that is up but has no program yet answers "does not exist": ask again soon.
constexpr std::chrono::milliseconds retry_after{500};
// Late joiners take the newest groups from their start on, and the manifests of some epochs before.
constexpr uint64_t manifests_before = 4;
constexpr uint64_t chunks_before = 1;
constexpr size_t groups_to_warn = 3;
constexpr size_t evidence_waiting = 16;
/// As far back as a publisher gives its manifests again: what a crash forgets of a chain is no gap.
constexpr std::chrono::seconds keep_chains_every{8};

enum class what { manifests, chunks, damaged };
constexpr const char* track_names[] = {"manifests", "chunks", "damaged"};

class subscriber_verifier final : public subscriber_verifier_actor::base {
public:
  subscriber_verifier(caf::actor_config& cfg, subscriber_config config, subscriber_outputs outputs, observer_actor observer) :
    subscriber_verifier_actor::base(cfg), stream_(std::move(config.stream)), sources_(std::move(config.sources)),
    receiver_(std::move(config.cipher), std::make_unique<object::verifier_judge>(std::move(config.verifier)), config.receiver),
    observer_(std::move(observer)), links_(sources_.size()), wall_(std::move(config.wall)), drain_(config.drain), require_manifest_(config.receiver.require_manifest) {
    if (outputs.hls) output_.emplace(config.edge, std::move(*outputs.hls), edge_watch{"subscriber_verifier-hls_writer", observer_});
    if (outputs.objects)
      objects_.emplace(config.record_edge, std::move(*outputs.objects), edge_watch{"subscriber_verifier-object_recorder", observer_});
    trust_ = std::move(outputs.trust);
    evidence_ = std::move(outputs.evidence);
  }

  behavior_type make_behavior() override {
    return {
      [this](const session_event& e) {
        on(e);
        if (draining_ && drained()) end();
        return edge_credit{};
      },
      [this](tick_atom) {
        armed_.reset();
        carry_out(receiver_.tick(clock().now()));
      },
      [this](retry_atom, uint32_t source) { ask_missing(source); },
      [this](status_atom) { return subscriber_status{receiver_.counters(), receiver_.status()}; },
      [this](stop_atom) { stop(); },
    };
  }

  void on_exit() override {
    links_.clear();
    if (output_) output_->release(this);
    if (objects_) objects_->release(this);
    if (trust_) caf::anon_send(*trust_, stop_atom::value);
    trust_.reset();
    if (evidence_) caf::anon_send(*evidence_, stop_atom::value);
    evidence_.reset();
    observer_ = nullptr;
  }

private:
  /// One request that is under way.
  struct open_request {
    what track;
    std::optional<uint64_t> fetched_group; ///< set: a FETCH that the receiver asked for
    bool joining = false;
  };
  /// One source's session.
  struct link {
    session_actor session;
    std::map<moq::request_id, open_request> requests;
    bool wanted[3] = {};     ///< by track
    bool subscribed[3] = {}; ///< by track
    uint64_t generation = 0; ///< of the session: answers of an earlier one are ignored
  };

  void on(const session_event& e) {
    if (ended_ || e.source >= links_.size()) return;
    auto& l = links_[e.source];
    const auto now = clock().now();
    switch (e.what) {
    case session_event::kind::up: up(e, l); break;
    case session_event::kind::down: down(e, l); break;
    case session_event::kind::object:
      if (const auto it = l.requests.find(e.request); it != l.requests.end()) on_object(e, it->second.track);
      break;
    case session_event::kind::group_end: {
      const auto it = l.requests.find(e.request);
      if (it == l.requests.end() || it->second.track == what::manifests) break;
      carry_out(receiver_.on_group_end(e.source, track_of(it->second.track), e.group,
        e.code ? object::group_ending::reset : object::group_ending::complete, now));
      break;
    }
    case session_event::kind::refused:
    case session_event::kind::fetch_end:
    case session_event::kind::done: over(e, l); break;
    }
  }

  void up(const session_event& e, link& l) {
    l.session = e.session;
    ++l.generation;
    l.requests.clear();
    auto& s = sources_[e.source];
    if (!e.text.empty()) s.address = e.text; // a place for discovered sources has one after the other
    l.wanted[0] = s.manifests;
    l.wanted[1] = l.wanted[2] = s.objects;
    std::fill(std::begin(l.subscribed), std::end(l.subscribed), false);
    receiver_.on_source_added(e.source, e.node);
    send(observer_, report{"source-up", {{"source", s.address}}});
    ask_missing(e.source);
  }

  void down(const session_event& e, link& l) {
    forget(l);
    if (!e.text.empty()) send(observer_, report{"source-down", {{"source", sources_[e.source].address}, {"reason", e.text}}});
    carry_out(receiver_.on_source_lost(e.source, clock().now()));
  }

  /// What still comes of its session is not for this actor.
  static void forget(link& l) {
    l.session = nullptr;
    l.requests.clear();
    ++l.generation;
  }

  void ask_missing(uint32_t source) {
    auto& l = links_[source];
    if (!l.session || ended_) return;
    for (const auto t : {what::manifests, what::chunks, what::damaged}) {
      const auto n = static_cast<size_t>(t);
      if (!l.wanted[n] || l.subscribed[n]) continue;
      l.subscribed[n] = true;
      subscribe_request r{{stream_, track_names[n]}, {}, std::nullopt};
      r.joining = t == what::manifests ? manifests_before : chunks_before;
      request_of(source, std::move(r), t);
    }
  }

  void request_of(uint32_t source, subscribe_request r, what track) {
    auto& l = links_[source];
    const auto generation = l.generation;
    caf_request(l.session, std::move(r), [this, source, track, generation](const subscribe_ids& ids) {
      auto& to = links_[source];
      if (to.generation != generation) return;
      to.requests[ids.subscription] = {track, std::nullopt, false};
      if (ids.joining != moq::no_request) to.requests[ids.joining] = {track, std::nullopt, true};
    });
  }

  template <class Message, class Then>
  void caf_request(const session_actor& to, Message m, Then then) {
    // The session answers before it sends the first event of the request, and both arrive in that order.
    request(to, caf::infinite, std::move(m)).then(std::move(then), [](const caf::error&) {});
  }

  static object::track track_of(what t) { return t == what::chunks ? object::track::chunks : object::track::damaged; }

  void on_object(const session_event& e, what track) {
    const auto now = clock().now();
    const auto& o = e.object;
    if (o.status != moq::object_status::normal) return;
    if (track == what::manifests) {
      auto todo = receiver_.on_manifest_object(e.source, o.group, o.id, o.payload, now, wall_());
      keep_proof(o, todo);
      carry_out(std::move(todo));
    }
    else carry_out(receiver_.on_object(e.source, track_of(track), o.group, o.id, o.payload, now));
    warn_unlisted();
  }

  /// Says once that objects come and nothing vouches for them: the screen stays dark for a reason.
  void warn_unlisted() {
    if (warned_ || !require_manifest_ || receiver_.counters().manifests_accepted > 0) return;
    const auto waiting = receiver_.status().groups_waiting;
    if (waiting < groups_to_warn) return;
    warned_ = true;
    const std::string why = "objects come, but no trusted manifest lists them: nothing is shown";
    base::log::warn("subscriber_verifier", "no-manifest", {{"reason", why}, {"chunks_waiting", waiting}});
    send(observer_, report{"no-manifest", {{"reason", why}, {"chunks_waiting", static_cast<int64_t>(waiting)}}});
  }

  /// What is written carries its proof, and the broadcast's time as its signer read it.
  void keep_proof(const moq::object& o, const object::actions& todo) {
    const bool counts = std::ranges::any_of(todo, [](const auto& a) { return std::holds_alternative<object::manifest_accepted>(a); });
    proofs_.keep(o.group, o.id, o.payload, counts);
  }

  /// A request is over, for whatever reason.
  void over(const session_event& e, link& l) {
    const auto it = l.requests.find(e.request);
    if (it == l.requests.end()) return;
    const auto r = it->second;
    l.requests.erase(it);
    const auto now = clock().now();
    if (r.fetched_group) {
      const bool failed = e.what == session_event::kind::refused || e.code;
      const auto on = track_of(r.track);
      carry_out(failed ? receiver_.on_fetch_failed(e.source, on, *r.fetched_group, now) : receiver_.on_fetch_done(e.source, on, *r.fetched_group, now));
      return;
    }
    if (r.joining) return; // what it would have given comes by FETCH when it is missed
    const auto n = static_cast<size_t>(r.track);
    l.subscribed[n] = false;
    if (e.what == session_event::kind::done) {
      base::log::info("subscriber_verifier", "track-ended", {{"source", sources_[e.source].address}, {"track", track_names[n]}, {"reason", e.text}});
      send(observer_, report{"track-ended", {{"source", sources_[e.source].address}, {"track", track_names[n]}}});
    } else {
      base::log::info("subscriber_verifier", "track-refused",
        {{"source", sources_[e.source].address}, {"track", track_names[n]}, {"code", e.code.value_or(0)}, {"reason", e.text}});
    }
    if (draining_) return;
    delayed_send(this, retry_after, retry_atom::value, e.source);
  }

  void carry_out(object::actions todo) {
    for (auto& a : todo) std::visit([this](auto& one) { act(one); }, a);
    arm();
  }

  void act(object::deliver& d) {
    const auto signer = d.signer ? d.signer->to_string() : std::string{};
    report shown{"chunk",
      {{"chunk", static_cast<int64_t>(d.index)}, {"verified", d.verified}, {"damaged", d.damage.has_value()},
        {"bytes", static_cast<int64_t>(d.plaintext.size())}, {"duration_ms", static_cast<int64_t>(d.duration / 90)},
        {"digest", d.digest.hex()}, {"signer", signer}}};
    if (const auto r = d.signer ? proofs_.repaired(d.index, d.digest, *d.signer) : std::nullopt) {
      shown.fields.emplace_back("repaired_packets", static_cast<int64_t>(r->packets));
      shown.fields.emplace_back("repaired_of", static_cast<int64_t>(r->of));
    }
    send(observer_, std::move(shown));
    const auto proofs = proofs_.of(d.index, d.digest);
    if (objects_) objects_->push(this, {false, d.index, d.plaintext, d.tail, proofs}, d.index);
    if (!output_) return;
    verified_chunk c;
    c.index = d.index;
    c.data = std::move(d.plaintext);
    c.first_pts = d.first_pts;
    c.duration_pts = static_cast<int64_t>(d.duration);
    c.discontinuity = d.discontinuity;
    c.damaged = d.damage.has_value();
    c.verified = d.verified;
    c.digest = d.digest.hex();
    c.signer = signer;
    if (d.damage) {
      c.damage_publisher = d.damage->publisher;
      c.damage_reason = d.damage->reason;
    }
    const auto counts = [this](const crypto::verifying_key& k) { return receiver_.judge().trusts(k); };
    if (const auto p = d.verified ? proofs_.merged(d.index, d.digest, counts) : std::nullopt) {
      c.manifest = p->payload;
      // The reading is of the epoch's first chunk.
      if (p->broadcast_unix_ms && p->first_index == d.index) c.broadcast_unix_ms = static_cast<int64_t>(*p->broadcast_unix_ms);
    }
    output_->push(this, std::move(c), d.index);
  }

  void act(const object::fetch& f) {
    auto& l = links_[f.source];
    if (!l.session) return;
    const auto track = f.on == object::track::chunks ? what::chunks : what::damaged;
    fetch_request r{{stream_, track_names[static_cast<size_t>(track)]}, {f.group, f.first_object},
      {f.group, f.last_object ? *f.last_object + 1 : 0}};
    const auto generation = l.generation;
    caf_request(l.session, std::move(r), [this, source = f.source, track, group = f.group, generation](uint64_t id) {
      if (links_[source].generation == generation) links_[source].requests[id] = {track, group, false};
    });
  }

  void act(const object::skip& s) {
    send(observer_, report{"skipped", {{"first", static_cast<int64_t>(s.first)}, {"last", static_cast<int64_t>(s.last)},
                                        {"reason", std::string(object::name(s.reason))}}});
    base::log::warn("subscriber_verifier", "skipped", {{"first", s.first}, {"last", s.last}, {"reason", object::name(s.reason)}});
  }

  void act(const object::reject& r) {
    const auto& source = r.source < sources_.size() ? sources_[r.source].address : stream_name();
    base::log::warn("subscriber_verifier", "rejected",
      {{"source", source}, {"track", r.track}, {"group", r.group}, {"object", r.object}, {"reason", object::name(r.reason)}, {"text", r.text}});
    send(observer_, report{"rejected",
                      {{"source", source}, {"track", std::string(r.track)}, {"group", static_cast<int64_t>(r.group)},
                        {"object", static_cast<int64_t>(r.object)}, {"reason", std::string(object::name(r.reason))}, {"text", r.text}}});
  }

  void act(const object::manifest_accepted& m) {
    if (clock().now() >= keep_chains_at_) keep_trust();
    else changed_ = true;
    if (m.chain_restarted) {
      base::log::warn("subscriber_verifier", "signer-chain-restarted", {{"signer", m.signer.to_string()}});
      send(observer_, report{"signer-chain-restarted", {{"signer", m.signer.to_string()}, {"warning", "the signer lost its state and began a new chain"}}});
    }
    if (!m.new_key) return;
    base::log::warn("subscriber_verifier", "trusted-on-first-use", {{"signer", m.signer.to_string()}, {"source", sources_[m.source].address}});
    send(observer_, report{"trusted-on-first-use",
                      {{"signer", m.signer.to_string()}, {"source", sources_[m.source].address},
                        {"warning", "no --trust was given: this signer is trusted for this run because it was the first one seen"}}});
  }

  void act(const object::key_changed& k) {
    keep_trust();
    const bool rotated = k.said.what == manifest::key_statement::kind::rotate;
    const auto key = k.said.key.to_string();
    const auto next = rotated ? k.said.next->to_string() : std::string{};
    const auto& source = sources_[k.source].address;
    base::log::warn("subscriber_verifier", rotated ? "key-rotated" : "key-revoked", {{"key", key}, {"next", next}, {"source", source}});
    if (rotated) send(observer_, report{"key-rotated", {{"key", key}, {"next", next}, {"source", source}}});
    else send(observer_, report{"key-revoked", {{"key", key}, {"source", source}, {"reason", "its owner revoked it: nothing that it signs counts any more"}}});
  }

  /// One write at a time: a disk that is slow gets the newest state when it is done, and no queue.
  void keep_trust() {
    if (!trust_ || ended_) return;
    changed_ = true;
    keep_chains_at_ = clock().now() + keep_chains_every;
    if (!keeping_) write_trust();
    else again_ = true;
  }

  void write_trust() {
    keeping_ = true;
    changed_ = again_ = false;
    const auto done = [this] {
      keeping_ = false;
      if (changed_ && (again_ || ended_)) write_trust();
      else if (ended_) end_kept();
    };
    kept_trust now{std::make_shared<const manifest::subscriber_state>(receiver_.judge().state())};
    request(*trust_, caf::infinite, std::move(now)).then([done](edge_credit) { done(); }, [done](const caf::error&) { done(); });
  }

  void act(const object::too_few_signers& s) {
    const auto why = std::to_string(s.signers) + " of " + std::to_string(s.required) + " required signers list it: it is not shown before they do";
    base::log::warn("subscriber_verifier", "too-few-signers", {{"chunk", s.index}, {"reason", why}});
    send(observer_, report{"too-few-signers",
                      {{"chunk", static_cast<int64_t>(s.index)}, {"signers", static_cast<int64_t>(s.signers)},
                        {"required", static_cast<int64_t>(s.required)}, {"reason", why}}});
  }

  void act(const object::evidence& e) {
    const auto signer = e.signer ? e.signer->to_string() : std::string{};
    base::log::error("subscriber_verifier", "equivocation", {{"signer", signer}, {"group", e.group}, {"text", e.text}});
    send(observer_, report{"equivocation", {{"signer", signer}, {"group", static_cast<int64_t>(e.group)}, {"text", e.text}}});
  }

  /// A trusted signer can contradict itself as often as it likes: what the disk is too slow for is not kept.
  void act(const object::found_evidence& e) {
    if (!evidence_ || ended_) return;
    if (evidence_owed_ >= evidence_waiting) {
      ++evidence_dropped_;
      return;
    }
    ++evidence_owed_;
    const auto done = [this](bool kept) {
      --evidence_owed_;
      if (!kept) ++evidence_dropped_;
      if (ended_) end_kept();
    };
    request(*evidence_, caf::infinite, found_evidence{e.what}).then(done, [done](const caf::error&) { done(false); });
  }

  void act(const object::cut_off& c) {
    const auto& source = sources_[c.source].address;
    base::log::warn("subscriber_verifier", "source-cut-off", {{"source", source}, {"reason", c.text}, {"retry_ms", c.penalty.count()}});
    send(observer_, report{"source-cut-off", {{"source", source}, {"reason", c.text}, {"retry_ms", int64_t{c.penalty.count()}}}});
    auto& l = links_[c.source];
    if (l.session) send(l.session, session_bar{c.penalty, c.text});
    forget(l);
  }

  void act(const object::frozen& f) {
    const std::string why = "chunks come, but no manifest for them since " + std::to_string(f.since.count() / 1000) + " s: nothing more is shown";
    base::log::warn("subscriber_verifier", "manifests-frozen", {{"reason", why}, {"chunks_waiting", f.chunks_waiting}});
    send(observer_, report{"manifests-frozen", {{"reason", why}, {"since_ms", int64_t{f.since.count()}}, {"chunks_waiting", static_cast<int64_t>(f.chunks_waiting)}}});
  }

  void act(const object::crowding& c) {
    const auto signer = c.signer.to_string();
    const auto& source = sources_[c.source].address;
    base::log::warn("subscriber_verifier", "signer-crowds", {{"signer", signer}, {"source", source}});
    send(observer_, report{"signer-crowds",
                      {{"signer", signer}, {"source", source},
                        {"warning", "this trusted signer signed more than there is room for: its manifests are forgotten before those of others"}}});
  }

  void act(const object::stop& s) {
    send(observer_, report{s.reason == object::stop_reason::invalid_chunks ? "too-many-invalid" : "stopped", {{"text", s.text}}});
    end();
  }

  /// Never a second timer for the same moment.
  void arm() {
    const auto due = receiver_.deadline();
    if (!due || ended_ || (armed_ && *armed_ <= *due)) return;
    armed_ = due;
    const auto wait = std::max(*due - clock().now(), base::mono_duration{0});
    delayed_send(this, std::chrono::ceil<std::chrono::milliseconds>(wait), tick_atom::value);
  }

  /// With a time to drain: what the sources have begun to give is taken to its end, if they end it within that time.
  void stop() {
    if (draining_ || drain_.count() == 0 || drained()) {
      end();
      return;
    }
    draining_ = true;
    delayed_send(this, drain_, stop_atom::value);
  }

  /// Every track has ended, and every request for what was missing.
  bool drained() const {
    return std::ranges::all_of(links_, [](const link& l) { return !l.session || l.requests.empty(); });
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    base::json::object totals;
    for (const auto& [name, count] : receiver_.counters().list())
      if (count > 0) totals.emplace_back(name, static_cast<int64_t>(count));
    // Only what was waiting for a manifest is left by now.
    if (const auto waiting = receiver_.status().groups_waiting; waiting > 0) totals.emplace_back("chunks_waiting", static_cast<int64_t>(waiting));
    if (evidence_dropped_ > 0) totals.emplace_back("evidence_dropped", evidence_dropped_);
    for (const auto& [source, c] : receiver_.sources().counters()) {
      if (c.objects_first + c.objects_duplicate + c.chunks_same + c.chunks_other == 0) continue; // asked for manifests only
      send(observer_, report{"source-totals",
                        {{"source", sources_[source].address}, {"chunks_same", static_cast<int64_t>(c.chunks_same)},
                          {"chunks_missed", static_cast<int64_t>(c.chunks_missed)}, {"chunks_other", static_cast<int64_t>(c.chunks_other)},
                          {"objects_first", static_cast<int64_t>(c.objects_first)},
                          {"objects_duplicate", static_cast<int64_t>(c.objects_duplicate)}}});
    }
    if (const auto count = receiver_.sources().corroborated(); count > 0) totals.emplace_back("chunks_corroborated", static_cast<int64_t>(count));
    send(observer_, report{"totals", std::move(totals)});
    for (auto& l : links_)
      if (l.session) send(l.session, stop_atom::value);
    if (trust_ && changed_ && !keeping_) write_trust();
    end_kept();
  }

  /// Once what must not be forgotten is on the disk.
  void end_kept() {
    if (keeping_ || evidence_owed_ > 0) return;
    if (!objects_) return end_hls();
    // Where the HLS writer ends the topology is over: what is still to be written to the file of objects goes first.
    objects_->on_room([this] {
      if (!objects_->idle()) return;
      if (const auto lost = objects_->counters().dropped_groups; lost > 0)
        send(observer_, report{"objects-dropped", {{"groups", static_cast<int64_t>(lost)}, {"reason", "the disk was too slow for the file of objects"}}});
      end_hls();
    });
    objects_->push_always(this, {.end = true});
  }

  void end_hls() {
    if (!output_) {
      quit();
      return;
    }
    output_->push_always(this, {.end = true});
    output_->close(this);
  }

  static const std::string& stream_name() {
    static const std::string unknown = "unknown source";
    return unknown;
  }

  moq::track_namespace stream_;
  std::vector<subscriber_source> sources_;
  object::receiver receiver_;
  observer_actor observer_;
  std::vector<link> links_;
  std::optional<edge<verified_chunk, hls_writer_actor>> output_;
  std::optional<edge<accepted_group, object_recorder_actor>> objects_;
  std::optional<trust_keeper_actor> trust_;
  std::optional<evidence_keeper_actor> evidence_;
  size_t evidence_owed_ = 0; ///< that the keeper has not answered yet
  int64_t evidence_dropped_ = 0; ///< that is in no file
  object::proofs proofs_;
  std::optional<base::mono_time> armed_;
  std::function<base::wall_time()> wall_;
  std::chrono::milliseconds drain_{0};
  bool keeping_ = false; ///< the trust keeper has not answered yet
  bool changed_ = false; ///< since what it was given
  bool again_ = false;   ///< what changed is to be kept as soon as it has answered
  base::mono_time keep_chains_at_;
  bool draining_ = false;
  bool require_manifest_ = false;
  bool warned_ = false;
  bool ended_ = false;
};

} // namespace

subscriber_verifier_actor spawn_subscriber_verifier(caf::actor_system& sys, subscriber_config config, subscriber_outputs outputs,
  observer_actor observer) {
  return sys.spawn<subscriber_verifier>(std::move(config), std::move(outputs), std::move(observer));
}

} // namespace ec::actors
