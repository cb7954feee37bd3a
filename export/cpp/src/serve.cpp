#include "serve.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <utility>

#include "classify.h"
#include "conditions.h"
#include "error.h"
#include "files.h"
#include "golden.h"
#include "image.h"
#include "measure.h"
#include "npy.h"

namespace edgecls {
namespace {

using Kind = Json::Kind;

const std::string& text(const Json& request, const char* name) {
  const Json* value = request.find(name);
  if (!value || !value->is(Kind::string)) {
    throw Error(std::string("the request needs a text '") + name + "'");
  }
  return value->text;
}

double number(const Json& request, const char* name, double otherwise) {
  const Json* value = request.find(name);
  if (!value) return otherwise;
  if (!value->is_number() || std::fabs(value->number) > 1e12) {
    throw Error(std::string("'") + name + "' is no number that can be used");
  }
  return value->number;
}

std::vector<std::string> texts(const Json& request, const char* name) {
  const Json* value = request.find(name);
  std::vector<std::string> result;
  if (!value || !value->is(Kind::array)) {
    throw Error(std::string("the request needs a list '") + name + "'");
  }
  for (const Json& item : value->items) {
    if (!item.is(Kind::string)) throw Error(std::string("'") + name + "' holds what is no text");
    result.push_back(item.text);
  }
  return result;
}

Json parse(const std::string& line) {
  Json request;
  try {
    request = parse_json(line);
  } catch (const Error&) {
    throw Error("not a line of JSON: '" + line.substr(0, 200) + "'");
  }
  if (!request.is(Kind::object) || !request.find("do")) {
    throw Error("not a request: '" + line.substr(0, 200) + "' has no 'do'");
  }
  return request;
}

Json failure(const std::string& cause, const std::string& fix) {
  return Json::object().set("ok", false).set("error", cause).set("fix", fix);
}

}  // namespace

Server::Server(std::string folder, const Meta& meta, Runner& runner, double load_ms)
    : folder_(std::move(folder)),
      meta_(meta),
      runner_(runner),
      load_ms_(load_ms),
      tensors_(golden_inputs(folder_, meta)) {
  if (reads_images()) {
    for (const std::string& path : golden_paths(folder_, meta_)) files_.push_back(read_file(path));
  }
  first_inference_ms_ = timed_ms([this] { runner_.run(tensors_.image(0), 1); });
}

Json Server::hello() const {
  Json about = runner_.about();
  about.set("kit", "cpp").set("reads_images", reads_images());
  return Json::object()
      .set("about", about)
      .set("pid", static_cast<std::int64_t>(getpid()))
      .set("load_ms", load_ms_)
      .set("first_inference_ms", first_inference_ms_);
}

Json Server::round(const Json& request) {
  const std::string phase = request.find("phase") ? text(request, "phase") : "inference";
  const Query ask = query(phase, runner_, meta_, tensors_, files_);
  Json samples = Json::array();
  for (const double each : sample(ask, number(request, "seconds", 0.0),
                                  static_cast<long>(number(request, "queries", 1)),
                                  static_cast<long>(number(request, "warmup", 0)))) {
    samples.items.push_back(each);
  }
  return Json::object().set("samples_ms", samples);
}

Json Server::infer(const Json& request) {
  const Images images = read_images(text(request, "input"));
  if (images.image_bytes() != tensors_.image_bytes() || images.width != tensors_.width ||
      images.channels != tensors_.channels) {
    throw Error(text(request, "input") + " has images of another shape than the model's");
  }
  // One query after the other, as they are measured: a free batch is not filled with all of them.
  const std::size_t step = at_once(runner_);
  Logits all;
  for (std::size_t i = 0; i < images.count; i += step) {
    const Logits some = runner_.run(images.image(i), std::min(step, images.count - i));
    all.classes = some.classes;
    all.values.insert(all.values.end(), some.values.begin(), some.values.end());
  }
  all.count = images.count;
  write_logits(text(request, "output"), all);
  return Json::object().set("num_images", images.count);
}

Json Server::verify() { return edgecls::verify(folder_, meta_, runner_); }

Json Server::predict(const std::vector<std::string>& images) {
  return edgecls::predict(images, meta_, runner_);
}

Json Server::evaluate(const std::string& directory) {
  return edgecls::evaluate(directory, meta_, runner_);
}

Json Server::bench(double seconds, long queries) {
  const Query ask = query("inference", runner_, meta_, tensors_, files_);
  const long warmup = std::max(20L, queries / 10);
  Json result = summary(sample(ask, seconds, queries, warmup));
  for (auto& [name, value] : hello().members) result.set(name, value);
  return result.set("rss_bytes", peak_rss_bytes()).set("ok", true);
}

Json Server::handle(const Json& request) {
  const std::map<std::string, std::function<Json()>> handlers{
      {"conditions", [] { return conditions(); }},
      {"evaluate", [&] { return evaluate(text(request, "directory")); }},
      {"hello", [&] { return hello(); }},
      {"infer", [&] { return infer(request); }},
      {"memory", [] { return Json::object().set("rss_bytes", peak_rss_bytes()); }},
      {"predict", [&] { return predict(texts(request, "images")); }},
      {"quit", [] { return Json::object().set("quit", true); }},
      {"round", [&] { return round(request); }},
      {"verify", [&] { return verify(); }},
  };
  const auto found = handlers.find(text(request, "do"));
  if (found != handlers.end()) return found->second();
  std::string names;
  for (const auto& each : handlers) names += (names.empty() ? "" : ", ") + each.first;
  throw Error("unknown request: '" + text(request, "do") + "'", "valid: " + names);
}

Json Server::answer(const std::string& line) {
  try {
    Json answer = handle(parse(line));
    if (!answer.find("ok")) answer.set("ok", true);
    return answer;
  } catch (const Error& error) {
    return failure(error.what(), error.fix);
  } catch (const std::exception& error) {  // a runtime throws what it likes
    return failure(error.what(), "");
  }
}

void print(const Json& value, std::FILE* out) {
  std::fputs((to_text(value) + "\n").c_str(), out);
  std::fflush(out);
}

void serve(Server& server, std::FILE* out) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find_first_not_of(" \t\r\f\v") == line.npos) continue;
    const Json answer = server.answer(line);
    print(answer, out);
    if (answer.find("quit")) return;
  }
}

}  // namespace edgecls
