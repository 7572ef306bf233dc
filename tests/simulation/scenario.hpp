#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/invariants.hpp"

namespace ec::simulation {

/// Something broken on purpose, to see that the invariants notice.
enum class mutation {
  none,
  accepts_unlisted,  ///< subscribers show what no manifest lists
  state_not_written, ///< the signer's state is not on the disk when the signature leaves
  overfull_cache,    ///< publishers keep more groups than they may
  lossy_streams,     ///< what the network loses never comes
  torn_playlist,     ///< the playlist is not replaced in one step
};

/// One run. All of it follows from these numbers.
struct scenario {
  uint64_t seed = 1;
  std::chrono::seconds length{120};
  bool faults = true;          ///< otherwise all is well from the start to the end
  unsigned relays = 2;
  unsigned subscribers = 3;
  mutation broken = mutation::none;
  std::string moq_version{};   ///< that subscribers offer; empty: all, of which moqt-18 is taken
  bool deep = true;            ///< looks into HLS folders and receivers all the time, not at the end only
};

/// A run of what the seed says: topology, faults and their times.
scenario scenario_of(uint64_t seed);

struct outcome {
  scenario of;
  std::optional<std::string> failure; ///< the first invariant that broke
  uint64_t step = 0;                  ///< at this step ...
  double at_seconds = 0;              ///< ... and time
  uint64_t digest = 0;                ///< of everything that happened
  uint64_t steps = 0, messages = 0, packets = 0;
  invariants::totals counted;
  std::vector<std::string> story;     ///< what the seed had in store, a line for each fault

  std::string text() const;
};

outcome run(const scenario& s);

} // namespace ec::simulation
