#include "exif.h"

#include <cstddef>
#include <cstdint>

namespace edgecls {
namespace {

constexpr unsigned kOrientation = 0x0112;

// A reader of a TIFF's integers; beyond its end they are 0.
struct Tiff {
  std::string_view bytes;
  bool big_endian;

  std::size_t read(std::size_t at, int size) const {
    if (at > bytes.size() || bytes.size() - at < static_cast<std::size_t>(size)) return 0;
    std::size_t value = 0;
    for (int i = 0; i < size; ++i) {
      const int byte = big_endian ? i : size - 1 - i;
      value = value << 8 | static_cast<unsigned char>(bytes[at + byte]);
    }
    return value;
  }
};

// 0 where there is no such tag.
int from_exif(std::string_view exif) {
  for (int i = 0; i < 2; ++i) {
    if (exif.substr(0, 6) == std::string_view("Exif\0\0", 6)) exif.remove_prefix(6);
  }
  const std::string_view order = exif.substr(0, 2);
  if (order != "II" && order != "MM") return 0;
  const Tiff tiff{exif, order == "MM"};
  const std::size_t directory = tiff.read(4, 4), count = tiff.read(directory, 2);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (tiff.read(entry, 2) != kOrientation) continue;
    const std::size_t type = tiff.read(entry + 2, 2);
    const int size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;  // BYTE, SHORT, LONG
    if (size == 0 || tiff.read(entry + 4, 4) != 1) return 0;
    return static_cast<int>(tiff.read(entry + 8, size));
  }
  return 0;
}

int from_xmp(std::string_view xmp) {
  const std::string_view name = "tiff:Orientation";
  for (std::size_t at = xmp.find(name); at != xmp.npos; at = xmp.find(name, at + 1)) {
    std::string_view rest = xmp.substr(at + name.size());
    if (rest.substr(0, 2) == "=\"") rest.remove_prefix(2);
    else if (rest.substr(0, 1) == ">") rest.remove_prefix(1);
    else continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return 0;
}

}  // namespace

int orientation(std::string_view exif, std::string_view xmp) {
  const int found = from_exif(exif);
  if (found != 0) return found;
  const int said = from_xmp(xmp);
  return said != 0 ? said : 1;
}

}  // namespace edgecls
