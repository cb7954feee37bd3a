// The resident memory of this process, in bytes; as edgecls/device/memory.py.
#pragma once

#include <cstdint>

namespace edgecls {

// What is resident at this moment; where only the peak is told, the peak up to now.
std::int64_t resident_bytes();

// The most that was ever resident.
std::int64_t peak_bytes();

}  // namespace edgecls
