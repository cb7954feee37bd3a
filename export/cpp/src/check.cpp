// edgecls-check: the parts of edgecls-infer that need no runtime, one at a time, for their tests
// and for who ports them. Lines of JSON in, lines of JSON out.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "backends/engine_cache.h"
#include "conditions.h"
#include "energy.h"
#include "error.h"
#include "files.h"
#include "golden.h"
#include "image.h"
#include "json.h"
#include "load.h"
#include "meta.h"
#include "npy.h"
#include "overflow.h"
#include "scenarios.h"
#include "sha256.h"
#include "stats.h"
#include "tegrastats.h"

namespace edgecls {
namespace {

const std::string& text(const Json& request, const char* name) {
  const Json* value = request.find(name);
  if (!value) throw Error(std::string("it lacks ") + name);
  return value->text;
}

// Images through a Preprocess, into one array.
Json preprocess(const Json& request) {
  const Preprocess how = Preprocess::from_json(*request.find("preprocess"));
  Images images{0, how.height(), how.width(), how.channels(), {}};
  Json errors = Json::array();
  for (const Json& path : request.find("images")->items) {
    try {
      const std::vector<std::uint8_t> tensor = how.load(read_file(path.text));
      images.values.insert(images.values.end(), tensor.begin(), tensor.end());
      ++images.count;
    } catch (const Error& error) {
      errors.items.push_back(error.what());
    }
  }
  write_images(text(request, "output"), images);
  return Json::object().set("num_images", images.count).set("errors", errors);
}

Json bundle(const Json& request) {
  const std::string& folder = text(request, "folder");
  const Meta meta = read_meta(folder);
  Json problems = Json::array();
  for (const std::string& each : check_files(folder, meta)) problems.items.push_back(each);
  golden_inputs(folder, meta);
  golden_paths(folder, meta);
  return Json::object().set("model", meta.model).set("problems", problems);
}

Json bounds(const Json& request) {
  std::vector<double> samples;
  for (const Json& each : request.find("samples")->items) samples.push_back(each.number);
  const double percent = request.find("percent")->number;
  const auto [low, high] = wilson(static_cast<long>(samples[0]), static_cast<long>(samples.size()));
  return Json::object()
      .set("percentile", percentile(samples, percent))
      .set("bound", percentile_upper_bound(samples, percent))
      .set("wilson", std::vector<Json>{low, high});
}

Json told(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json arrivals(const Json& request) {
  Arrivals draw(request.find("qps")->number,
                static_cast<std::uint64_t>(request.find("seed")->number));
  Json seconds = Json::array();
  for (int i = 0; i < 700; ++i) seconds.items.push_back(draw.next());
  return Json::object().set("seconds", seconds);
}

// Samples of a round whose queries take so long.
Json sampled(const Json& request) {
  const std::chrono::duration<double, std::milli> takes(request.find("query_ms")->number);
  const auto ask = [&](std::size_t) { std::this_thread::sleep_for(takes); };
  const Round asked = Round::from_json(request);
  const WarmUp warm = warm_up(ask, asked);
  return Json::object()
      .set("samples_ms", Json::of_numbers(sample(ask, asked, [](Clock::time_point) {})))
      .set("warmup_queries", static_cast<std::int64_t>(warm.queries));
}

// What the lines of /proc say.
Json load(const Json& request) {
  const auto before = cpu_times(text(request, "before")), after = cpu_times(text(request, "after"));
  const auto tasks = running(text(request, "loadavg"));
  const double own_ticks = request.find("own_ticks")->number;
  return Json::object()
      .set("shares", before && after ? shares(*before, *after, own_ticks) : Json())
      .set("tasks", tasks ? Json(*tasks) : Json())
      .set("runs", is_running(text(request, "thread")));
}

// Keeps an engine, or gives back the one that is kept.
Json engine(const Json& request) {
  const EnginePlace place(text(request, "bundle"), text(request, "tensorrt"), text(request, "gpu"),
                          text(request, "compute_capability"));
  if (const Json* bytes = request.find("keep")) place.keep(bytes->text, "timings");
  const auto found = place.load();
  return Json::object().set("path", place.engine).set("engine", found ? Json(*found) : Json());
}

Json answer(const Json& request) {
  const std::string& what = text(request, "do");
  if (what == "preprocess") return preprocess(request);
  if (what == "bundle") return bundle(request);
  if (what == "overflow") {
    const std::string warning = overflow_warning(*request.find("scheme"), text(request, "cpuinfo"));
    return Json::object().set("warning", warning);
  }
  if (what == "arrivals") return arrivals(request);
  if (what == "sampled") return sampled(request);
  if (what == "load") return load(request);
  if (what == "joules") {
    const auto before = read_rapl(text(request, "before")),
               after = read_rapl(text(request, "after"));
    return Json::object().set("joules", told(joules(before, after)));
  }
  if (what == "watts") {
    return Json::object().set("watts", told(total_watts(text(request, "line"))));
  }
  if (what == "mean_watts") {
    const auto from = static_cast<std::size_t>(request.find("from")->number);
    return Json::object().set("watts", told(mean_watts(text(request, "said"), from)));
  }
  if (what == "bounds") return bounds(request);
  if (what == "engine") return engine(request);
  if (what == "conditions") return conditions(text(request, "root"));
  if (what == "sha256") return Json::object().set("hash", sha256_of_file(text(request, "path")));
  if (what == "json")
    return Json::object().set("value", parse_json(read_file(text(request, "path"))));
  if (what == "images" || what == "logits") {
    if (what == "images") write_images(text(request, "output"), read_images(text(request, "path")));
    else write_logits(text(request, "output"), read_logits(text(request, "path")));
    return Json::object();
  }
  throw Error("unknown: " + what);
}

Json guarded(const std::string& line) {
  try {
    Json result = answer(parse_json(line));
    return result.set("ok", true);
  } catch (const Error& error) {
    return Json::object().set("ok", false).set("error", error.what()).set("fix", error.fix);
  }
}

}  // namespace
}  // namespace edgecls

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    edgecls::write_line(edgecls::guarded(line), stdout);
  }
  return 0;
}
