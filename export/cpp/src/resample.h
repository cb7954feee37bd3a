// Resizing as Pillow does it, to the bit: its filters, its fixed-point arithmetic, its rounding.
#pragma once

#include "picture.h"

namespace edgecls {

enum class Filter { nearest, bilinear, bicubic, lanczos };

// Image.resize: filters over the source's whole footprint (nearest takes the pixel at the centre).
Picture resize(const Picture& source, std::size_t width, std::size_t height, Filter filter);

// Image.transform with a scaling: every pixel from its neighbours alone. bilinear or bicubic.
Picture interpolate(const Picture& source, std::size_t width, std::size_t height, Filter filter);

}  // namespace edgecls
