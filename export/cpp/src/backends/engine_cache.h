// Where engines are kept from one run to the next: the folder, names and stamps of
// export/tensorrt/engine.py, so that a device builds each once, whichever program runs it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "json.h"

namespace edgecls {

// An engine fits one version of TensorRT and one GPU, so both are in its file's name, and in a
// stamp that is compared before TensorRT is given a byte of it.
struct EnginePlace {
  EnginePlace(const std::string& bundle_sha256, const std::string& tensorrt_version,
              const std::string& gpu, const std::string& compute_capability);

  // The kept engine's bytes; nothing where none is kept, or a damaged one, which is told. Throws
  // Error for an engine of another version, GPU or bundle.
  std::optional<std::string> load() const;

  // Written beside and renamed; a device without a place to write builds every time, and says so.
  void keep(std::string_view engine_bytes, std::string_view timing_bytes) const;

  std::string engine, timing;  // paths
  Json stamp;
};

// A kept file's bytes, none where it cannot be read.
std::string kept(const std::string& path);

// An engine with its stamp in front: one line of JSON that also holds its hash.
std::string stamped(const Json& stamp, std::string_view engine);
// The stamp and the engine; nothing where either is damaged.
std::optional<std::pair<Json, std::string>> unstamped(std::string_view whole);

}  // namespace edgecls
