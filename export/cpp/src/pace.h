// How quick a core was while something was measured on it, by the same arithmetic again and again; as
// edgecls/device/pace.py, whose values are not comparable with these.
#pragma once

#include <chrono>
#include <vector>

namespace edgecls {

class Pace {
 public:
  // From here on.
  Pace();

  // Between two queries, unless it was done a moment ago.
  void look(std::chrono::steady_clock::time_point now);

  // Milliseconds of the arithmetic: the median.
  double answer();

 private:
  std::vector<double> found_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace edgecls
