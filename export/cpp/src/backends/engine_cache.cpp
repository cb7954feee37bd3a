#include "engine_cache.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "error.h"
#include "files.h"
#include "sha256.h"

namespace edgecls {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMagic = "edgecls engine ";

fs::path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/') return fs::path(cache) / "edgecls";
  const char* home = std::getenv("HOME");
  return fs::path(home && *home ? home : "/") / ".cache" / "edgecls";
}

// Letters and digits, with one '-' for whatever is between them.
std::string slug(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) result += c;
    else if (!result.empty() && result.back() != '-') result += '-';
  }
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result;
}

void write_kept(const std::string& path, std::string_view bytes) {
  try {
    write_file(path, {bytes});
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
}

// A stamp's text, of a stamp that somebody else may have written.
std::string text_of(const Json& stamp, const std::string& name) {
  const Json* value = stamp.find(name);
  return value && value->is(Json::Kind::string) ? value->text : "nothing";
}

}  // namespace

EnginePlace::EnginePlace(const std::string& bundle_sha256, const std::string& tensorrt_version,
                         const std::string& gpu, const std::string& compute_capability)
    : stamp(Json::object()) {
  const std::string machine =
      "tensorrt-" + tensorrt_version + "-" + slug(gpu) + "-sm" + compute_capability;
  engine = (cache_folder() / (bundle_sha256 + "-" + machine + ".engine")).string();
  timing = (cache_folder() / (machine + ".timing")).string();
  stamp.set("bundle", bundle_sha256)
      .set("compute_capability", compute_capability)
      .set("gpu", gpu)
      .set("tensorrt", tensorrt_version)
      .set("variant", "");
}

std::optional<std::string> EnginePlace::load() const {
  const std::string whole = kept(engine);
  if (whole.empty()) return std::nullopt;
  auto found = unstamped(whole);
  if (!found) {
    std::fprintf(stderr, "%s is damaged: it is built again\n", engine.c_str());
    return std::nullopt;
  }
  std::string wrong;
  for (const auto& [name, value] : stamp.members) {
    const std::string said = text_of(found->first, name);
    if (said == value.text) continue;
    wrong +=
        (wrong.empty() ? "its " : "; its ") + name + " is " + said + ", here it is " + value.text;
  }
  if (!wrong.empty()) {
    throw Error(engine + " is another device's engine: " + wrong,
                "remove it, so that this device's own is built");
  }
  return std::move(found->second);
}

void EnginePlace::keep(std::string_view engine_bytes, std::string_view timing_bytes) const {
  std::error_code error;
  const fs::path folder = fs::path(engine).parent_path();
  if (fs::create_directories(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
  write_kept(timing, timing_bytes);
  write_kept(engine, stamped(stamp, engine_bytes));
}

std::string kept(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

std::string stamped(const Json& stamp, std::string_view engine) {
  Json line = stamp;
  line.set("sha256", sha256_of_bytes(engine));
  std::sort(line.members.begin(), line.members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return std::string(kMagic) + to_text(line) + "\n" + std::string(engine);
}

std::optional<std::pair<Json, std::string>> unstamped(std::string_view whole) {
  const std::size_t end = whole.find('\n');
  if (whole.substr(0, kMagic.size()) != kMagic || end == whole.npos) return std::nullopt;
  const std::string_view engine = whole.substr(end + 1);
  try {
    Json stamp = parse_json(whole.substr(kMagic.size(), end - kMagic.size()));
    if (text_of(stamp, "sha256") != sha256_of_bytes(engine)) return std::nullopt;
    return std::make_pair(std::move(stamp), std::string(engine));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace edgecls
