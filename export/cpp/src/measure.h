// What a query of each phase is, and figures from samples of them; as edgecls/device/measure.py.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "runner.h"
#include "scenarios.h"

namespace edgecls {

// softmax(logits / temperature) of one image.
std::vector<double> probabilities(const float* logits, std::size_t classes, double temperature);

// The tensors in turn, with the first ones behind the last again: `size` of them can start at each.
std::vector<std::uint8_t> ring(const Images& tensors, std::size_t size);

// One query of a phase as a function of its number; images are taken in turn. Throws Error where
// this binary decodes no images and the phase needs it.
//
// inference: `samples` tensors in memory to logits, or as many as the model takes at once. decode:
// an encoded image in memory to its pixels, upright and in the model's colours. preprocess: decoded
// pixels to a tensor. postprocess: logits of an image to probabilities and the best class's label.
// end_to_end: an encoded image in memory to all that.
Query query(const std::string& phase, Runner& runner, const Meta& meta, const Images& tensors,
            const std::vector<std::string>& files, std::optional<std::size_t> samples);

// Percentiles with their bounds, in milliseconds.
Json summary(std::vector<double> samples);

double timed_ms(const std::function<void()>& call);

}  // namespace edgecls
