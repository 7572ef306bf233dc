#include "tests/simulation/node.hpp"

#include <cstdlib>

#include "actors/supervisor.hpp"
#include "crypto/certificate.hpp"
#include "tests/support/temp_dir.hpp"

namespace ec::simulation {
namespace {

using namespace std::chrono_literals;

constexpr auto start_again = 2s; // a service manager's pause
constexpr auto liar_reads = 250ms;
constexpr auto source_idle = 250ms;

/// Hands reports of one process on for as long as it is that process.
class reporter final : public actors::observer_actor::base {
public:
  reporter(caf::actor_config& cfg, std::function<void(const actors::report&)> to) : actors::observer_actor::base(cfg), to_(std::move(to)) {}
  behavior_type make_behavior() override {
    return {[this](const actors::report& r) { to_(r); }};
  }
  void on_exit() override { to_ = nullptr; }

private:
  std::function<void(const actors::report&)> to_;
};

/// Asks one question.
class asker final : public caf::event_based_actor {
public:
  asker(caf::actor_config& cfg, caf::actor supervisor, std::function<void(const actors::subscriber_status&)> then) :
    caf::event_based_actor(cfg), supervisor_(caf::actor_cast<actors::supervisor_actor>(supervisor)), then_(std::move(then)) {}
  caf::behavior make_behavior() override {
    request(supervisor_, caf::infinite, actors::status_atom::value).then([this](const actors::branch_status& s) {
      // The HLS writer, the verifier, and the sessions (actors/topology/subscribe.cpp).
      if (s.running.size() < 2) return quit();
      request(caf::actor_cast<actors::subscriber_verifier_actor>(s.running[1]), caf::infinite, actors::status_atom::value)
        .then([this](const actors::subscriber_status& held) {
          then_(held);
          quit();
        }, [this](const caf::error&) { quit(); });
    }, [this](const caf::error&) { quit(); });
    supervisor_ = nullptr;
    return {[](actors::start_atom) {}};
  }

private:
  actors::supervisor_actor supervisor_;
  std::function<void(const actors::subscriber_status&)> then_;
};

} // namespace

key_ring::key_ring() : signer(crypto::signing_key::from_seed({7}).public_key()) {
  static const test::temp_dir dir;
  signing_key = dir / "leader.key";
  if (!crypto::signing_key::from_seed({7}).save(signing_key)) std::abort();
  const auto made = crypto::certificate_pair::load_or_make(dir / "tls", base::wall_now(), {"simulated"});
  if (!made) std::abort();
  for (const auto& file : std::filesystem::directory_iterator(dir / "tls")) {
    const auto name = file.path().filename().string();
    (name.find("key") == std::string::npos ? chain : tls_key) = file.path();
  }
}

const key_ring& key_ring::of_process() {
  static const key_ring made;
  return made;
}

/// Hears of everything that one process publishes.
class node::tap final : public moq::store_observer, public moq::track_observer {
public:
  tap(node& of, std::weak_ptr<process> p) : node_(of), process_(std::move(p)) {}

  void on_track_added(moq::track& t, base::mono_time) override {
    if (node_.hoards) const_cast<moq::track_config&>(t.config()).cache_groups_max = SIZE_MAX;
    t.observe(*this);
    tracks_.push_back(&t);
  }
  void on_track_removed(moq::track& t, base::mono_time) override { std::erase(tracks_, &t); }
  void on_namespace(const moq::track_namespace&, bool, base::mono_time) override {}
  void on_store_gone() override { tracks_.clear(); }

  void on_append(moq::track& t, const moq::object& o, bool, base::mono_time) override {
    if (live()) node_.watch_.on_published(node_.host(), t, o);
  }
  void on_end_subgroup(moq::track&, uint64_t, uint64_t, base::mono_time) override {}
  void on_end_group(moq::track& t, uint64_t group, base::mono_time) override {
    if (live()) node_.watch_.on_group_ended(node_.host(), t, group, false);
  }
  void on_reset_group(moq::track& t, uint64_t group, uint64_t, base::mono_time) override {
    if (live()) node_.watch_.on_group_ended(node_.host(), t, group, true);
  }
  void on_end_track(moq::track&, uint64_t, std::string_view, base::mono_time) override {}

  const std::vector<const moq::track*>& tracks() const { return tracks_; }

private:
  /// What a process that went down still says is heard by nobody.
  bool live() const {
    const auto p = process_.lock();
    return p != nullptr && p == node_.process_ && node_.up_;
  }

  node& node_;
  std::weak_ptr<process> process_;
  std::vector<const moq::track*> tracks_;
};

/// One run of the node's process.
struct node::process {
  actors::running_topology topology;
  actors::observer_actor observer;
  sim_loop* loop = nullptr;
  tap* published = nullptr;
  base::mono_duration rewind{};
  unsigned opened = 0;
  // A liar's own reading.
  std::unique_ptr<tuner::source> source;
  std::unique_ptr<ts::chunk_cutter> cutter;
  std::unique_ptr<attack::mischief> mischief;
};

node::node(world& in, network& net, broadcast& station, node_config config, node_watch& watch) :
  disk(in.rng(), in.log()), world_(in), net_(net), station_(station), config_(std::move(config)), watch_(watch) {
  disk.make_folders(state_folder);
  disk.make_folders(hls_folder);
  disk.on_placed = [this](const std::string& path, const std::vector<uint8_t>& content) { watch_.on_placed(host(), path, content); };
}

node::~node() {
  if (up_) crash(crash::kill);
  bury_ = process_ != nullptr; // also one that was buried before all of it ran
  bury();
  world_.settle();
  dying_.clear();
  process_.reset(); // before the taps that its tracks know
  world_.settle();
}

actors::machine node::machine_of(process& p) {
  actors::machine on;
  on.disk = &disk;
  on.wall = [this] { return world_.wall() + wall_off; };
  on.blocking = actors::placement::shared;
  on.make_loop = [this, &p](caf::actor_system&) {
    auto made = std::make_unique<sim_loop>(world_);
    p.loop = made.get();
    return made;
  };
  on.open_endpoint = [this, &p](quic::endpoint_config config, quic::acceptor* accept) -> base::result<std::unique_ptr<quic::endpoint>> {
    if (auto* core = dynamic_cast<actors::endpoint_core*>(accept)) core->store().observe(*p.published);
    return net_.open(config_.host, std::move(config), accept, *p.loop);
  };
  on.open_source = [this, self = std::weak_ptr(process_)](std::string_view, const tuner::source_options&) -> base::result<std::unique_ptr<tuner::source>> {
    // The wiring looks at the source before its reader opens it.
    const auto of = self.lock();
    const bool first = of != nullptr && of->opened++ < 2;
    return open_tuner(world_, station_, tuner, first ? of->rewind : base::mono_duration{});
  };
  on.source_idle = source_idle;
  on.resolve = [](const std::string& host, uint16_t port) -> base::result<std::vector<quic::socket_address>> {
    EC_TRY(auto found, quic::socket_address::parse(host + ":" + std::to_string(port)));
    return std::vector{found};
  };
  return on;
}

base::result<actors::running_topology> node::wire(process& p) {
  const auto on = machine_of(p);
  auto& sys = world_.system();
  switch (config_.what) {
  case role::leader: return actors::leader(sys, config_.publish, p.observer, on);
  case role::relay: return actors::relay(sys, config_.publish, p.observer, on);
  case role::moq_relay: return actors::moq_relay(sys, config_.mesh, p.observer, on);
  case role::subscriber: return actors::subscriber(sys, config_.subscribe, p.observer, on);
  case role::liar: break;
  }
  return wire_liar(p, on);
}

base::result<actors::running_topology> node::wire_liar(process& p, const actors::machine& on) {
  const auto& keys = key_ring::of_process();
  EC_TRY(auto identity, crypto::certificate_pair::load(keys.chain, keys.tls_key));
  actors::quic_endpoint_config config;
  config.implementation = "liar";
  config.quic.alpns = actors::moq_protocols();
  config.quic.identity = std::make_shared<const crypto::certificate_pair>(std::move(identity));
  EC_TRY(auto endpoint, actors::start_quic_endpoint(world_.system(), std::move(config), on));
  p.source = open_tuner(world_, station_, tuner);
  p.cutter = std::make_unique<ts::chunk_cutter>(ts::cutter_config{});
  attack::mischief_config lies{.what = config_.lie, .stream_id = stream_id, .key = crypto::signing_key::from_seed({66}), .claimed = keys.signer,
    .count = 500, .wall = on.wall};
  p.mischief = std::make_unique<attack::mischief>(std::move(lies), [to = endpoint.actor](actors::publish_op op) { caf::anon_send(to, std::move(op)); });
  actors::running_topology out;
  out.stages.push_back({caf::actor_cast<caf::actor>(endpoint.actor)});
  out.loops.push_back(endpoint.loop);
  return out;
}

void node::lie(const std::shared_ptr<process>& of) {
  world_.after(liar_reads, [this, self = std::weak_ptr(of)] {
    const auto p = self.lock();
    if (p == nullptr || p != process_ || !up_) return;
    if (const auto got = p->source->read({})) {
      std::vector<ts::cut_event> events;
      p->cutter->push(got.value(), world_.now(), events);
      for (const auto& e : events) p->mischief->on(e);
    }
    lie(p);
  });
}

void node::start() {
  if (up_) return;
  disk.come_up();
  net_.wake(config_.host);
  up_ = true;
  disk.on_crash = [this] { crash(world_.rng().chance(500) ? crash::kill : crash::power_cut); };
  auto p = std::make_shared<process>();
  process_ = p;
  if (config_.rewinds && world_.rng().chance(400)) p->rewind = std::chrono::milliseconds(world_.rng().below(20'000));
  p->published = taps_.emplace_back(std::make_unique<tap>(*this, p)).get();
  p->observer = world_.system().spawn<reporter>([this, self = std::weak_ptr(p)](const actors::report& r) {
    if (const auto live = self.lock(); live != nullptr && live == process_ && up_) watch_.on_report(host(), r);
  });
  auto made = wire(*p);
  if (!made) {
    // The process ends with its error; it is started again.
    world_.log().add(made.error().message());
    watch_.on_report(host(), {"not-started", {{"reason", made.error().message()}}});
    if (up_) crash(crash::kill);
    world_.after(start_again, [this] { start(); });
    return;
  }
  p->topology = std::move(made).value();
  if (p->mischief) lie(p);
}

void node::stop() {
  if (up_) actors::end_topology(world_.system(), process_->topology);
}

void node::crash(enum crash how) {
  if (!up_) return;
  up_ = false;
  ++crashes;
  net_.silence(config_.host);
  disk.go_down(how);
  bury_ = true;
  watch_.on_crashed(host(), how);
}

void node::bury() {
  if (!bury_) return;
  bury_ = false;
  auto& p = *process_;
  p.mischief.reset();
  for (const auto& stage : p.topology.stages)
    for (const auto& a : stage) caf::anon_send_exit(a, caf::exit_reason::kill);
  caf::anon_send_exit(p.observer, caf::exit_reason::kill);
  p.observer = nullptr;
  dying_.push_back(process_);
  // Its memory goes when its actors have gone.
  world_.after({}, [this] { dying_.clear(); });
}

const std::vector<const moq::track*>& node::tracks() const {
  static const std::vector<const moq::track*> none;
  return up_ && process_ ? process_->published->tracks() : none;
}

void node::ask_status(std::function<void(const actors::subscriber_status&)> then) {
  if (!up_ || config_.what != role::subscriber) return;
  world_.system().spawn<asker>(process_->topology.stages.front().front(), std::move(then));
}

} // namespace ec::simulation
