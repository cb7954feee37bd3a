// The layers' times, as TensorRT reports them after each query.
#pragma once

#include <NvInfer.h>

#include "operators.h"

namespace edgecls {

class LayerTimes : public nvinfer1::IProfiler {
 public:
  explicit LayerTimes(long queries) : times_(queries) {}
  void reportLayerTime(const char* name, float ms) noexcept override {
    if (is_counted) times_.add(name, "", static_cast<double>(ms));
  }
  std::vector<Operator> operators() const { return times_.operators(); }

  bool is_counted = false;

 private:
  OperatorTimes times_;
};

}  // namespace edgecls
