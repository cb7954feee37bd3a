#include "classify.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>

#include "error.h"
#include "files.h"
#include "image.h"
#include "measure.h"
#include "stats.h"

namespace edgecls {
namespace fs = std::filesystem;
namespace {

std::map<std::string, std::string> class_folders(const std::string& directory) {
  std::map<std::string, std::string> folders;
  std::error_code error;
  for (fs::directory_iterator each(directory, error), end; !error && each != end;
       each.increment(error)) {
    std::error_code ignored;
    if (fs::is_directory(each->path(), ignored)) {
      folders[each->path().filename().string()] = each->path().string();
    }
  }
  if (error) throw Error(directory + " cannot be read: " + error.message());
  return folders;
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error, ignored;
  for (fs::recursive_directory_iterator each(folder, error), end; !error && each != end;
       each.increment(error)) {
    if (!fs::is_directory(each->path(), ignored)) files.push_back(each->path().string());
  }
  if (error) throw Error(folder + " cannot be read: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::size_t predicted(const std::vector<std::uint8_t>& image, Runner& runner) {
  const Logits logits = runner.run(image.data(), 1);
  const float* row = logits.row(0);
  return static_cast<std::size_t>(std::max_element(row, row + logits.classes) - row);
}

Json skip(const std::string& file, const std::string& reason) {
  return Json::object().set("file", file).set("reason", reason);
}

Json predict_one(const std::string& path, const Meta& meta, Runner& runner) {
  Json result = Json::object();
  result.set("file", path);
  std::vector<std::uint8_t> image;
  try {
    image = meta.preprocess.load(read_file(path));
  } catch (const Error& error) {
    return result.set("error", error.what());
  }
  const Logits logits = runner.run(image.data(), 1);
  const std::vector<double> shares =
      probabilities(logits.row(0), logits.classes, meta.postprocess.temperature);
  std::vector<std::size_t> order(std::min(shares.size(), meta.labels.size()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&shares](std::size_t a, std::size_t b) { return shares[a] > shares[b]; });
  Json top = Json::array();
  for (std::size_t i = 0; i < order.size() && i < 5; ++i) {
    top.items.push_back(std::vector<Json>{meta.labels[order[i]], shares[order[i]]});
  }
  const double confidence = shares[order[0]];
  return result.set("label", meta.labels[order[0]])
      .set("confidence", confidence)
      .set("rejected", confidence < meta.postprocess.reject_threshold)
      .set("top", top);
}

}  // namespace

Json evaluate(const std::string& directory, const Meta& meta, Runner& runner) {
  if (!reads_images()) decode("", false);  // says what is missing
  std::map<std::string, std::string> folders = class_folders(directory);
  Json skipped = Json::array();
  long correct = 0, total = 0;
  bool any = false;
  for (std::size_t label = 0; label < meta.labels.size(); ++label) {
    const auto found = folders.find(meta.labels[label]);
    if (found == folders.end()) continue;
    any = true;
    for (const std::string& path : files_below(found->second)) {
      std::vector<std::uint8_t> image;
      try {
        image = meta.preprocess.load(read_file(path));
      } catch (const Error& error) {
        skipped.items.push_back(skip(path, error.what()));
        continue;
      }
      correct += predicted(image, runner) == label;
      ++total;
    }
    folders.erase(found);
  }
  if (!any) {
    std::string names;
    for (const std::string& each : meta.labels) names += (names.empty() ? "" : ", ") + each;
    throw Error(directory + " has no folder named like one of the labels", "labels: " + names);
  }
  if (total == 0) throw Error(directory + " has no image that can be read");
  for (const auto& [name, path] : folders) {
    skipped.items.push_back(skip(path, "no label of this model"));
  }
  const auto [low, high] = wilson(correct, total);
  return Json::object()
      .set("ok", true)
      .set("top1", static_cast<double>(correct) / static_cast<double>(total))
      .set("top1_low", low)
      .set("top1_high", high)
      .set("num_images", static_cast<std::int64_t>(total))
      .set("skipped", skipped);
}

Json predict(const std::vector<std::string>& images, const Meta& meta, Runner& runner) {
  Json rows = Json::array();
  bool ok = true;
  for (const std::string& path : images) {
    rows.items.push_back(predict_one(path, meta, runner));
    ok = ok && !rows.items.back().find("error");
  }
  return Json::object().set("ok", ok).set("predictions", rows);
}

}  // namespace edgecls
