#include "pace.h"

#include <algorithm>
#include <array>

#include "stats.h"

namespace edgecls {

namespace {

constexpr int kAround = 3, kSteps = 20;
constexpr std::chrono::milliseconds kEvery{50};
constexpr std::size_t kSide = 32;
using Matrix = std::array<float, kSide * kSide>;

// Products that keep the units of a core busy, as a model does: a neighbour on the core's other
// thread would hardly be felt by one long chain of operations.
double arithmetic_ms() {
  Matrix value{}, factor{};
  value.fill(1.0F);
  factor.fill(1.0F / kSide);  // a mean, so that the values stay what they are
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
  // What nobody reads would not be computed.
  volatile float used = value[0];
  static_cast<void>(used);
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

}  // namespace

Pace::Pace() {
  for (int time = 0; time < kAround; ++time) found_.push_back(arithmetic_ms());
  next_ = std::chrono::steady_clock::now() + kEvery;
}

void Pace::look(std::chrono::steady_clock::time_point now) {
  if (now < next_) return;
  next_ = now + kEvery;
  found_.push_back(arithmetic_ms());
}

double Pace::answer() {
  std::vector<double> all = found_;
  for (int time = 0; time < kAround; ++time) all.push_back(arithmetic_ms());
  std::sort(all.begin(), all.end());
  return percentile(all, 50);
}

}  // namespace edgecls
