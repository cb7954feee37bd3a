# TensorRT 10 or newer and the CUDA runtime: JetPack's own, the Debian packages libnvinfer-dev and
# libnvonnxparsers-dev, or an unpacked archive (-DTENSORRT_ROOT=<its folder>).
find_package(CUDAToolkit REQUIRED)
set(TENSORRT_ROOT "" CACHE PATH "A folder with TensorRT's headers and libraries")
find_path(TENSORRT_INCLUDE_DIR NvInfer.h HINTS ${TENSORRT_ROOT} PATH_SUFFIXES include)
find_library(TENSORRT_LIBRARY nvinfer HINTS ${TENSORRT_ROOT} PATH_SUFFIXES lib lib64)
find_library(TENSORRT_PARSER_LIBRARY nvonnxparser HINTS ${TENSORRT_ROOT} PATH_SUFFIXES lib lib64)
if(NOT TENSORRT_INCLUDE_DIR OR NOT TENSORRT_LIBRARY OR NOT TENSORRT_PARSER_LIBRARY)
  message(FATAL_ERROR "TensorRT was not found. On a Jetson: apt install nvidia-tensorrt-dev; "
    "elsewhere unpack its archive and add -DTENSORRT_ROOT=<its folder>")
endif()
target_sources(edgecls-infer PRIVATE src/backends/cuda.cpp src/backends/engine_cache.cpp)
target_include_directories(edgecls-infer SYSTEM PRIVATE ${TENSORRT_INCLUDE_DIR})
target_link_libraries(edgecls-infer PRIVATE
  ${TENSORRT_LIBRARY} ${TENSORRT_PARSER_LIBRARY} CUDA::cudart)
