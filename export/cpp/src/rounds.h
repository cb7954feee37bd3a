// One round: warm-up, what is measured, and what the machine did meanwhile; as
// edgecls/device/rounds.py.
#pragma once

#include <vector>

#include "json.h"
#include "scenarios.h"

namespace edgecls {

struct Measured {
  std::vector<double> samples_ms;
  std::size_t samples_per_query = 1;
  double seconds = 0.0;  // wall time of what is measured
  WarmUp warm_up{};
  double pace_ms = 0.0;
  Json load, energy;  // null where the device tells nothing
};

Measured measured(const Query& ask, const Round& asked, std::size_t samples_per_query);

// What the answer to a `round` has beside the samples.
Json to_json(const Measured& round);

}  // namespace edgecls
