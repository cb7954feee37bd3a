// What stands in a request of --serve. A key that is null is as one that is not there.
#pragma once

#include <string>
#include <vector>

#include "json.h"

namespace edgecls {

// One line. Throws Error for what is no object with a `do`.
Json parse_request(const std::string& line);

// A value that must be there. Both throw Error.
const std::string& text(const Json& request, const char* name);
std::vector<std::string> texts(const Json& request, const char* name);

// Values that need not be there. All throw Error for what cannot be used, with what can.
std::string choice(const Json& request, const char* name, const std::vector<std::string>& valid);
double number(const Json& request, const char* name, double otherwise, double least = 0.0,
              double most = 1e12);
long whole(const Json& request, const char* name, long otherwise, long least, long most);
bool truth(const Json& request, const char* name);

}  // namespace edgecls
