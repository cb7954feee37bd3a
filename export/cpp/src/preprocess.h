// From an image file to the uint8 tensor that the model gets; edgecls/device/preprocess.py's rules.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "json.h"
#include "picture.h"

namespace edgecls {

// The fields of meta.json's `preprocess`, under their names there.
struct Preprocess {
  std::array<std::int64_t, 2> size{};  // height, width
  std::string resize = "stretch";
  double crop_ratio = 1.0;
  std::string interpolation = "bilinear";
  bool antialias = true;
  std::string mode = "RGB";
  bool exif = true;
  std::int64_t fill = 0;
  std::vector<double> mean{0.5, 0.5, 0.5};
  std::vector<double> std{0.25, 0.25, 0.25};

  // Throws Error for unknown fields and values.
  static Preprocess from_json(const Json& data);

  std::size_t height() const { return static_cast<std::size_t>(size[0]); }
  std::size_t width() const { return static_cast<std::size_t>(size[1]); }
  std::size_t channels() const { return mode == "L" ? 1 : 3; }

  // The pixels of an encoded image, upright and with the channels of `mode`: `apply` has only to
  // resize them. Throws Error with the reason.
  Picture decoded(std::string_view encoded) const;
  // uint8[H, W, C] of such a picture, in the order of `mode`.
  std::vector<std::uint8_t> apply(const Picture& picture) const;
  // Both.
  std::vector<std::uint8_t> load(std::string_view encoded) const;
};

}  // namespace edgecls
