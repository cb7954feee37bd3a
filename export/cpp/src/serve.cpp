#include "serve.h"

#include <unistd.h>

#include <algorithm>
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
#include "memory.h"
#include "npy.h"
#include "request.h"

namespace edgecls {
namespace {

// The answer to a `round`. Its samples take little room: they are taken for the model's memory.
Json told(Measured round) {
  Json answer = to_json(round);
  answer.set("samples_ms", Json::of_numbers(std::move(round.samples_ms)));
  return answer;
}

Json failure(const std::string& cause, const std::string& fix) {
  return Json::object().set("ok", false).set("error", cause).set("fix", fix);
}

}  // namespace

Server::Server(std::string folder, const Meta& meta, Runner& runner, double load_ms,
               std::int64_t baseline_bytes)
    : folder_(std::move(folder)),
      meta_(meta),
      runner_(runner),
      load_ms_(load_ms),
      baseline_bytes_(baseline_bytes),
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
      .set("first_inference_ms", first_inference_ms_)
      .set("baseline_rss_bytes", baseline_bytes_);
}

Json Server::memory() const {
  return Json::object().set("rss_bytes", peak_bytes()).set("baseline_rss_bytes", baseline_bytes_);
}

Measured Server::round(const Round& asked) {
  const bool inference = asked.phase == "inference";
  const std::size_t size = inference ? asked.samples.value_or(at_once(runner_)) : 1;
  return measured(query(asked.phase, runner_, meta_, tensors_, files_, asked.samples), asked, size);
}

Json Server::profile(const Json& request) {
  const long queries = whole(request, "queries", 50, 1, 1000);
  const std::size_t size = at_once(runner_);
  Json operators = Json::array();
  for (const Operator& each : runner_.profile(ring(tensors_, size).data(), size, queries)) {
    operators.items.push_back(
        Json::object().set("name", each.name).set("type", each.type).set("ms", each.ms));
  }
  return Json::object()
      .set("operators", operators)
      .set("queries", static_cast<std::int64_t>(queries))
      .set("profiler", runner_.runtime());
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

Json Server::handle(const Json& request) {
  const std::map<std::string, std::function<Json()>> handlers{
      {"conditions", [] { return conditions(); }},
      {"evaluate", [&] { return evaluate(text(request, "directory")); }},
      {"hello", [&] { return hello(); }},
      {"infer", [&] { return infer(request); }},
      {"memory", [&] { return memory(); }},
      {"predict", [&] { return predict(texts(request, "images")); }},
      {"profile", [&] { return profile(request); }},
      {"quit", [] { return Json::object().set("quit", true); }},
      {"round", [&] { return told(round(Round::from_json(request))); }},
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
    Json answer = handle(parse_request(line));
    if (!answer.find("ok")) answer.set("ok", true);
    return answer;
  } catch (const Error& error) {
    return failure(error.what(), error.fix);
  } catch (const std::exception& error) {  // a runtime throws what it likes
    return failure(error.what(), "");
  }
}

void serve(Server& server, std::FILE* out) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find_first_not_of(" \t\r\f\v") == line.npos) continue;
    const Json answer = server.answer(line);
    write_line(answer, out);
    if (answer.find("quit")) return;
  }
}

}  // namespace edgecls
