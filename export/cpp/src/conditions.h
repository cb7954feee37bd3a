// How the device is doing: clocks, temperatures, throttling; the fields of device/conditions.py.
#pragma once

#include <cstdint>
#include <string>

#include "json.h"

namespace edgecls {

// What the kernel's files below `root`/sys tell. Whatever a device does not tell is absent.
Json conditions(const std::string& root = "/");

// The peak resident memory of this process, in bytes.
std::int64_t peak_rss_bytes();

}  // namespace edgecls
