// The proof that a bundle carries: golden images, their tensors, and the logits they must give.
#pragma once

#include <string>
#include <vector>

#include "json.h"
#include "meta.h"
#include "runner.h"
#include "tensor.h"

namespace edgecls {

// The golden images' paths, in the order of the tensors.
std::vector<std::string> golden_paths(const std::string& folder, const Meta& meta);

// The golden tensors. Throws Error where their shape is another than the model's.
Images golden_inputs(const std::string& folder, const Meta& meta);

// The largest absolute difference over the standard deviation of all reference logits. Infinite
// where shapes differ or a logit is not finite, so that no comparison passes by a NaN.
double max_relative_difference(const Logits& logits, const Logits& reference);

// The share of images whose highest logit is the same class.
double agreement(const Logits& logits, const Logits& reference);

// Decode, run and compare the golden images; `ok` says whether every comparison holds. A binary
// that decodes no images says null for `preprocess_equal` and compares the logits.
Json verify(const std::string& folder, const Meta& meta, Runner& runner);

}  // namespace edgecls
