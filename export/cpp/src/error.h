// The one exception that is raised on purpose: what went wrong, and how to put it right.
#pragma once

#include <stdexcept>
#include <string>

namespace edgecls {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& cause, std::string fix = "")
      : std::runtime_error(cause), fix(std::move(fix)) {}

  const std::string fix;
};

}  // namespace edgecls
