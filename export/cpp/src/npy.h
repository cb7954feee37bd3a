// NumPy's .npy files, of uint8 and float32 alone: nothing in one is ever run.
#pragma once

#include <string>

#include "tensor.h"

namespace edgecls {

// uint8[N, H, W, C]. Throws Error for anything else.
Images read_images(const std::string& path);
// float32[N, K]. Throws Error for anything else.
Logits read_logits(const std::string& path);

void write_images(const std::string& path, const Images& images);
void write_logits(const std::string& path, const Logits& logits);

}  // namespace edgecls
