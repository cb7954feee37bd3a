// Labels for images, and accuracy on a folder with one folder a class.
#pragma once

#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "runner.h"

namespace edgecls {

// Top-1 on `directory`/<label>/*; files that are no images are listed and left out. Throws Error.
// Folders are compared with the labels byte for byte.
Json evaluate(const std::string& directory, const Meta& meta, Runner& runner);

Json predict(const std::vector<std::string>& images, const Meta& meta, Runner& runner);

}  // namespace edgecls
