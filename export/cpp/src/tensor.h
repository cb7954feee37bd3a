// What goes into a model and what comes out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgecls {

// uint8[count, height, width, channels], contiguous.
struct Images {
  std::size_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> values;

  std::size_t image_bytes() const { return height * width * channels; }
  const std::uint8_t* image(std::size_t index) const {
    return values.data() + index * image_bytes();
  }
};

// float32[count, classes], contiguous.
struct Logits {
  std::size_t count = 0, classes = 0;
  std::vector<float> values;

  const float* row(std::size_t index) const { return values.data() + index * classes; }
};

}  // namespace edgecls
