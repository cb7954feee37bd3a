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

// Of decoded images that wait for their turn: a photograph of 12 megapixels has 36 MB.
constexpr std::size_t kMostDecodedBytes = std::size_t{1} << 26;

Query inference(Runner& runner, const Images& tensors, std::size_t size) {
  const std::size_t count = tensors.count, bytes = tensors.image_bytes();
  return [&runner, images = ring(tensors, size), size, count, bytes](std::size_t i) {
    runner.run(images.data() + (i % count) * bytes, size);
  };
}

Query preprocess(const Preprocess& how, const std::vector<std::string>& files) {
  std::vector<Picture> pictures;
  std::size_t held = 0;
  for (const std::string& file : files) {
    Picture picture = how.decoded(file);
    held += picture.values.size();
    if (!pictures.empty() && held > kMostDecodedBytes) break;
    pictures.push_back(std::move(picture));
  }
  return [&how, pictures = std::move(pictures)](std::size_t i) {
    how.apply(pictures[i % pictures.size()]);
  };
}

// The label of the likeliest class of one image.
const std::string& label(const float* logits, std::size_t classes, const Meta& meta) {
  const auto shares = probabilities(logits, classes, meta.postprocess.temperature);
  const auto best = std::max_element(shares.begin(), shares.end()) - shares.begin();
  return meta.labels.at(static_cast<std::size_t>(best));
}

Query postprocess(Runner& runner, const Meta& meta, const Images& tensors) {
  Logits logits;
  for (std::size_t i = 0; i < tensors.count; ++i) {
    const Logits one = runner.run(tensors.image(i), 1);
    logits.classes = one.classes;
    logits.values.insert(logits.values.end(), one.values.begin(), one.values.end());
  }
  logits.count = tensors.count;
  return [&meta, logits = std::move(logits)](std::size_t i) {
    label(logits.row(i % logits.count), logits.classes, meta);
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

std::vector<std::uint8_t> ring(const Images& tensors, std::size_t size) {
  std::vector<std::uint8_t> images;
  images.reserve((tensors.count + size - 1) * tensors.image_bytes());
  for (std::size_t i = 0; i < tensors.count + size - 1; ++i) {
    const std::uint8_t* image = tensors.image(i % tensors.count);
    images.insert(images.end(), image, image + tensors.image_bytes());
  }
  return images;
}

Query query(const std::string& phase, Runner& runner, const Meta& meta, const Images& tensors,
            const std::vector<std::string>& files, std::optional<std::size_t> samples) {
  if (phase == "inference") return inference(runner, tensors, samples.value_or(at_once(runner)));
  if (phase == "postprocess") return postprocess(runner, meta, tensors);
  if (!reads_images()) decode("", false);  // says what is missing
  if (phase == "preprocess") return preprocess(meta.preprocess, files);
  if (phase == "decode") {
    return [&meta, &files](std::size_t i) { meta.preprocess.decoded(files[i % files.size()]); };
  }
  return [&runner, &meta, &files](std::size_t i) {
    const std::vector<std::uint8_t> image = meta.preprocess.load(files[i % files.size()]);
    const Logits logits = runner.run(image.data(), 1);
    label(logits.row(0), logits.classes, meta);
  };
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
  return result;
}

double timed_ms(const std::function<void()>& call) {
  const auto begin = Clock::now();
  call();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace edgecls
