// Whether this device's CPU computes int8 as it was meant; as edgecls/device/overflow.py.
#pragma once

#include <string>

#include "json.h"

namespace edgecls {

// What is wrong with running the bundle's scheme on this CPU, which is also said on stderr: x86
// without VNNI adds two products in 16 bits, which weights of 8 bits overflow. Empty for nothing.
std::string overflow_warning(const Json& scheme, const std::string& cpuinfo = "/proc/cpuinfo");

}  // namespace edgecls
