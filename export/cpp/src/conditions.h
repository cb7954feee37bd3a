// How the device is doing: clocks, temperatures, throttling; the fields of device/conditions.py.
#pragma once

#include <string>

#include "json.h"

namespace edgecls {

// What the kernel's files below `root`/sys tell. Whatever a device does not tell is absent.
Json conditions(const std::string& root = "/");

}  // namespace edgecls
