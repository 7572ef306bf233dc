#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "base/result.hpp"
#include "object/object_file.hpp"

namespace ec::object {

/// Keeps one object file on the disk. Blocks on it.
class object_file_writer {
public:
  /// Makes the file at `path`, or goes on with it: a last record that a crash cut short is dropped first. Errors: mismatch (it
  /// is of another stream), malformed, unsupported, too_large (it is no object file, or broken before its end: nothing of it
  /// is touched); those of base::append_file::open.
  [[nodiscard]] static base::result<object_file_writer> open(const std::string& path, std::string_view stream_id);

  /// Adds `records`, all of them or none, and brings them to the disk. Each must be valid. Errors: those of
  /// base::append_file::append.
  [[nodiscard]] base::result<void> append(std::span<const file_record> records);

  uint64_t bytes() const { return file_.size(); }
  /// What open() dropped of a record that was cut short.
  uint64_t bytes_dropped() const { return bytes_dropped_; }

private:
  explicit object_file_writer(base::append_file file) : file_(std::move(file)) {}

  base::append_file file_;
  uint64_t bytes_dropped_ = 0;
};

} // namespace ec::object
