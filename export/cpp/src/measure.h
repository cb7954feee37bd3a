// Timing of single-stream queries: the next starts when the last ended (MLPerf's single stream).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "runner.h"

namespace edgecls {

// softmax(logits / temperature) of one image.
std::vector<double> probabilities(const float* logits, std::size_t classes, double temperature);

using Query = std::function<void(std::size_t)>;

// One query of a phase as a function of its index; images are taken in turn. inference: tensor in
// memory to logits, as many images as the model takes at once. preprocess: encoded image in memory
// to tensor. end_to_end: encoded image in memory to probabilities. Throws Error for another phase.
Query query(const std::string& phase, Runner& runner, const Meta& meta, const Images& tensors,
            const std::vector<std::string>& files);

// Milliseconds of each query, until both `seconds` and the number of `queries` are reached.
std::vector<double> sample(const Query& ask, double seconds, long queries, long warmup);

// Percentiles with their bounds in milliseconds, and the throughput.
Json summary(std::vector<double> samples);

double timed_ms(const std::function<void()>& call);

}  // namespace edgecls
