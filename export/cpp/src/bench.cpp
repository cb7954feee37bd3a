#include "bench.h"

#include <algorithm>

#include "image.h"
#include "measure.h"
#include "stats.h"

namespace edgecls {
namespace {

// A round of the scenario; where a query is a lot of images, few of them are enough.
Round asked(const Bench& how) {
  const bool lots = how.scenario == "offline";
  Round round;
  round.scenario = how.scenario;
  round.queries = how.queries.value_or(lots ? 1 : 662);
  round.seconds = how.seconds;
  round.warmup = lots ? 1 : std::max(20L, round.queries / 10);
  round.settle = true;
  const auto samples = static_cast<std::size_t>(how.samples.value_or(0));
  if (const std::size_t otherwise = samples_of(how.scenario)) {
    round.samples = samples ? samples : otherwise;
  }
  round.qps = how.qps.value_or(0.0);
  return round;
}

double median_ms(Server& server, const std::string& phase) {
  Round round;
  round.phase = phase;
  round.queries = 64;
  round.warmup = 5;
  std::vector<double> samples = server.round(round).samples_ms;
  std::sort(samples.begin(), samples.end());
  return percentile(samples, 50);
}

void add(Json& result, const Json& more) {
  for (const auto& [name, value] : more.members) {
    if (!result.find(name)) result.set(name, value);
  }
}

}  // namespace

Json bench(Server& server, const Bench& how) {
  const Measured round = server.round(asked(how));
  Json result = Json::object().set("ok", true).set("scenario", how.scenario);
  add(result, summary(round.samples_ms));
  add(result, to_json(round));
  const std::size_t images = round.samples_per_query * round.samples_ms.size();
  result.set("throughput_per_s", static_cast<double>(images) / round.seconds);
  for (const std::string& phase : kPhases) {
    const bool is_left_out = !reads_images() && phase != "postprocess";
    if (phase == "inference" || is_left_out) continue;
    result.set(phase + "_p50_ms", median_ms(server, phase));
  }
  add(result, server.hello());
  const Json memory = server.memory();
  add(result, memory);
  const double above = memory.find("rss_bytes")->number - memory.find("baseline_rss_bytes")->number;
  return result.set("memory_bytes", static_cast<std::int64_t>(above));
}

}  // namespace edgecls
