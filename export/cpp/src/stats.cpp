#include "stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgecls {
namespace {

// P(X = k) for X ~ Binomial(n, p), by logarithms so that a large n does not overflow.
double binomial(double n, double k, double p) {
  const double log = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
  return std::exp(log + k * std::log(p) + (n - k) * std::log1p(-p));
}

}  // namespace

double percentile(const std::vector<double>& ordered, double percent) {
  const auto count = static_cast<double>(ordered.size());
  const double rank = std::max(1.0, std::ceil(count * percent / 100.0));
  return ordered[static_cast<std::size_t>(rank) - 1];
}

double percentile_upper_bound(const std::vector<double>& ordered, double percent) {
  const auto count = static_cast<double>(ordered.size());
  const double p = percent / 100.0;
  // Below 12 standard deviations of the mean there is nothing to add.
  const double first = std::floor(count * p - 12 * std::sqrt(count * p * (1 - p)));
  double total = 0.0;
  for (auto k = static_cast<std::size_t>(std::max(0.0, first)); k <= ordered.size(); ++k) {
    if (total >= 0.99 && k >= 1) return ordered[k - 1];
    total += binomial(count, static_cast<double>(k), p);
  }
  return std::numeric_limits<double>::infinity();
}

Interval wilson(long successes, long trials) {
  if (trials == 0) return {0.0, 1.0};
  constexpr double z = 1.959963984540054, z2 = z * z;
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double centre = share + z2 / (2 * n);
  const double spread = z * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  const double low = (centre - spread) / (1 + z2 / n), high = (centre + spread) / (1 + z2 / n);
  // At the ends the bound is the end itself, which rounding would miss.
  return {successes == 0 ? 0.0 : std::max(0.0, low),
          successes == trials ? 1.0 : std::min(1.0, high)};
}

}  // namespace edgecls
