#include "files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "error.h"

namespace edgecls {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlock = 1 << 20;
using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Stream open(const std::string& path, const char* mode) {
  if (path.find('\0') != path.npos) throw Error("a file name holds a zero byte");
  Stream stream(std::fopen(path.c_str(), mode), std::fclose);
  const char* verb = *mode == 'r' ? " cannot be read: " : " cannot be written: ";
  if (!stream) throw Error(path + verb + std::strerror(errno));
  return stream;
}

}  // namespace

std::string joined(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

void read_blocks(const std::string& path, const std::function<void(std::string_view)>& use) {
  const Stream stream = open(path, "rb");
  std::vector<char> block(kBlock);
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), stream.get())) {
    use({block.data(), count});
  }
  if (std::ferror(stream.get())) throw Error(path + " cannot be read: " + std::strerror(errno));
}

std::string read_file(const std::string& path) {
  std::string bytes;
  read_blocks(path, [&bytes](std::string_view block) { bytes += block; });
  return bytes;
}

std::string first_line(const std::string& path) {
  const Stream stream(std::fopen(path.c_str(), "rb"), std::fclose);
  char buffer[256];
  if (!stream || !std::fgets(buffer, sizeof buffer, stream.get())) return "";
  return std::string(buffer, std::strcspn(buffer, "\n"));
}

std::vector<std::string> numbered(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    const bool fits = name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0 &&
                      name.find_first_not_of("0123456789", prefix.size()) == name.npos;
    if (fits) found.push_back(each->path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  const fs::path place = fs::temp_directory_path(error);
  // Android has no /tmp.
  path = (error ? fs::path("/data/local/tmp") : place) / "edgecls-XXXXXX";
  if (!mkdtemp(path.data())) throw Error(path + " cannot be made: " + std::strerror(errno));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  const std::string beside = path + ".part";
  Stream stream = open(beside, "wb");
  bool whole = true;
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    whole = whole && std::fwrite(part.data(), 1, part.size(), stream.get()) == part.size();
  }
  whole = std::fclose(stream.release()) == 0 && whole;
  if (!whole || std::rename(beside.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::remove(beside.c_str());
    throw Error(path + " cannot be written: " + why);
  }
}

std::vector<std::string> list_files(const std::string& folder) {
  std::vector<std::string> found;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_symlink()) throw Error(entry.path().string() + " is a symbolic link");
      if (entry.is_directory()) continue;
      if (!entry.is_regular_file()) throw Error(entry.path().string() + " is no regular file");
      found.push_back(entry.path().lexically_relative(folder).generic_string());
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(folder + " cannot be read: " + error.code().message());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace edgecls
