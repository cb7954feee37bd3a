// As much of JSON schema as meta.schema.json uses; edgecls/device/schema.py's rules and words.
#pragma once

#include <string>

#include "json.h"

namespace edgecls {

// The first place at which `value` breaks `schema`, in words, or the empty string.
std::string mismatch(const Json& value, const Json& schema, const std::string& where = "");

}  // namespace edgecls
