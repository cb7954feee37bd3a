# A device's C++ runtime library may be older than the compiler's. Only for runtimes whose interface
# is C, or which are linked in: with C++ at the border there must be one library on both sides.
# Android's toolchain links its own statically already.
if(NOT ANDROID AND NOT APPLE AND NOT EDGECLS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(edgecls-infer PRIVATE -static-libstdc++ -static-libgcc)
endif()
