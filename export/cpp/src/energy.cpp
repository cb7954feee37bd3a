#include "energy.h"

#include <cstdlib>

#include "files.h"

namespace edgecls {
namespace {

std::optional<std::int64_t> whole(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  return std::atoll(text.c_str());
}

}  // namespace

std::vector<Counter> read_rapl(const std::string& root) {
  std::vector<Counter> found;
  // Its parts, such as intel-rapl:0:0, are in a package's; psys is more than the processor.
  for (const std::string& zone : numbered(joined(root, "sys/class/powercap"), "intel-rapl:")) {
    if (first_line(joined(zone, "name")).rfind("package", 0) != 0) continue;
    const auto now = whole(first_line(joined(zone, "energy_uj")));
    if (!now) return {};
    const auto range = whole(first_line(joined(zone, "max_energy_range_uj")));
    found.push_back({*now, range.value_or(0)});
  }
  return found;
}

std::optional<double> joules(const std::vector<Counter>& before,
                             const std::vector<Counter>& after) {
  if (before.empty() || before.size() != after.size()) return std::nullopt;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::int64_t from = before[i].microjoules, to = after[i].microjoules;
    const std::int64_t range = after[i].range ? after[i].range : from;
    total += to >= from ? to - from : to - from + range;
  }
  return static_cast<double>(total) / 1e6;
}

Energy::Energy() {
  if (read_rapl().empty()) tegrastats_ = Tegrastats::start();
}

void Energy::begin() {
  if (tegrastats_) tegrastats_->begin();
  else before_ = read_rapl();
}

Json Energy::end(double seconds) {
  std::optional<double> found;
  if (!tegrastats_) found = joules(before_, read_rapl());
  else if (const auto watts = tegrastats_->mean_watts()) found = *watts * seconds;
  if (!found) return nullptr;
  return Json::object().set("joules", *found).set("source", tegrastats_ ? "tegrastats" : "rapl");
}

}  // namespace edgecls
