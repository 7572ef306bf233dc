#include "actors/object_recorder.hpp"

#include <deque>

#include "base/log.hpp"
#include "object/object_file_writer.hpp"
#include "object/sealer.hpp"

namespace ec::actors {
namespace {

class object_recorder final : public object_recorder_actor::base {
public:
  object_recorder(caf::actor_config& cfg, object_recorder_config config, object::stream_cipher cipher, observer_actor observer) :
    object_recorder_actor::base(cfg), config_(std::move(config)), cipher_(std::move(cipher)), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    return {[this](const accepted_group& group) {
      if (group.end) finish();
      else write(group);
      return edge_credit{};
    }};
  }

private:
  base::result<void> open() {
    if (file_) return base::ok();
    EC_TRY(auto opened, object::object_file_writer::open(config_.path, cipher_.stream_id()));
    if (opened.bytes_dropped() > 0)
      base::log::warn("object_recorder", "cut-record-dropped", {{"file", config_.path}, {"bytes", opened.bytes_dropped()}});
    file_.emplace(std::move(opened));
    return base::ok();
  }

  base::result<void> append(const accepted_group& group) {
    EC_TRYV(open());
    std::vector<object::file_record> records;
    std::vector<crypto::digest> fresh;
    for (const auto& p : group.proofs) {
      auto digest = crypto::blake3(p.payload);
      if (std::ranges::find(written_, digest) != written_.end()) continue;
      records.push_back({object::record_track::manifests, p.group, p.object, p.payload});
      fresh.push_back(digest);
    }
    const auto on = group.tail->damage ? object::record_track::damaged : object::record_track::chunks;
    for (auto& o : object::objects_of(cipher_, config_.profile, group.index, *group.tail, group.plaintext))
      records.push_back({on, o.group, o.object, std::move(o.payload)});
    EC_TRYV(file_->append(records));
    for (auto& d : fresh) written_.push_back(d);
    while (written_.size() > base::limits::proofs_max) written_.pop_front();
    return base::ok();
  }

  void write(const accepted_group& group) {
    const auto done = append(group);
    if (done) {
      ++groups_;
      bytes_ += group.plaintext.size();
      refused_ = false;
      return;
    }
    ++lost_;
    if (refused_) return; // said once; the total comes at the end
    refused_ = true;
    base::log::warn("object_recorder", "write-failed", {{"reason", done.error().message()}, {"chunk", group.index}});
    send(observer_, report{"objects-fault", {{"reason", done.error().message()}, {"chunk", static_cast<int64_t>(group.index)}}});
  }

  void finish() {
    send(observer_, report{"objects-totals",
                      {{"file", config_.path}, {"groups", static_cast<int64_t>(groups_)}, {"bytes", static_cast<int64_t>(bytes_)},
                        {"groups_lost", static_cast<int64_t>(lost_)}}});
    quit();
  }

  object_recorder_config config_;
  object::stream_cipher cipher_;
  observer_actor observer_;
  std::optional<object::object_file_writer> file_;
  std::deque<crypto::digest> written_; ///< manifest objects that stand in the file; the newest
  bool refused_ = false;               ///< the last group was lost
  uint64_t groups_ = 0, bytes_ = 0, lost_ = 0;
};

} // namespace

object_recorder_actor spawn_object_recorder(caf::actor_system& sys, object_recorder_config config, object::stream_cipher cipher,
  observer_actor observer) {
  return sys.spawn<object_recorder, caf::detached>(std::move(config), std::move(cipher), std::move(observer));
}

} // namespace ec::actors
