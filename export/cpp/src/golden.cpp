#include "golden.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "error.h"
#include "files.h"
#include "image.h"
#include "npy.h"

namespace edgecls {
namespace {

constexpr const char* kInputs = "golden/inputs.npy";
constexpr const char* kSource = "golden/source_logits.npy";
constexpr const char* kArtifact = "golden/artifact_logits.npy";

std::size_t best(const float* row, std::size_t classes) {
  return static_cast<std::size_t>(std::max_element(row, row + classes) - row);
}

double standard_deviation(const std::vector<float>& values) {
  double mean = 0.0, squares = 0.0;
  for (const float value : values) mean += value;
  mean /= static_cast<double>(values.size());
  for (const float value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

bool decodes_equally(const std::string& folder, const Meta& meta, const Images& tensors) {
  const std::vector<std::string> paths = golden_paths(folder, meta);
  if (paths.size() != tensors.count) return false;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::vector<std::uint8_t> tensor = meta.preprocess.load(read_file(paths[i]));
    if (std::memcmp(tensor.data(), tensors.image(i), tensors.image_bytes()) != 0) return false;
  }
  return true;
}

bool compare(Json& result, const std::string& name, const std::string& path, double tolerance,
             const Logits& logits) {
  const Logits reference = read_logits(path);
  const double difference = max_relative_difference(logits, reference);
  result.set(name + "_max_rel_logit_diff", difference);
  result.set(name + "_tolerance", tolerance);
  result.set(name + "_top1_agreement", agreement(logits, reference));
  return difference <= tolerance;
}

}  // namespace

std::vector<std::string> golden_paths(const std::string& folder, const Meta& meta) {
  std::vector<std::string> paths;
  for (std::int64_t i = 0; i < meta.golden.count; ++i) {
    char name[40];
    std::snprintf(name, sizeof name, "golden/%03lld.png", static_cast<long long>(i));
    // A count that somebody wrote must not fill the memory with names.
    if (!meta.files.count(name)) throw Error(std::string(name) + " is missing", "copy it again");
    paths.push_back(joined(folder, name));
  }
  return paths;
}

Images golden_inputs(const std::string& folder, const Meta& meta) {
  const Preprocess& how = meta.preprocess;
  Images images = read_images(joined(folder, kInputs));
  if (images.count == 0 || images.height != how.height() || images.width != how.width() ||
      images.channels != how.channels()) {
    throw Error("golden/inputs.npy is uint8[" + std::to_string(images.count) + ", " +
                    std::to_string(images.height) + ", " + std::to_string(images.width) + ", " +
                    std::to_string(images.channels) + "], not uint8[N, " +
                    std::to_string(how.height()) + ", " + std::to_string(how.width()) + ", " +
                    std::to_string(how.channels()) + "]",
                "export the bundle again");
  }
  return images;
}

double max_relative_difference(const Logits& logits, const Logits& reference) {
  const double infinite = std::numeric_limits<double>::infinity();
  if (logits.count != reference.count || logits.classes != reference.classes) return infinite;
  double largest = 0.0;
  for (std::size_t i = 0; i < logits.values.size(); ++i) {
    const double difference =
        std::fabs(static_cast<double>(logits.values[i]) - reference.values[i]);
    if (!std::isfinite(difference)) return infinite;
    largest = std::max(largest, difference);
  }
  const double spread = standard_deviation(reference.values);
  return largest / (spread == 0.0 ? 1.0 : spread);
}

double agreement(const Logits& logits, const Logits& reference) {
  const bool alike = logits.count == reference.count && logits.classes == reference.classes;
  if (!alike || logits.count == 0) return 0.0;
  std::size_t same = 0;
  for (std::size_t i = 0; i < logits.count; ++i) {
    same += best(logits.row(i), logits.classes) == best(reference.row(i), logits.classes);
  }
  return static_cast<double>(same) / static_cast<double>(logits.count);
}

Json verify(const std::string& folder, const Meta& meta, Runner& runner) {
  const Images tensors = golden_inputs(folder, meta);
  Json result = Json::object();
  result.set("num_images", tensors.count);
  bool holds = true;
  if (reads_images()) {
    holds = decodes_equally(folder, meta, tensors);
    result.set("preprocess_equal", holds);
  } else {
    result.set("preprocess_equal", nullptr);
  }
  const Logits logits = runner.run(tensors.values.data(), tensors.count);
  holds = compare(result, "source", joined(folder, kSource), meta.golden.source, logits) && holds;
  if (meta.golden.artifact) {
    const std::string path = joined(folder, kArtifact);
    holds = compare(result, "artifact", path, *meta.golden.artifact, logits) && holds;
  }
  return result.set("ok", holds);
}

}  // namespace edgecls
