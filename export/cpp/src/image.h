// From the bytes of a JPEG or PNG file to a picture, as edgecls/device/preprocess.py's decode().
#pragma once

#include <string_view>

#include "picture.h"

namespace edgecls {

// Decoding is refused above this, as on the host.
constexpr std::size_t kMaxPixels = 89478485;

// Whether this binary was built with decoders (EDGECLS_IMAGES).
bool reads_images();

// Upright if `exif`; 16 bits scaled to 8, transparency laid over white. Throws Error with the
// reason for what cannot be used.
Picture decode(std::string_view bytes, bool exif);

// Of the decoders: throws Error for an image that is empty or has too many pixels.
void check_size(std::size_t width, std::size_t height);

Picture decode_jpeg(std::string_view bytes, bool exif);
Picture decode_png(std::string_view bytes, bool exif);

}  // namespace edgecls
