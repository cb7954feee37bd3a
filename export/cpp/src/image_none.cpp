// Instead of image.cpp where EDGECLS_IMAGES is off: the host sends tensors.
#include "error.h"
#include "image.h"

namespace edgecls {

bool reads_images() { return false; }

Picture decode(std::string_view, bool) {
  throw Error("this edgecls-infer was built without image decoding",
              "send tensors (request infer), or build it with -DEDGECLS_IMAGES=ON");
}

}  // namespace edgecls
