// When the queries of a round come: MLPerf's scenarios; as edgecls/device/scenarios.py.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "json.h"
#include "load.h"

namespace edgecls {

extern const std::vector<std::string> kPhases;
extern const std::vector<std::string> kScenarios;

// One query, by its number.
using Query = std::function<void(std::size_t)>;
// What is done between two queries, which no latency counts.
using Look = std::function<void(Clock::time_point)>;

// Images in a query of a scenario where nothing else is said; 0 where it is the model's own batch.
std::size_t samples_of(const std::string& scenario);

// What a `round` asks for.
struct Round {
  std::string phase = "inference";
  std::string scenario = "single-stream";
  long queries = 1;  // at least, as are the seconds
  double seconds = 0.0;
  long warmup = 0;
  bool settle = false;
  std::optional<std::size_t> samples;  // images in a query; none: as many as the model takes
  double qps = 0.0;                    // of a server's arrivals
  std::uint64_t seed = 0;

  // Throws Error for what is no round, with the valid names.
  static Round from_json(const Json& request);
};

// The seconds between the arrivals of a Poisson process; the same as infer.py draws by a seed.
class Arrivals {
 public:
  Arrivals(double per_second, std::uint64_t seed);
  double next();

 private:
  const double per_second_;
  std::mt19937 draw_;
};

// Milliseconds of each query, until both the seconds and the number of queries are reached; of a
// server all that arrive in that time.
std::vector<double> sample(const Query& ask, const Round& asked, const Look& look);

struct WarmUp {
  long queries;
  bool settled;
};

// The queries before: as many as were asked for, and then, where that was asked for too, windows of
// at least 5 of them and 50 ms, until the medians of two are within 2 %, for at most 10 windows. Not
// for offline, where a window would be several whole lots.
WarmUp warm_up(const Query& ask, const Round& asked);

}  // namespace edgecls
