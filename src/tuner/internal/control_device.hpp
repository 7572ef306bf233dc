#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/internal/control_packet.hpp"
#include "tuner/internal/feed.hpp"
#include "tuner/internal/target_stream.hpp"

namespace ec::tuner::internal {

struct control_device_config {
  std::string device_id;     ///< eight hexadecimal digits
  std::string model_number;  ///< "HDHR5-4US"
  std::string firmware_version;
  std::vector<std::shared_ptr<feed>> feeds; ///< the first is received on RF channel 14 (473 MHz), the next one on 15, and so on
  std::shared_ptr<tuner_bank> tuners;
  std::function<bool()> no_signal; ///< true: nothing is received
};

/// The simulated device behind its control port: answers questions of discovery, reads and sets its variables. For one thread.
class control_device {
public:
  explicit control_device(control_device_config config);
  ~control_device();

  /// The answer to a datagram, to be sent back; empty if it is no question to this device. `base_url`: its documents.
  std::vector<uint8_t> discovered(std::span<const uint8_t> datagram, std::string_view base_url) const;
  /// The answer to one packet of a control connection from `peer`, an address without port. Errors: those of decode_control, unsupported
  /// (another type): the connection is to be closed.
  [[nodiscard]] base::result<std::vector<uint8_t>> answer(std::span<const uint8_t> packet, const std::string& peer);

  /// What a client reads: the value, or "ERROR: ..." as an error's text.
  [[nodiscard]] base::result<std::string> get(std::string_view name);
  /// Sets it and reads it back. `key`: of the client's lock, 0: none.
  [[nodiscard]] base::result<std::string> set(std::string_view name, std::string_view value, uint32_t key, const std::string& peer);

private:
  struct tuner;

  std::optional<size_t> tuner_of(std::string_view& name) const;
  base::result<std::string> get_tuner(size_t which, std::string_view item);
  base::result<void> set_tuner(size_t which, std::string_view item, std::string_view value, const std::string& peer);
  base::result<void> set_lock(size_t which, std::string_view value, uint32_t key, const std::string& peer);
  base::result<void> set_channel(tuner& t, std::string_view value);
  base::result<void> set_target(size_t which, std::string_view value, const std::string& peer);
  base::result<void> stream_again(size_t which);
  void hold_again(size_t which);
  std::string status_of(size_t which);
  std::shared_ptr<feed> feed_of(std::string_view number) const;

  control_device_config config_;
  uint32_t id_ = 0;
  std::vector<tuner> tuners_;
};

} // namespace ec::tuner::internal
