#include "pace.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

namespace edgecls {

namespace {

constexpr int kTimes = 5, kSteps = 20;
constexpr std::size_t kSide = 32;
using Matrix = std::array<float, kSide * kSide>;

// Products that keep the units of a core busy, as a model does: a neighbour on the core's other
// thread would hardly be felt by one long chain of operations.
double arithmetic_ms(Matrix& value, const Matrix& factor) {
  const auto begin = std::chrono::steady_clock::now();
  for (int step = 0; step < kSteps; ++step) {
    Matrix product{};
    for (std::size_t row = 0; row < kSide; ++row)
      for (std::size_t inner = 0; inner < kSide; ++inner)
        for (std::size_t column = 0; column < kSide; ++column)
          product[row * kSide + column] +=
              value[row * kSide + inner] * factor[inner * kSide + column];
    value = product;
  }
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

}  // namespace

double pace_ms() {
  Matrix value{}, factor{};
  value.fill(1.0F);
  factor.fill(1.0F / kSide);  // a mean, so that the values stay what they are
  double least = std::numeric_limits<double>::infinity();
  for (int time = 0; time < kTimes; ++time)
    least = std::min(least, arithmetic_ms(value, factor));
  // What nobody reads would not be computed.
  volatile float used = value[0];
  static_cast<void>(used);
  return least;
}

}  // namespace edgecls
