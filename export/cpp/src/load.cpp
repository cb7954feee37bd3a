#include "load.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <sstream>

#include "files.h"

namespace edgecls {
namespace {

// Between two looks at who is running, of which no query is charged with one.
constexpr auto kEvery = std::chrono::milliseconds(50);

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// CPU time of this process, all its threads, and of those children that have ended.
double own_seconds() {
  double total = 0.0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    total += seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return total;
}

int own_running(const std::string& proc) {
  int count = 0;
  std::error_code error;
  const std::filesystem::directory_iterator threads(joined(proc, "self/task"), error);
  for (const auto& each : threads) count += is_running(first_line(joined(each.path(), "stat")));
  return std::max(1, count);
}

}  // namespace

std::optional<CpuTimes> cpu_times(const std::string& stat) {
  std::istringstream words(stat);
  std::string name;
  // A guest's time, which follows, is in user's.
  std::int64_t user, nice, system, idle, iowait, irq, softirq, steal;
  words >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  if (!words || name != "cpu") return std::nullopt;
  const std::int64_t busy = user + nice + system + irq + softirq;
  return CpuTimes{busy, steal, busy + steal + idle + iowait};
}

std::optional<int> running(const std::string& loadavg) {
  std::istringstream words(loadavg);
  double minutes[3];
  int count;
  words >> minutes[0] >> minutes[1] >> minutes[2] >> count;
  if (!words) return std::nullopt;
  return count;
}

bool is_running(std::string_view stat) {
  const std::size_t end = stat.rfind(") ");
  return end != stat.npos && stat.substr(end + 2, 1) == "R";
}

Json shares(const CpuTimes& before, const CpuTimes& after, double own_ticks) {
  if (after.all <= before.all) return nullptr;
  const auto total = static_cast<double>(after.all - before.all);
  const double others = static_cast<double>(after.busy - before.busy) - own_ticks;
  const auto steal = static_cast<double>(after.steal - before.steal);
  return Json::object()
      .set("others", std::clamp(others / total, 0.0, 1.0))
      .set("steal", std::clamp(steal / total, 0.0, 1.0));
}

Load::Load(const std::string& root) : proc_(joined(root, "proc")) {
  look(Clock::now());
  own_s_ = own_seconds();
  times_ = cpu_times(first_line(joined(proc_, "stat")));
}

void Load::look(Clock::time_point now) {
  if (next_ && now < *next_) return;
  next_ = now + kEvery;
  const auto told = running(first_line(joined(proc_, "loadavg")));
  if (told) running_.push_back(std::max(0, *told - own_running(proc_)));
}

Json Load::answer() const {
  const auto now = cpu_times(first_line(joined(proc_, "stat")));
  const double own_ticks = (own_seconds() - own_s_) * static_cast<double>(sysconf(_SC_CLK_TCK));
  if (!now || !times_ || running_.empty()) return nullptr;
  Json result = shares(*times_, *now, own_ticks);
  if (result.is(Json::Kind::null)) return result;
  const double sum = std::accumulate(running_.begin(), running_.end(), 0.0);
  return result.set("runnable", sum / static_cast<double>(running_.size()));
}

}  // namespace edgecls
