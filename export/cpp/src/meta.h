// meta.json: what a bundle is, and the hashes that prove it; edgecls/device/meta.py's rules.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "preprocess.h"

namespace edgecls {

// How far logits on the golden images may be off, over the source logits' standard deviation.
struct Golden {
  std::int64_t count = 0;
  double source = 0.0;
  std::optional<double> artifact;
};

// softmax(logits / temperature), rejected below a confidence.
struct Postprocess {
  double temperature = 1.0;
  double reject_threshold = 0.0;
};

// The fields of meta.schema.json, under their names there.
struct Meta {
  std::int64_t format = 0;
  std::string model;
  std::string target;
  std::string precision;
  Json scheme;
  Json hardware;
  std::array<std::int64_t, 4> input_shape{};
  std::vector<std::string> labels;
  Preprocess preprocess;
  Postprocess postprocess;
  Golden golden;
  std::vector<std::string> model_files;
  std::string kit;
  std::map<std::string, std::string> versions;
  std::string run;
  Json reference;
  Json provenance;
  Json details;
  std::string seal;
  std::map<std::string, std::string> files;
};

// Throws Error; the files' hashes are check_files's.
Meta read_meta(const std::string& folder);

// What differs between a bundle's files and the hashes in its meta.json; empty if nothing. A file
// that is not listed counts too. Throws Error for a link, a pipe or a device.
std::vector<std::string> check_files(const std::string& folder, const Meta& meta);

// The hash of a bundle: its meta.json's, which holds the hash of every other file.
std::string bundle_sha256(const std::string& folder);

}  // namespace edgecls
