# ONNX Runtime's headers and library: -DONNXRUNTIME_ROOT=<folder> of an unpacked release archive,
# of a Debian package, or of the Android archive (onnxruntime-android-<version>.aar is a zip).
set(ONNXRUNTIME_ROOT "" CACHE PATH "A folder with ONNX Runtime's headers and library")
if(ANDROID)
  set(EDGECLS_ORT_PLACES "jni/${ANDROID_ABI}")
endif()
find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h HINTS ${ONNXRUNTIME_ROOT}
  PATH_SUFFIXES include include/onnxruntime headers onnxruntime NO_CMAKE_FIND_ROOT_PATH)
find_library(ONNXRUNTIME_LIBRARY onnxruntime HINTS ${ONNXRUNTIME_ROOT}
  PATH_SUFFIXES lib lib64 ${EDGECLS_ORT_PLACES} NO_CMAKE_FIND_ROOT_PATH)
if(NOT ONNXRUNTIME_INCLUDE_DIR OR NOT ONNXRUNTIME_LIBRARY)
  message(FATAL_ERROR "ONNX Runtime was not found. Unpack a release of it and add "
    "-DONNXRUNTIME_ROOT=<its folder>, or name -DONNXRUNTIME_INCLUDE_DIR=<folder with "
    "onnxruntime_cxx_api.h> and -DONNXRUNTIME_LIBRARY=<libonnxruntime.so>")
endif()
target_include_directories(edgecls-infer SYSTEM PRIVATE ${ONNXRUNTIME_INCLUDE_DIR})
target_link_libraries(edgecls-infer PRIVATE ${ONNXRUNTIME_LIBRARY})
include(${CMAKE_CURRENT_LIST_DIR}/static_runtime.cmake)
