// CUDA memory and one stream, by the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <vector>

namespace edgecls {

// The first visible GPU. What is taken is given back with it.
class Cuda {
 public:
  Cuda();
  ~Cuda();
  Cuda(const Cuda&) = delete;
  Cuda& operator=(const Cuda&) = delete;

  void* device_memory(std::size_t bytes);
  // Host memory that the GPU can copy from and to without help.
  void* pinned(std::size_t bytes);
  void upload(void* device, const void* host, std::size_t bytes);
  void download(void* host, const void* device, std::size_t bytes);
  // Until the stream has done all that was asked.
  void wait();

  cudaStream_t stream() const { return stream_; }
  const std::string& name() const { return name_; }
  // Such as "8.7".
  const std::string& compute_capability() const { return compute_capability_; }

 private:
  std::string name_, compute_capability_;
  cudaStream_t stream_ = nullptr;
  std::vector<void*> device_, pinned_;
};

}  // namespace edgecls
