#include "image.h"

#include "error.h"

namespace edgecls {

bool reads_images() { return true; }

void check_size(std::size_t width, std::size_t height) {
  if (width == 0 || height == 0) throw Error("cannot be decoded: it has no pixels");
  if (width > kMaxPixels / height) {
    throw Error(std::to_string(width) + "x" + std::to_string(height) + " pixels is more than " +
                std::to_string(kMaxPixels) + ": refused as a decompression bomb");
  }
}

Picture decode(std::string_view bytes, bool exif) {
  if (bytes.empty()) throw Error("empty file");
  if (bytes.substr(0, 3) == "\xff\xd8\xff") return decode_jpeg(bytes, exif);
  if (bytes.substr(0, 8) == "\x89PNG\r\n\x1a\n") return decode_png(bytes, exif);
  throw Error("not an image, or of a format that is not read here: this binary reads JPEG and PNG");
}

}  // namespace edgecls
