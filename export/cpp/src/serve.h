// --serve: one JSON request a line on stdin, one JSON answer a line; as edgecls/device/serve.py.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "rounds.h"
#include "runner.h"

namespace edgecls {

// A loaded runner and what its requests need.
class Server {
 public:
  // baseline_bytes: what was resident before the model was loaded.
  Server(std::string folder, const Meta& meta, Runner& runner, double load_ms,
         std::int64_t baseline_bytes);

  // The answer to one line, whatever is in it: an error is one with "ok": false.
  Json answer(const std::string& line);

  Json hello() const;
  Json memory() const;
  Measured round(const Round& asked);
  Json verify();
  Json predict(const std::vector<std::string>& images);
  Json evaluate(const std::string& directory);

 private:
  Json handle(const Json& request);
  Json profile(const Json& request);
  Json infer(const Json& request);

  const std::string folder_;
  const Meta& meta_;
  Runner& runner_;
  const double load_ms_;
  const std::int64_t baseline_bytes_;
  Images tensors_;
  std::vector<std::string> files_;
  double first_inference_ms_ = 0.0;
};

// Answers every line of stdin until `quit` or its end.
void serve(Server& server, std::FILE* out);

}  // namespace edgecls
