// Percentiles, their distribution-free bounds, and intervals of proportions; as device/stats.py.
#pragma once

#include <vector>

namespace edgecls {

// The nearest-rank percentile of an ascending sequence; `percent` in (0, 100].
double percentile(const std::vector<double>& ordered, double percent);

// The smallest order statistic that bounds the percentile from above with confidence 0.99;
// infinite where there are too few.
double percentile_upper_bound(const std::vector<double>& ordered, double percent);

struct Interval {
  double low, high;
};

// Wilson's score interval of a proportion, 95 %; 0 to 1 for no trials.
Interval wilson(long successes, long trials);

}  // namespace edgecls
