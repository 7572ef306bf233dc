#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tuner/source.hpp"

namespace ec::tuner {

/// Lets all readers of one live input share it: the device is opened once, each reader gets every byte from its own start on. A reader that is
/// slower than the others by limits::shared_source_bytes_max loses the oldest bytes and is told so (gap_before). When the input fails, all who
/// read it then are told, and who opens it anew opens it for all again. Inputs that wait for their readers (files, standard input, HLS) are not
/// shared. Thread-safe.
class shared_inputs {
public:
  /// As open_source. Sources of one `spec` share; their options must then be equal in effect: those of the first count.
  [[nodiscard]] base::result<std::unique_ptr<source>> open(std::string_view spec, const source_options& options = {});

  /// The one of this process.
  static shared_inputs& of_process();

private:
  struct input;
  class member;

  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<input>> inputs_;
};

} // namespace ec::tuner
