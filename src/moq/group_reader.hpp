#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "moq/message.hpp"
#include "moq/track_store.hpp"
#include "moq/types.hpp"

namespace ec::moq {

/// Reads the objects of one group of a store's track in the order of their ids, for somebody who has no session: what the store lacks is brought as
/// for a FETCH, and a group that is still published is followed to its end. No I/O; the store outlives it.
class group_reader final : private track_observer, private store_observer {
public:
  /// `group` unset: the newest. If that began before anybody here listened and its beginning cannot be had, the one after it.
  group_reader(track_store& store, full_track_name track, std::optional<uint64_t> group, base::mono_time now);
  ~group_reader() override;
  group_reader(const group_reader&) = delete;
  group_reader& operator=(const group_reader&) = delete;

  enum class step {
    wait,   ///< nothing now: ask again when stirred()
    object, ///< one was given, of status normal
    end,    ///< that was the whole group
    failed, ///< it cannot be had, or not to its end: error()
  };
  step next(object& out, base::mono_time now);
  /// True if something happened since this was asked last, so that next() may have another answer.
  bool stirred();
  /// True once it is known that the group exists and where it begins: what follows are its objects, or a failure on the way.
  bool found() const { return reading_; }
  /// The group, as soon as it is chosen.
  std::optional<uint64_t> group() const { return group_; }
  const request_error& error() const { return error_; }

private:
  step fail(uint64_t code, std::string reason, std::optional<uint64_t> retry_after_ms = {});
  std::optional<step> choose(base::mono_time now);
  std::optional<step> begin();
  step read(object& out, base::mono_time now);

  void on_append(track&, const object&, bool, base::mono_time) override { stirred_ = true; }
  void on_end_subgroup(track&, uint64_t, uint64_t, base::mono_time) override { stirred_ = true; }
  void on_end_group(track&, uint64_t, base::mono_time) override { stirred_ = true; }
  void on_reset_subgroup(track&, uint64_t, uint64_t, uint64_t, base::mono_time) override { stirred_ = true; }
  void on_reset_group(track&, uint64_t, uint64_t, base::mono_time) override { stirred_ = true; }
  void on_end_track(track&, uint64_t, std::string_view, base::mono_time) override;
  void on_track_added(track& t, base::mono_time) override;
  void on_track_removed(track& t, base::mono_time) override;
  void on_namespace(const track_namespace&, bool, base::mono_time) override {}
  void on_track_refused(const full_track_name& name, const request_error& why, base::mono_time) override;
  void on_filled(const fill& what, base::mono_time) override;
  void on_store_gone() override;

  track_store* store_; ///< null: gone
  full_track_name name_;
  std::optional<uint64_t> wished_;
  std::shared_ptr<const void> interest_;
  track* track_ = nullptr;
  std::optional<uint64_t> group_;
  uint64_t floor_ = 0; ///< of the newest group: none before this one
  std::shared_ptr<const fill> fill_;
  uint64_t filled_to_ = 0; ///< object, inclusive: so far it was asked whether what is not held exists
  bool reading_ = false;
  uint64_t next_ = 0;
  bool failed_ = false;
  request_error error_;
  bool stirred_ = true;
};

} // namespace ec::moq
