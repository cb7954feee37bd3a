// Which way up an image is, from its EXIF record or its XMP packet.
#pragma once

#include <string_view>

namespace edgecls {

// Orientation (tag 0x0112 of the first directory, else tiff:Orientation of `xmp`), 1 where there is
// none. exif: a TIFF file, with or without "Exif\0\0" before it.
int orientation(std::string_view exif, std::string_view xmp);

}  // namespace edgecls
