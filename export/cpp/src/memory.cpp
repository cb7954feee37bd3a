#include "memory.h"

#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace edgecls {
namespace {

// A line of the kernel's status of this process, or 0 where there is none.
std::int64_t from_status(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name, 0) == 0) return std::atoll(line.c_str() + name.size()) * 1024;
  }
  return 0;
}

// Second to VmHWM: it also counts the process that started this one, before it was replaced.
std::int64_t from_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss;
#else
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace

std::int64_t resident_bytes() {
  const std::int64_t told = from_status("VmRSS:");
  return told ? told : from_usage();
}

std::int64_t peak_bytes() {
  const std::int64_t told = from_status("VmHWM:");
  return told ? told : from_usage();
}

}  // namespace edgecls
