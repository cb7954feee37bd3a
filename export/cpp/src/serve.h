// --serve: one JSON request a line on stdin, one JSON answer a line; as edgecls/device/serve.py.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "runner.h"

namespace edgecls {

// A loaded runner and what its requests need.
class Server {
 public:
  Server(std::string folder, const Meta& meta, Runner& runner, double load_ms);

  // The answer to one line, whatever is in it: an error is one with "ok": false.
  Json answer(const std::string& line);

  Json hello() const;
  Json verify();
  Json predict(const std::vector<std::string>& images);
  Json evaluate(const std::string& directory);
  // `--bench`: samples, their percentiles, and what hello tells.
  Json bench(double seconds, long queries);

 private:
  Json handle(const Json& request);
  Json round(const Json& request);
  Json infer(const Json& request);

  const std::string folder_;
  const Meta& meta_;
  Runner& runner_;
  const double load_ms_;
  Images tensors_;
  std::vector<std::string> files_;
  double first_inference_ms_ = 0.0;
};

// Answers every line of stdin until `quit` or its end.
void serve(Server& server, std::FILE* out);

// One line of JSON, written at once.
void print(const Json& value, std::FILE* out);

}  // namespace edgecls
