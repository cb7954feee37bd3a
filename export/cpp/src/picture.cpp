#include "picture.h"

#include <algorithm>

namespace edgecls {

Picture to_gray(Picture picture) {
  if (picture.channels == 1) return picture;
  Picture gray(picture.width, picture.height, 1);
  for (std::size_t i = 0; i < gray.values.size(); ++i)
    gray.values[i] = luma(&picture.values[3 * i]);
  return gray;
}

Picture to_rgb(Picture picture) {
  if (picture.channels == 3) return picture;
  Picture rgb(picture.width, picture.height, 3);
  for (std::size_t i = 0; i < picture.values.size(); ++i) {
    std::fill_n(&rgb.values[3 * i], 3, picture.values[i]);
  }
  return rgb;
}

Picture upright(Picture picture, int orientation) {
  if (orientation < 2 || orientation > 8) return picture;
  const bool turned = orientation >= 5;
  Picture result(turned ? picture.height : picture.width, turned ? picture.width : picture.height,
                 picture.channels);
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (std::size_t row = 0; row < result.height; ++row) {
    for (std::size_t column = 0; column < result.width; ++column) {
      std::size_t from_row = turned ? column : row, from_column = turned ? row : column;
      if (from_below) from_row = picture.height - 1 - from_row;
      if (from_right) from_column = picture.width - 1 - from_column;
      std::copy_n(picture.at(from_row, from_column), picture.channels, result.at(row, column));
    }
  }
  return result;
}

}  // namespace edgecls
