# OpenVINO's own package: of its archive, its Debian packages, or its Python wheel
# (-DOpenVINO_DIR=<site-packages>/openvino/cmake).
find_package(OpenVINO REQUIRED COMPONENTS Runtime)
target_link_libraries(edgecls-infer PRIVATE openvino::runtime)
