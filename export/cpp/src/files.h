// Files: read whole or in blocks, listed without following a link, written beside and renamed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace edgecls {

std::string joined(const std::string& folder, const std::string& name);

// Both throw Error with the system's own words.
void read_blocks(const std::string& path, const std::function<void(std::string_view)>& use);
std::string read_file(const std::string& path);

// The first line of a small file of the kernel's, or nothing where it cannot be read.
std::string first_line(const std::string& path);

// What `folder` holds under `prefix` and a number, sorted; nothing where it cannot be read.
std::vector<std::string> numbered(const std::string& folder, const std::string& prefix);

// Written to PATH.part and renamed, so that nobody reads half of it.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

// A folder of our own for files of the moment, removed with all that is in it.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path;
};

// Every file below `folder`, sorted, with forward slashes. Throws Error for a symbolic link, which
// could point anywhere, and for a pipe or a device.
std::vector<std::string> list_files(const std::string& folder);

}  // namespace edgecls
