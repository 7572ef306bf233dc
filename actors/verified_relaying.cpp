#include "actors/verified_relaying.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "actors/topology/common.hpp"
#include "base/limits_guard.hpp"
#include "base/log.hpp"
#include "identity/stream_id.hpp"
#include "manifest/trust_file.hpp"
#include "object/stream_guard.hpp"

namespace ec::actors {
namespace {

/// A chunk waits so long for the manifest that lists it: an epoch of half a minute, and what its signer may take.
constexpr std::chrono::seconds patience{60};
constexpr std::chrono::seconds expire_turn{1};

class verifying_gate final : public moq::relay_gate {
public:
  verifying_gate(verify_wishes wishes, manifest::trust_set keys, manifest::trust_file file) : wishes_(std::move(wishes)), keys_(std::move(keys)), file_(std::move(file)) {}

  passage passage_of(const moq::full_track_name& name) override {
    const auto id = identity::from_namespace_fields(name.ns.fields);
    const bool groups = name.name == object::name(object::track::chunks) || name.name == object::name(object::track::damaged);
    if (!id || (!groups && name.name != manifests)) return wishes_.unverified ? passage::open : passage::closed;
    if (guard_of(id.value()) == nullptr) return passage::closed;
    return groups ? passage::groups : passage::judged;
  }

  std::optional<moq::full_track_name> taken_along(const moq::full_track_name& name) override {
    if (name.name == manifests || find(name) == nullptr) return std::nullopt;
    return moq::full_track_name{name.ns, manifests};
  }

  answer on_object(uint64_t source, const moq::full_track_name& name, const moq::object& o, base::mono_time now) override {
    auto* s = find(name);
    if (s == nullptr) return {verdict::drop, "its stream is not verified any more"};
    s->used = ++clock_;
    if (o.status != moq::object_status::normal) return {verdict::drop, "nobody signs what does not exist"};
    if (name.name == manifests) return of(s->guard.manifest(o.group, o.payload, wishes_.wall()));
    return of(s->guard.push(source, track_of(name), o.group, o.id, o.payload, now));
  }

  answer on_fetched(const moq::full_track_name& name, const moq::object& o) override {
    auto* s = find(name);
    if (s == nullptr || o.status != moq::object_status::normal) return {verdict::drop, "nothing is known of it"};
    if (name.name == manifests) return of(s->guard.manifest(o.group, o.payload, wishes_.wall()));
    return of(s->guard.match(track_of(name), o.group, o.id, o.payload));
  }

  void on_gone(uint64_t source, const moq::full_track_name& name) override {
    if (auto* s = find(name)) s->guard.forget(source);
  }

  std::vector<decision> decide(base::mono_time now) override {
    std::vector<decision> out;
    const bool expires = now >= expire_at_;
    if (expires) expire_at_ = now + expire_turn;
    for (auto& [id, s] : streams_) {
      if (expires) s.guard.expire(now - patience);
      for (auto& d : s.guard.take_decisions()) out.push_back({d.source, {s.ns, std::string(object::name(d.on))}, d.group, of({d.is, std::move(d.why)})});
    }
    return out;
  }

private:
  static constexpr const char* manifests = "manifests";

  struct stream {
    moq::track_namespace ns;
    object::stream_guard guard;
    uint64_t used = 0;
  };

  static object::track track_of(const moq::full_track_name& name) {
    return name.name == object::name(object::track::damaged) ? object::track::damaged : object::track::chunks;
  }

  static answer of(object::guard_answer a) {
    switch (a.is) {
    case object::guarded::right: return {verdict::pass, {}};
    case object::guarded::waits: return {verdict::hold, {}};
    case object::guarded::useless: return {verdict::drop, std::move(a.why)};
    default: return {verdict::refuse, std::move(a.why)};
    }
  }

  stream* find(const moq::full_track_name& name) {
    const auto it = streams_.find(name.ns);
    return it == streams_.end() ? nullptr : &it->second;
  }

  /// Null: no key counts for the stream, or its keys cannot be had.
  object::stream_guard* guard_of(const identity::stream_id& id) {
    moq::track_namespace ns{identity::namespace_fields(id)};
    if (const auto it = streams_.find(ns); it != streams_.end()) return &it->second.guard;
    auto trust = keys_;
    const auto applied = manifest::apply(file_, id.text(), trust);
    auto cipher = object::stream_cipher::make(id.text(), wishes_.network_secret);
    if (!applied || trust.size() == 0 || !cipher) {
      base::log::info("relay", "stream-refused", {{"stream_id", id.text()}, {"reason", "no key is trusted for it"}});
      return nullptr;
    }
    if (streams_.size() >= base::limits::guard_streams_max)
      streams_.erase(std::ranges::min_element(streams_, {}, [](const auto& s) { return s.second.used; }));
    manifest::verifier verifier(id.text(), std::move(trust), manifest::live_rules());
    return &streams_.emplace(ns, stream{ns, object::stream_guard(std::move(cipher).value(), std::move(verifier), id.profile()), ++clock_}).first->second.guard;
  }

  verify_wishes wishes_;
  manifest::trust_set keys_;    ///< for every stream
  manifest::trust_file file_;   ///< for some
  std::map<moq::track_namespace, stream> streams_;
  uint64_t clock_ = 0;
  base::mono_time expire_at_{};
};

} // namespace

base::result<std::shared_ptr<moq::relay_gate>> verified_relaying(verify_wishes wishes) {
  manifest::trust_set keys;
  for (const auto& text : wishes.trust_signer)
    if (const auto added = keys.add(text); !added) return base::fail(about_setting(added.error(), "--trust-signer"));
  manifest::trust_file file;
  if (!wishes.trust_file.empty()) {
    auto read = manifest::load_trust_file(wishes.trust_file.string());
    if (!read) return base::fail(about_setting(read.error(), "--trust-file"));
    file = std::move(read).value();
  }
  return std::shared_ptr<moq::relay_gate>(std::make_shared<verifying_gate>(std::move(wishes), std::move(keys), std::move(file)));
}

} // namespace ec::actors
