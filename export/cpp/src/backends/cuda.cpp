#include "cuda.h"

#include "error.h"

namespace edgecls {
namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(std::string("CUDA: ") + what + " failed: " + cudaGetErrorString(status),
              "see that nvidia-smi (on a Jetson: tegrastats) shows the GPU, and reboot if not");
}

}  // namespace

Cuda::Cuda() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    throw Error("this machine has no NVIDIA GPU that CUDA can use",
                "run this bundle on a machine with an NVIDIA GPU and its driver");
  }
  check(cudaSetDevice(0), "cudaSetDevice");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  name_ = properties.name;
  compute_capability_ = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Cuda::~Cuda() {
  for (void* each : device_) cudaFree(each);
  for (void* each : pinned_) cudaFreeHost(each);
  if (stream_) cudaStreamDestroy(stream_);
}

void* Cuda::device_memory(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  device_.push_back(memory);
  return memory;
}

void* Cuda::pinned(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  pinned_.push_back(memory);
  return memory;
}

void Cuda::upload(void* device, const void* host, std::size_t bytes) {
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
}

void Cuda::download(void* host, const void* device, std::size_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
}

void Cuda::wait() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

}  // namespace edgecls
