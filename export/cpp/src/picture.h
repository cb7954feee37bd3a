// A decoded image, and the arithmetic of Pillow that turns one kind of pixel into another.
#pragma once

#include <cstdint>
#include <vector>

namespace edgecls {

// uint8[height, width, channels]; 1 channel is gray (Pillow's L), 3 are RGB.
struct Picture {
  Picture() = default;
  Picture(std::size_t width, std::size_t height, std::size_t channels)
      : width(width), height(height), channels(channels), values(width * height * channels) {}

  std::uint8_t* at(std::size_t row, std::size_t column) {
    return values.data() + (row * width + column) * channels;
  }
  const std::uint8_t* at(std::size_t row, std::size_t column) const {
    return values.data() + (row * width + column) * channels;
  }

  std::size_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> values;
};

// value * share / 255, rounded, for both in 0..255.
inline std::uint8_t scaled_255(unsigned value, unsigned share) {
  const unsigned product = value * share + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

// A value of that opacity on white, as Image.alpha_composite has it: with 7 bits more.
inline std::uint8_t over_white(unsigned value, unsigned alpha) {
  const unsigned sum = (value * alpha + 255 * (255 - alpha)) * 128 + (0x80u << 7);
  return static_cast<std::uint8_t>((((sum >> 8) + sum) >> 8) >> 7);
}

// ITU-R 601-2 luma in 16 bits of fixed point.
inline std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >>
                                   16);
}

// Both give the picture itself where it is of that kind already.
Picture to_gray(Picture picture);
Picture to_rgb(Picture picture);

// Upright, of a picture with that EXIF orientation, 1 to 8; others leave it as it is.
Picture upright(Picture picture, int orientation);

}  // namespace edgecls
