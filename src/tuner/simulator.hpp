#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tuner/broadcast.hpp"
#include "tuner/fault_plan.hpp"
#include "tuner/lineup.hpp"

namespace ec::tuner {

/// A virtual channel that the simulated device receives.
struct simulated_channel {
  std::string number = "5.1";
  std::string name = "EC-DT";
  std::string video_codec = "MPEG2";
  std::string audio_codec = "AC3";
  bool hd = true;
  std::optional<uint16_t> transport_stream_id; ///< for /lineup.json?tuning
  std::optional<uint16_t> program_number;      ///< likewise, and for /status.json
  tuner::broadcast broadcast;
};

struct simulator_config {
  /// A real device answers its documents on port 80 and streams on 5004; here one port serves both.
  std::string listen = "127.0.0.1:5004";
  unsigned tuners = 4;    ///< streams at the same time, 1..64
  double speed = 1.0;     ///< times real time, > 0, at most 1000
  std::string friendly_name = "HDHomeRun SIMULATOR";
  std::string model_number = "HDHR5-4US";
  std::string device_id = "10A1B2C7"; ///< carries a valid check digit
  /// Answers discovery (UDP) and control (TCP) here; empty: does not. Clients know no other port than 65001.
  std::string control;
  fault_plan faults;      ///< of every channel, each on its broadcast's own clock
  std::vector<simulated_channel> channels;
};

/// A trouble to play, for tests and demonstrations of what a node does about it.
enum class simulator_trouble {
  none,
  no_signal, ///< new requests are answered 503 with 807
  silent,    ///< streams stay open but nothing comes; the broadcast goes on meanwhile
  drop,      ///< streams that are open are closed; new ones are served
};

/// Since the start.
struct simulator_counters {
  uint64_t requests = 0;
  uint64_t streams_opened = 0;
  uint64_t refused_busy = 0;     ///< 804 and 805
  uint64_t refused_unknown = 0;  ///< 801
  uint64_t bytes_sent = 0;
  uint64_t bursts_lost = 0;      ///< bursts that a client was too slow for and did not get
  unsigned streams_open = 0;
};

/// An HDHomeRun over HTTP: `/discover.json`, `/lineup.json` (also `?tuning`), `/lineup_status.json`, `/status.json`, `/auto/vN.M`, `/tunerT/vN.M`, with
/// `?duration=S`. Each channel is one broadcast that runs from `start` on whether somebody is tuned in or not; every client
/// gets the same packets, from the moment it tuned in. Threads: one for each channel, which alone calls its broadcast, and
/// one for each connection. With a control address it also answers libhdhomerun's discovery and control protocol there, on one thread more
/// and one for each tuner with a target.
class simulator {
public:
  /// Errors: malformed (address), io (cannot bind), invalid_argument (no channel, a number twice, bad speed, tuner count or device id).
  [[nodiscard]] static base::result<std::unique_ptr<simulator>> start(simulator_config config);
  ~simulator();
  simulator(const simulator&) = delete;
  simulator& operator=(const simulator&) = delete;

  uint16_t port() const;
  /// "host:port" as bound.
  const std::string& address() const;
  /// Of the control port, likewise; empty without one.
  std::string control_address() const;
  /// Plays a trouble from now on; `drop` is over at once.
  void play(simulator_trouble trouble);
  simulator_counters counters() const;
  /// The reason why a broadcast ended, if one did: its streams have ended with it.
  std::string broken() const;
  /// Ends all streams and joins all threads. Idempotent.
  void stop();

private:
  struct state;
  explicit simulator(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace ec::tuner
