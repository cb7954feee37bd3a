#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "error.h"
#include "image.h"
#include "stats.h"

namespace edgecls {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// As many images a query as the model takes at once; the first ones follow the last again.
Query inference(Runner& runner, const Images& tensors) {
  const std::size_t size = at_once(runner);
  std::vector<std::uint8_t> ring;
  for (std::size_t i = 0; i < tensors.count + size - 1; ++i) {
    const std::uint8_t* image = tensors.image(i % tensors.count);
    ring.insert(ring.end(), image, image + tensors.image_bytes());
  }
  const std::size_t count = tensors.count, bytes = tensors.image_bytes();
  return [&runner, ring = std::move(ring), size, count, bytes](std::size_t i) {
    runner.run(ring.data() + (i % count) * bytes, size);
  };
}

}  // namespace

std::vector<double> probabilities(const float* logits, std::size_t classes, double temperature) {
  std::vector<double> shares(classes);
  for (std::size_t i = 0; i < classes; ++i) shares[i] = logits[i] / temperature;
  const double highest = *std::max_element(shares.begin(), shares.end());
  for (double& share : shares) share = std::exp(share - highest);
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= total;
  return shares;
}

Query query(const std::string& phase, Runner& runner, const Meta& meta, const Images& tensors,
            const std::vector<std::string>& files) {
  if (phase == "inference") return inference(runner, tensors);
  if (phase != "preprocess" && phase != "end_to_end") {
    throw Error("unknown phase: '" + phase + "'", "valid: inference, preprocess, end_to_end");
  }
  if (!reads_images()) decode("", false);  // says what is missing
  if (phase == "preprocess") {
    return [&meta, &files](std::size_t i) { meta.preprocess.load(files[i % files.size()]); };
  }
  return [&runner, &meta, &files](std::size_t i) {
    const std::vector<std::uint8_t> image = meta.preprocess.load(files[i % files.size()]);
    const Logits logits = runner.run(image.data(), 1);
    probabilities(logits.row(0), logits.classes, meta.postprocess.temperature);
  };
}

std::vector<double> sample(const Query& ask, double seconds, long queries, long warmup) {
  for (long i = 0; i < warmup; ++i) ask(static_cast<std::size_t>(i));
  std::vector<double> samples;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  for (std::size_t i = 0;; ++i) {
    const auto begin = Clock::now();
    ask(i);
    const auto end = Clock::now();
    samples.push_back(milliseconds(end - begin));
    if (static_cast<long>(samples.size()) >= queries && end >= deadline) return samples;
  }
}

Json summary(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  Json result = Json::object();
  result.set("num_queries", samples.size());
  for (const int percent : {50, 90, 99}) {
    const std::string name = "latency_p" + std::to_string(percent) + "_ms";
    result.set(name, percentile(samples, percent));
    result.set(name + "_bound", percentile_upper_bound(samples, percent));
  }
  const double total = std::accumulate(samples.begin(), samples.end(), 0.0);
  return result.set("throughput_per_s", 1e3 * static_cast<double>(samples.size()) / total);
}

double timed_ms(const std::function<void()>& call) {
  const auto begin = Clock::now();
  call();
  return milliseconds(Clock::now() - begin);
}

}  // namespace edgecls
