// The command line: edgecls-infer BUNDLE, then what infer.py of every bundle understands.
#pragma once

#include <string>
#include <vector>

#include "bench.h"

namespace edgecls {

struct Arguments {
  enum class Command { help, verify, evaluate, bench, serve, prepare, predict };

  Command command = Command::predict;
  std::string bundle;
  std::string directory;  // of evaluate
  std::vector<std::string> images;
  int threads = 0;
  Bench bench;
};

extern const char* const kUsage;
extern const char* const kHelp;

// Throws Error for a wrong command line.
Arguments parse_arguments(const std::vector<std::string>& words);

}  // namespace edgecls
