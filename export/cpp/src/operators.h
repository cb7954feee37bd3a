// Where a query's time goes: mean milliseconds of every operator, by the runtime's own profiler.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace edgecls {

struct Operator {
  std::string name, type;  // the type is empty where the runtime tells none
  double ms = 0.0;         // mean of a query
};

// Queries before those that a profiler's figures are of.
constexpr long kBeforeProfile = 10;

// Adds up what a profiler tells of one query after the other.
class OperatorTimes {
 public:
  explicit OperatorTimes(long queries) : queries_(static_cast<double>(queries)) {}

  void add(const std::string& name, const std::string& type, double ms) {
    const auto [place, is_new] = places_.emplace(name, operators_.size());
    if (is_new) operators_.push_back({name, type, 0.0});
    operators_[place->second].ms += ms / queries_;
  }

  // In the order in which they were first told. Rounded times can add up to less than none.
  std::vector<Operator> operators() const {
    std::vector<Operator> result = operators_;
    for (Operator& each : result) each.ms = std::max(0.0, each.ms);
    return result;
  }

 private:
  const double queries_;
  std::map<std::string, std::size_t> places_;
  std::vector<Operator> operators_;
};

}  // namespace edgecls
