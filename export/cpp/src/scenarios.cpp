#include "scenarios.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <thread>

#include "error.h"
#include "request.h"
#include "stats.h"

namespace edgecls {

const std::vector<std::string> kPhases{"inference", "decode", "preprocess", "postprocess",
                                       "end_to_end"};
const std::vector<std::string> kScenarios{"single-stream", "multi-stream", "offline", "server"};

namespace {

// A sleep ends late, a loop does not.
constexpr auto kSpin = std::chrono::milliseconds(1);

Clock::duration of_seconds(double seconds) {
  // A deadline in a thousand years would overflow.
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::min(seconds, 1e9)));
}

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

void wait_until(Clock::time_point due) {
  std::this_thread::sleep_until(due - kSpin);
  while (Clock::now() < due) {
  }
}

// The state that Python's generator starts with: init_by_array of Matsumoto and Nishimura (2002).
class PythonSeed {
 public:
  using result_type = std::uint32_t;

  explicit PythonSeed(std::uint64_t seed)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        length_(seed >> 32 ? 2 : 1) {}

  // Of std::mt19937 alone, which asks for its 624 words at once.
  template <typename Iterator>
  void generate(Iterator begin, Iterator end) const {
    const auto size = static_cast<std::size_t>(end - begin);
    std::vector<std::uint32_t> state(size);
    state[0] = 19650218;
    for (std::size_t i = 1; i < size; ++i) state[i] = mixed(state[i - 1], 1812433253u) + word(i);
    std::size_t at = 1;
    const auto advance = [&] {
      if (++at < size) return;
      state[0] = state[size - 1];
      at = 1;
    };
    for (std::size_t k = 0, j = 0; k < std::max(size, length_); ++k, j = (j + 1) % length_) {
      state[at] = (state[at] ^ mixed(state[at - 1], 1664525u)) + key_[j] + word(j);
      advance();
    }
    for (std::size_t k = 1; k < size; ++k) {
      state[at] = (state[at] ^ mixed(state[at - 1], 1566083941u)) - word(at);
      advance();
    }
    state[0] = 0x80000000u;
    std::copy(state.begin(), state.end(), begin);
  }

 private:
  static std::uint32_t word(std::size_t value) { return static_cast<std::uint32_t>(value); }
  static std::uint32_t mixed(std::uint32_t value, std::uint32_t factor) {
    return (value ^ (value >> 30)) * factor;
  }

  const std::array<std::uint32_t, 2> key_;
  const std::size_t length_;
};

std::mt19937 seeded(std::uint64_t seed) {
  PythonSeed sequence(seed);
  return std::mt19937(sequence);
}

std::vector<double> served(const Query& ask, const Round& asked, const Look& look) {
  std::vector<double> samples;
  Arrivals arrivals(asked.qps, asked.seed);
  Clock::time_point due = Clock::now();
  const auto deadline = due + of_seconds(asked.seconds);
  for (std::size_t i = 0;; ++i) {
    due += of_seconds(arrivals.next());
    if (i > 0 && static_cast<long>(i) >= asked.queries && due >= deadline) {
      wait_until(deadline);  // nobody comes any more
      return samples;
    }
    const auto now = Clock::now();
    if (due - now > 2 * kSpin) look(now);
    wait_until(due);
    ask(i);
    samples.push_back(milliseconds(Clock::now() - due));
  }
}

}  // namespace

std::size_t samples_of(const std::string& scenario) {
  return scenario == "multi-stream" ? 8 : scenario == "offline" ? 256 : 0;
}

Round Round::from_json(const Json& request) {
  Round round;
  round.phase = choice(request, "phase", kPhases);
  round.scenario = choice(request, "scenario", kScenarios);
  if (round.phase != "inference" && round.scenario != "single-stream") {
    throw Error("phase " + round.phase + " has no scenario " + round.scenario,
                "valid: single-stream");
  }
  round.queries = static_cast<long>(number(request, "queries", 1));
  round.seconds = number(request, "seconds", 0.0);
  round.warmup = static_cast<long>(number(request, "warmup", 0));
  round.settle = truth(request, "settle");
  if (const std::size_t otherwise = samples_of(round.scenario)) {
    const double wanted = number(request, "samples_per_query", static_cast<double>(otherwise), 1);
    round.samples = static_cast<std::size_t>(wanted);
  }
  if (round.scenario == "server") round.qps = number(request, "qps", 0.0, 1e-3);
  round.seed = static_cast<std::uint64_t>(number(request, "seed", 0));
  return round;
}

Arrivals::Arrivals(double per_second, std::uint64_t seed)
    : per_second_(per_second), draw_(seeded(seed)) {}

double Arrivals::next() {
  const double high = static_cast<double>(draw_() >> 5), low = static_cast<double>(draw_() >> 6);
  const double share = (high * 67108864.0 + low) / 9007199254740992.0;  // of 53 bits, below 1
  return -std::log(1.0 - share) / per_second_;
}

std::vector<double> sample(const Query& ask, const Round& asked, const Look& look) {
  if (asked.scenario == "server") return served(ask, asked, look);
  std::vector<double> samples;
  const auto deadline = Clock::now() + of_seconds(asked.seconds);
  for (std::size_t i = 0;; ++i) {
    const auto begin = Clock::now();
    ask(i);
    const auto end = Clock::now();
    samples.push_back(milliseconds(end - begin));
    if (static_cast<long>(samples.size()) >= asked.queries && end >= deadline) return samples;
    look(end);
  }
}

WarmUp warm_up(const Query& ask, const Round& asked) {
  for (long i = 0; i < asked.warmup; ++i) ask(static_cast<std::size_t>(i));
  if (!asked.settle || asked.scenario == "offline") return {asked.warmup, true};
  Round window;
  window.queries = 5;
  window.seconds = 0.05;
  long count = asked.warmup;
  double last = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) {
    std::vector<double> samples = sample(ask, window, [](Clock::time_point) {});
    count += static_cast<long>(samples.size());
    std::sort(samples.begin(), samples.end());
    const double median = percentile(samples, 50);
    if (std::abs(median - last) <= 0.02 * last && std::isfinite(last)) return {count, true};
    last = median;
  }
  return {count, false};
}

}  // namespace edgecls
