#include "overflow.h"

#include <cstdio>
#include <fstream>
#include <sstream>

namespace edgecls {
namespace {

// Of the first core, as x86's kernel spells them; Arm's writes "Features".
std::string cpu_flags(const std::string& cpuinfo) {
  std::ifstream stream(cpuinfo);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t colon = line.find(':');
    if (line.rfind("flags", 0) == 0 && colon != line.npos) return line.substr(colon + 1);
  }
  return "";
}

bool has_vnni(const std::string& flags) {
  std::istringstream words(flags);
  for (std::string word; words >> word;) {
    for (const char* name : {"avx512_vnni", "avx512vnni", "avx_vnni", "amx_int8"}) {
      if (word == name) return true;
    }
  }
  return false;
}

}  // namespace

std::string overflow_warning(const Json& scheme, const std::string& cpuinfo) {
  const Json* reduced = scheme.find("reduce_range");
  if (!scheme.is(Json::Kind::object) || scheme.members.empty() || (reduced && reduced->truth))
    return "";
  const std::string flags = cpu_flags(cpuinfo);
  if (flags.empty() || has_vnni(flags)) return "";
  const std::string warning =
      "this CPU has no VNNI: the products of 8-bit weights overflow and the answers are wrong; "
      "export it again with --for x86-avx2";
  std::fprintf(stderr, "warning: %s\n", warning.c_str());
  return warning;
}

}  // namespace edgecls
