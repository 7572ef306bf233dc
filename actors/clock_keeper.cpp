#include "actors/clock_keeper.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "manifest/attestation.hpp"

namespace ec::actors {
namespace {

class clock_keeper final : public clock_keeper_actor::base {
public:
  clock_keeper(caf::actor_config& cfg, clock_keeper_config config, observer_actor observer) :
    clock_keeper_actor::base(cfg), judge_(std::move(config.judge)), self_(std::move(config.self)), agreement_(config.agreement), fetch_within_(config.fetch_within),
    wall_(std::move(config.wall)), observer_(std::move(observer)) {
    set_down_handler([this](const caf::down_msg&) {
      const auto s = status();
      send(observer_, report{"clock-totals", {{"heard", s.heard}, {"adopted", s.adopted}, {"refused", s.refused}, {"differ", s.differ}, {"untold", s.untold}}});
      quit();
    });
  }

  behavior_type make_behavior() override {
    return {
      [this](const source_manifest& m) { hear(m); },
      [this](const clock_parties& p) {
        with_ = p;
        monitor(p.chunker);
      },
      [this](status_atom) { return status(); },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override {
    // Where nothing is repaired nobody else ends them.
    if (with_) anon_send(with_->sources, stop_atom::value);
    with_.reset();
    observer_ = nullptr;
    wall_ = nullptr;
  }

private:
  /// A chunk that a signer lists, at a source.
  struct listed {
    std::string signer;
    std::string source; ///< address
    bool trusted = false;
    uint64_t index = 0;
    crypto::digest digest;
  };

  clock_keeper_status status() const {
    auto out = counts_;
    out.untold = agreement_.untold();
    return out;
  }

  void hear(const source_manifest& m) {
    if (!with_) return;
    const auto read = manifest::decode(m.payload.span());
    if (!read) return; // the sources' own peer tells what it thinks of that
    const auto judged = judge_.accept(m.payload.span(), wall_(), m.epoch);
    const auto* whole = std::get_if<manifest::signed_manifest>(&read.value());
    if (whole == nullptr) return;
    const auto& content = whole->content;
    listed of{{}, m.address, false, 0, {}};
    bool any = false;
    for (size_t i = content.chunks.size(); i > 0 && !any; --i) {
      if (content.chunks[i - 1].state != manifest::chunk_state::whole) continue;
      any = true;
      of.index = content.chunk_start_index + i - 1;
      of.digest = content.chunks[i - 1].digest;
    }
    if (!any) return;
    if (judged.accepted) {
      of.trusted = true;
      of.signer = judged.accepted->signers.front().to_string();
    } else {
      const auto stranger = std::ranges::find(judged.refusals, manifest::refusal_reason::untrusted, &manifest::refusal::why);
      if (stranger == judged.refusals.end() || !stranger->signer || content.stream_id != judge_.stream_id()) return;
      of.signer = stranger->signer->to_string();
    }
    if (of.signer == self_) return;
    ++counts_.heard;
    request(with_->chunker, caf::infinite, clock_query{}).then([this, of](const clock_reading& own) { compare(of, own); }, [](const caf::error&) {});
  }

  void compare(const listed& of, const clock_reading& own) {
    if (!with_) return;
    // Without broadcast time this node's count is nobody else's: any that is trusted is the better one.
    const auto here = own.synced || !of.trusted ? own.newest : std::nullopt;
    switch (agreement_.on_chunk({of.signer, of.trusted, of.index}, here, clock().now())) {
    case ts::clock_agreement::step::none: return;
    case ts::clock_agreement::step::tell: return tell_difference(of, own);
    case ts::clock_agreement::step::look: break;
    }
    request(with_->sources, caf::infinite, fetch_group{.index = of.index, .within = fetch_within_, .except = {}, .of_found = true})
      .then([this, of, own](const fetched_group& got) { offer(of, own, got); }, [](const caf::error&) {});
  }

  void offer(const listed& of, const clock_reading& own, const fetched_group& got) {
    if (!with_) return;
    if (!got.copy || got.copy->digest != of.digest) {
      base::log::info("clock_keeper", "count-not-seen",
        {{"signer", of.signer}, {"chunk", of.index}, {"reason", got.copy ? std::string("the copy is not the chunk that was signed for") : std::string(actors::name(got.why))}});
      return;
    }
    send(with_->sources, copy_taken{got.source});
    const ts::clock_reference reference{of.index, got.copy->first_pts};
    request(with_->chunker, caf::infinite, clock_offer{reference})
      .then([this, of, own, reference](ts::adoption a) { tell(of, own, reference, a); }, [](const caf::error&) {});
  }

  void tell(const listed& of, const clock_reading& own, const ts::clock_reference& reference, ts::adoption a) {
    switch (a) {
    case ts::adoption::same: return agreement_.fits(of.signer);
    case ts::adoption::taken: {
      ++counts_.adopted;
      agreement_.fits(of.signer);
      base::json::object fields{{"chunk", reference.index}, {"signer", of.signer}, {"source", of.source}};
      if (own.newest) fields.emplace_back("from", *own.newest);
      say(base::log::level::warn, "clock-adopted", std::move(fields));
      return;
    }
    case ts::adoption::behind:
      if (agreement_.misfits(of.signer)) tell_difference(of, own);
      return;
    case ts::adoption::refused:
      ++counts_.refused;
      if (!agreement_.misfits(of.signer)) return;
      say(base::log::level::warn, "clock-refused", {{"chunk", reference.index}, {"first_pts", reference.first_pts}, {"signer", of.signer}, {"source", of.source}, {"refused", counts_.refused}});
      return;
    }
  }

  /// Two counts of one stream, and this node stays: what an operator can do about it.
  void tell_difference(const listed& of, const clock_reading& own) {
    ++counts_.differ;
    const bool behind = own.newest && of.index < *own.newest;
    base::json::object fields{{"chunk", own.newest.value_or(0)}, {"theirs", of.index}, {"signer", of.signer}, {"source", of.source}, {"trusted", of.trusted}};
    fields.emplace_back("hint", behind ? "they are behind: they count on as this node does if they trust its signer: --trust-signer " + (self_.empty() ? "KEY" : self_) + " there"
                                       : "if that signer is to be believed, name it here: --trust-signer " + of.signer);
    say(base::log::level::warn, "clock-differs", std::move(fields));
  }

  void say(base::log::level how, const char* event, base::json::object fields) {
    base::log::write(how, "clock_keeper", event, {{"details", base::json::dump(fields)}});
    send(observer_, report{event, std::move(fields)});
  }

  std::optional<clock_parties> with_;
  manifest::verifier judge_;
  std::string self_;
  ts::clock_agreement agreement_;
  std::chrono::milliseconds fetch_within_;
  std::function<base::wall_time()> wall_;
  observer_actor observer_;
  clock_keeper_status counts_;
};

} // namespace

clock_keeper_actor spawn_clock_keeper(caf::actor_system& sys, clock_keeper_config config, observer_actor observer) {
  return sys.spawn<clock_keeper>(std::move(config), std::move(observer));
}

} // namespace ec::actors
