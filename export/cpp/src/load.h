// How busy the rest of a machine was while something was measured on it; as edgecls/device/load.py.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"

namespace edgecls {

using Clock = std::chrono::steady_clock;

// What all cores did since the boot, in the kernel's ticks.
struct CpuTimes {
  std::int64_t busy = 0, steal = 0, all = 0;
};

// By the first line of /proc/stat; nothing where it says something else.
std::optional<CpuTimes> cpu_times(const std::string& stat);

// How many tasks run or wait for a core, by /proc/loadavg.
std::optional<int> running(const std::string& loadavg);

// Whether a thread runs, by its `stat`, whose second field is a name in brackets.
bool is_running(std::string_view stat);

// The shares between two moments, with what this process used itself; null where too little time
// has passed.
Json shares(const CpuTimes& before, const CpuTimes& after, double own_ticks);

class Load {
 public:
  explicit Load(const std::string& root = "/");

  // Between two queries: counts who wants to run, if it was not done a moment ago.
  void look(Clock::time_point now);

  // `others`, `steal` and `runnable` since it was made; null where nothing is told.
  Json answer() const;

 private:
  const std::string proc_;
  std::vector<int> running_;
  std::optional<Clock::time_point> next_;
  double own_s_ = 0.0;
  std::optional<CpuTimes> times_;
};

}  // namespace edgecls
