// The command line: edgecls-infer BUNDLE, then what infer.py of every bundle understands.
#pragma once

#include <string>
#include <vector>

namespace edgecls {

struct Arguments {
  enum class Command { help, verify, evaluate, bench, serve, prepare, predict };

  Command command = Command::predict;
  std::string bundle;
  std::string directory;  // of evaluate
  std::vector<std::string> images;
  int threads = 0;
  double seconds = 2.0;
  long queries = 662;
};

extern const char* const kUsage;
extern const char* const kHelp;

// Throws Error for a wrong command line.
Arguments parse_arguments(const std::vector<std::string>& words);

}  // namespace edgecls
