#include "meta.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "error.h"
#include "files.h"
#include "schema.h"
#include "schema_text.h"
#include "sha256.h"

namespace edgecls {
namespace {

constexpr const char* kName = "meta.json";
constexpr std::size_t kDigits = 64;
const std::string kSeal = "\"seal\": \"";

// Where the 64 digits of each seal begin.
std::vector<std::size_t> seals(const std::string& text) {
  std::vector<std::size_t> found;
  for (std::size_t at = text.find(kSeal); at != text.npos; at = text.find(kSeal, at + 1)) {
    const std::size_t digits = at + kSeal.size();
    const std::size_t end = text.find_first_not_of("0123456789abcdef", digits);
    if (end == digits + kDigits && text[end] == '"') found.push_back(digits);
  }
  return found;
}

// The seal is the sha256 of the file's own bytes with 64 zeros in place of it.
bool is_sealed(const std::string& text) {
  const std::vector<std::size_t> places = seals(text);
  std::string blank = text;
  for (const std::size_t at : places) blank.replace(at, kDigits, kDigits, '0');
  const std::string digest = sha256_of_bytes(blank);
  for (const std::size_t at : places) {
    if (text.compare(at, kDigits, digest) != 0) return false;
  }
  return !places.empty();
}

std::vector<std::string> strings(const Json& array) {
  std::vector<std::string> result;
  for (const Json& item : array.items) result.push_back(item.text);
  return result;
}

std::map<std::string, std::string> texts(const Json& object) {
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : object.members) result[name] = value.text;
  return result;
}

std::int64_t integer(const Json& value, const std::string& where) {
  if (value.number > 1e15) throw Error(where + " is too large", "export the bundle again");
  return static_cast<std::int64_t>(value.number);
}

// `data` has been found valid under the schema: every field is there and of its kind.
Meta from_json(const Json& data) {
  const auto field = [&data](const char* name) -> const Json& { return *data.find(name); };
  Meta meta;
  meta.format = integer(field("format"), "format");
  meta.model = field("model").text;
  meta.target = field("target").text;
  meta.precision = field("precision").text;
  meta.scheme = field("scheme");
  meta.hardware = field("hardware");
  for (std::size_t i = 0; i < 4; ++i) {
    meta.input_shape[i] = integer(field("input_shape").items[i], "input_shape");
  }
  meta.labels = strings(field("labels"));
  meta.preprocess = Preprocess::from_json(field("preprocess"));
  meta.postprocess.temperature = field("postprocess").find("temperature")->number;
  meta.postprocess.reject_threshold = field("postprocess").find("reject_threshold")->number;
  meta.golden.count = integer(*field("golden").find("count"), "golden/count");
  meta.golden.source = field("golden").find("source")->number;
  const Json& artifact = *field("golden").find("artifact");
  if (artifact.is_number()) meta.golden.artifact = artifact.number;
  meta.model_files = strings(field("model_files"));
  meta.kit = field("kit").text;
  meta.versions = texts(field("versions"));
  meta.run = field("run").text;
  meta.reference = field("reference");
  meta.provenance = field("provenance");
  meta.details = field("details");
  meta.seal = field("seal").text;
  meta.files = texts(field("files"));
  return meta;
}

// Which fields do not fit each other, or the empty string.
std::string contradiction(const Meta& meta) {
  const Preprocess& how = meta.preprocess;
  const std::array<std::int64_t, 4> given{meta.input_shape[0], how.size[0], how.size[1],
                                          static_cast<std::int64_t>(how.channels())};
  if (meta.input_shape != given) return "input_shape is not what preprocess gives";
  for (const std::string& name : meta.model_files) {
    if (!meta.files.count(name)) {
      return "model_files names '" + name + "', which files does not list";
    }
  }
  return "";
}

std::string problem(const Json& data, const Json& schema) {
  if (!data.is(Json::Kind::object)) return "not a JSON object";
  const Json* format = data.find("format");
  const Json& wanted = *schema.find("properties")->find("format")->find("const");
  const bool same = format && format->is(Json::Kind::integer) && format->number == wanted.number;
  if (!same) {
    return "format " + (format ? to_text(*format) : "None") + ", but this binary reads format " +
           to_text(wanted);
  }
  return mismatch(data, schema);
}

}  // namespace

Meta read_meta(const std::string& folder) {
  const std::string path = joined(folder, kName);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(folder + " is not a bundle: it has no " + kName,
                "make one with: edgecls export CHECKPOINT --target TARGET");
  }
  Json data;
  try {
    data = parse_json(read_file(path));
  } catch (const Error& error) {
    throw Error(path + " cannot be read: " + error.what(), "copy or export the bundle again");
  }
  std::string wrong = problem(data, parse_json(kMetaSchema));
  if (!wrong.empty()) throw Error(path + ": " + wrong, "export the bundle again");
  Meta meta = from_json(data);
  wrong = contradiction(meta);
  if (!wrong.empty()) throw Error(path + ": " + wrong, "export the bundle again");
  return meta;
}

std::vector<std::string> check_files(const std::string& folder, const Meta& meta) {
  std::vector<std::string> names = list_files(folder);
  names.erase(std::remove(names.begin(), names.end(), kName), names.end());
  const std::set<std::string> present(names.begin(), names.end());
  std::vector<std::string> problems, changed;
  if (!is_sealed(read_file(joined(folder, kName)))) {
    problems.push_back(std::string(kName) + " has changed");
  }
  for (const auto& [name, digest] : meta.files) {
    if (!present.count(name)) {
      problems.push_back(name + " is missing");
    } else if (sha256_of_file(joined(folder, name)) != digest) {
      changed.push_back(name + " has changed");
    }
  }
  for (const std::string& name : names) {
    if (!meta.files.count(name)) problems.push_back(name + " is not listed in " + kName);
  }
  problems.insert(problems.end(), changed.begin(), changed.end());
  return problems;
}

std::string bundle_sha256(const std::string& folder) {
  return sha256_of_file(joined(folder, kName));
}

}  // namespace edgecls
