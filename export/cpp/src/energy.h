// Energy over what is measured: of a processor by RAPL, of a Jetson by tegrastats; as
// edgecls/device/energy.py. Both tell of the whole processor or module, whatever else runs on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "tegrastats.h"

namespace edgecls {

// The counter of one processor package; it starts again at 0 above its range.
struct Counter {
  std::int64_t microjoules = 0, range = 0;
};

// Of all packages below `root`/sys; empty where there are none, or one cannot be read: on most
// systems they are for root alone.
std::vector<Counter> read_rapl(const std::string& root = "/");

// Between two readings; nothing where they are of no or of other packages.
std::optional<double> joules(const std::vector<Counter>& before, const std::vector<Counter>& after);

// The first source that tells.
class Energy {
 public:
  Energy();

  // Both enclose what is measured. end: `joules` and `source`; null where nothing tells.
  void begin();
  Json end(double seconds);

 private:
  std::vector<Counter> before_;
  std::unique_ptr<Tegrastats> tegrastats_;
};

}  // namespace edgecls
