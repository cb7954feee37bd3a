// `--bench`: the phases and the memory of a bundle, for a person at the device; as
// edgecls/device/bench.py.
#pragma once

#include <optional>
#include <string>

#include "json.h"
#include "serve.h"

namespace edgecls {

// What the command line asks of it. The inference is measured in the scenario, the other phases in
// single stream.
struct Bench {
  std::string scenario = "single-stream";
  double seconds = 2.0;
  std::optional<long> queries, samples;
  std::optional<double> qps;
};

// Percentiles of the inference with their bounds, images a second, and all the rest. Phases that
// need images are left out where this binary decodes none.
Json bench(Server& server, const Bench& how);

}  // namespace edgecls
