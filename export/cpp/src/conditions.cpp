#include "conditions.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "files.h"

namespace edgecls {
namespace fs = std::filesystem;
namespace {

std::optional<double> number(const std::string& folder, const char* name) {
  const std::string text = first_line(joined(folder, name));
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return value;
}

void add_clocks(Json& result, const std::string& sys) {
  std::set<std::string> governors;
  Json now = Json::array(), highest = Json::array();
  for (const std::string& policy : numbered(sys + "/devices/system/cpu/cpufreq", "policy")) {
    const std::string governor = first_line(joined(policy, "scaling_governor"));
    if (!governor.empty()) governors.insert(governor);
    if (const auto khz = number(policy, "scaling_cur_freq")) now.items.push_back(*khz / 1e3);
    if (const auto khz = number(policy, "cpuinfo_max_freq")) highest.items.push_back(*khz / 1e3);
  }
  std::string names;
  for (const std::string& each : governors) names += (names.empty() ? "" : ", ") + each;
  if (!names.empty()) result.set("governor", names);
  if (!now.items.empty()) result.set("cpu_mhz", now);
  if (!highest.items.empty()) result.set("cpu_max_mhz", highest);
}

void add_temperatures(Json& result, const std::string& sys) {
  std::map<std::string, double> found;
  for (const std::string& zone : numbered(sys + "/class/thermal", "thermal_zone")) {
    const auto millidegrees = number(zone, "temp");
    // A sensor without power tells -256 °C.
    if (!millidegrees || *millidegrees <= -50e3 || *millidegrees >= 200e3) continue;
    std::string name = first_line(joined(zone, "type"));
    if (name.empty()) name = fs::path(zone).filename().string();
    const auto place = found.emplace(name, *millidegrees / 1e3).first;
    place->second = std::max(place->second, *millidegrees / 1e3);  // two zones may share a type
  }
  Json temperatures = Json::object();
  for (const auto& [name, celsius] : found) temperatures.set(name, celsius);
  if (!found.empty()) result.set("temperatures_c", temperatures);
}

// Whether a cooling device slows a processor down, by the kernel's name for it.
bool slows(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* part : {"cpufreq", "processor", "gpu", "devfreq", "throttle"}) {
    if (type.find(part) != type.npos) return true;
  }
  return false;
}

void add_throttling(Json& result, const std::string& sys) {
  double events = 0;
  bool any = false;
  for (const std::string& cpu : numbered(sys + "/devices/system/cpu", "cpu")) {
    for (const char* kind : {"core_throttle_count", "package_throttle_count"}) {
      const auto count = number(cpu + "/thermal_throttle", kind);
      events += count.value_or(0.0);
      any = any || count;
    }
  }
  if (any) result.set("throttle_events", static_cast<std::int64_t>(events));
  bool slowed = false, known = false;
  for (const std::string& device : numbered(sys + "/class/thermal", "cooling_device")) {
    const auto state = number(device, "cur_state");
    if (!state || !slows(first_line(joined(device, "type")))) continue;
    known = true;
    slowed = slowed || *state > 0;
  }
  if (known) result.set("throttled", slowed);
}

}  // namespace

Json conditions(const std::string& root) {
  const std::string sys = joined(root, "sys");
  Json result = Json::object();
  add_clocks(result, sys);
  add_temperatures(result, sys);
  add_throttling(result, sys);
  return result;
}

}  // namespace edgecls
