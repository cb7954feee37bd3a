# ncnn's own package: of its release archives or of its install step
# (-Dncnn_DIR=<unpacked>/lib/cmake/ncnn; for Android <unpacked>/<abi>/lib/cmake/ncnn).
find_package(ncnn REQUIRED NO_CMAKE_FIND_ROOT_PATH)
target_link_libraries(edgecls-infer PRIVATE ncnn)
include(${CMAKE_CURRENT_LIST_DIR}/static_runtime.cmake)
