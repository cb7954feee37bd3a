// The arithmetic is that of Pillow's Resample.c and Geometry.c (HPND licence; copyright Secret
// Labs, Fredrik Lundh, Jeffrey A. Clark and contributors), written anew.
#include "resample.h"

#include <algorithm>
#include <cmath>

namespace edgecls {
namespace {

constexpr double kPi = 3.14159265358979323846;
// 8 bits of the result, and 2 for sums below 0 and above 1, are kept free in an int.
constexpr int kPrecisionBits = 32 - 8 - 2;

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * kPi) / (x * kPi); }

double weight(Filter filter, double x) {
  const double size = std::fabs(x);
  if (filter == Filter::bilinear) return size < 1.0 ? 1.0 - size : 0.0;
  if (filter == Filter::lanczos) return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
  constexpr double a = -0.5;
  if (size < 1.0) return ((a + 2.0) * size - (a + 3.0)) * size * size + 1;
  return size < 2.0 ? (((size - 5) * size + 8) * size - 4) * a : 0.0;
}

double support(Filter filter) {
  return filter == Filter::bilinear ? 1.0 : filter == Filter::bicubic ? 2.0 : 3.0;
}

std::uint8_t clip8(int sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// The pixels of the source that make one of the result: `count` from `first` on, and their weights.
struct Footprint {
  std::size_t first = 0;
  std::vector<int> weights;
};

std::vector<Footprint> footprints(std::size_t from, std::size_t to, Filter filter) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double filter_scale = std::max(scale, 1.0);
  const double reach = support(filter) * filter_scale, step = 1.0 / filter_scale;
  std::vector<Footprint> result(to);
  std::vector<double> exact;
  for (std::size_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - reach + 0.5));
    const int end = std::min(static_cast<int>(from), static_cast<int>(centre + reach + 0.5));
    exact.clear();
    double total = 0.0;
    for (int x = 0; x < end - first; ++x) {
      exact.push_back(weight(filter, (x + first - centre + 0.5) * step));
      total += exact.back();
    }
    result[i].first = static_cast<std::size_t>(first);
    for (double each : exact) {
      if (total != 0.0) each /= total;
      const double fixed = each * (1 << kPrecisionBits);
      result[i].weights.push_back(static_cast<int>(each < 0 ? -0.5 + fixed : 0.5 + fixed));
    }
  }
  return result;
}

Picture across(const Picture& source, std::size_t width, Filter filter) {
  const std::vector<Footprint> parts = footprints(source.width, width, filter);
  const std::size_t channels = source.channels;
  Picture result(width, source.height, channels);
  for (std::size_t row = 0; row < source.height; ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      const Footprint& part = parts[column];
      for (std::size_t k = 0; k < channels; ++k) {
        const std::uint8_t* from = source.at(row, part.first) + k;
        int sum = 1 << (kPrecisionBits - 1);
        for (const int each : part.weights) {
          sum += *from * each;
          from += channels;
        }
        result.at(row, column)[k] = clip8(sum);
      }
    }
  }
  return result;
}

Picture down(const Picture& source, std::size_t height, Filter filter) {
  const std::vector<Footprint> parts = footprints(source.height, height, filter);
  const std::size_t row_values = source.width * source.channels;
  Picture result(source.width, height, source.channels);
  std::vector<int> sums(row_values);
  for (std::size_t row = 0; row < height; ++row) {
    std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
    const std::uint8_t* from = source.at(parts[row].first, 0);
    for (const int each : parts[row].weights) {
      for (std::size_t i = 0; i < row_values; ++i) sums[i] += from[i] * each;
      from += row_values;
    }
    std::uint8_t* to = result.at(row, 0);
    for (std::size_t i = 0; i < row_values; ++i) to[i] = clip8(sums[i]);
  }
  return result;
}

// The source's index of each of the result's, by sums as Pillow has them: they round otherwise
// than products.
std::vector<std::size_t> nearest(std::size_t from, std::size_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<std::size_t> result(to);
  double place = scale * 0.5;
  for (std::size_t& index : result) {
    index = std::min(static_cast<std::size_t>(place), from - 1);
    place += scale;
  }
  return result;
}

Picture nearest_pixels(const Picture& source, std::size_t width, std::size_t height) {
  const std::vector<std::size_t> rows = nearest(source.height, height);
  const std::vector<std::size_t> columns = nearest(source.width, width);
  Picture result(width, height, source.channels);
  for (std::size_t row = 0; row < height; ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      const std::uint8_t* pixel = source.at(rows[row], columns[column]);
      std::copy_n(pixel, source.channels, result.at(row, column));
    }
  }
  return result;
}

double linear(double a, double b, double share) { return a + (b - a) * share; }

double cubic(double v1, double v2, double v3, double v4, double share) {
  const double p2 = -v1 + v3, p3 = 2 * (v1 - v2) + v3 - v4, p4 = -v1 + v2 - v3 + v4;
  return v2 + share * (p2 + share * (p3 + share * p4));
}

// Of four neighbours along one axis, the first of which has this index: where they really are.
struct Neighbours {
  Neighbours(double place, std::size_t size, Filter filter) {
    const double shifted = place - 0.5;
    const double floor = std::floor(shifted);
    share = shifted - floor;
    const auto first = static_cast<long>(floor) - (filter == Filter::bicubic ? 1 : 0);
    const auto last = static_cast<long>(size) - 1;
    for (int i = 0; i < 4; ++i)
      index[i] = static_cast<std::size_t>(std::clamp(first + i, 0L, last));
  }

  double share;
  std::size_t index[4];
};

double sampled(const Picture& source, const Neighbours& x, const Neighbours& y, std::size_t channel,
               Filter filter) {
  double rows[4] = {0, 0, 0, 0};
  const int count = filter == Filter::bicubic ? 4 : 2;
  for (int i = 0; i < count; ++i) {
    double values[4] = {0, 0, 0, 0};
    for (int j = 0; j < count; ++j) values[j] = source.at(y.index[i], x.index[j])[channel];
    rows[i] = count == 2 ? linear(values[0], values[1], x.share)
                         : cubic(values[0], values[1], values[2], values[3], x.share);
  }
  return count == 2 ? linear(rows[0], rows[1], y.share)
                    : cubic(rows[0], rows[1], rows[2], rows[3], y.share);
}

}  // namespace

Picture resize(const Picture& source, std::size_t width, std::size_t height, Filter filter) {
  if (source.width == width && source.height == height) return source;
  if (filter == Filter::nearest) return nearest_pixels(source, width, height);
  if (source.width == width) return down(source, height, filter);
  const Picture wide = across(source, width, filter);
  return source.height == height ? wide : down(wide, height, filter);
}

Picture interpolate(const Picture& source, std::size_t width, std::size_t height, Filter filter) {
  const double x_scale = static_cast<double>(source.width) / static_cast<double>(width);
  const double y_scale = static_cast<double>(source.height) / static_cast<double>(height);
  Picture result(width, height, source.channels);
  for (std::size_t row = 0; row < height; ++row) {
    const Neighbours y((static_cast<double>(row) + 0.5) * y_scale, source.height, filter);
    for (std::size_t column = 0; column < width; ++column) {
      const Neighbours x((static_cast<double>(column) + 0.5) * x_scale, source.width, filter);
      for (std::size_t k = 0; k < source.channels; ++k) {
        const double value = sampled(source, x, y, k, filter);
        result.at(row, column)[k] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return result;
}

}  // namespace edgecls
