// The one seam to a runtime: what src/backends/ implements.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "error.h"
#include "json.h"
#include "meta.h"
#include "operators.h"
#include "tensor.h"

namespace edgecls {

class Runner {
 public:
  virtual ~Runner() = default;
  // uint8[count, H, W, C] at `images`; the graph's own batch is looped over. Throws Error.
  virtual Logits run(const std::uint8_t* images, std::size_t count) = 0;
  // How many images the model takes at once; 0 for any number.
  virtual std::size_t batch() const { return 1; }
  // The runtime's version, the provider that really runs, its threads.
  virtual Json about() const = 0;
  // The runtime's name: the first word of what `about` tells.
  std::string runtime() const {
    const std::string told = about().find("runtime")->text;
    return told.substr(0, told.find(' '));
  }
  // Every operator in the order of execution, by the runtime's own profiler, in a session of its
  // own: what is measured otherwise does not change. images: `count` of them, asked `queries` times
  // after kBeforeProfile. Throws Error where the kit has no profiler.
  virtual std::vector<Operator> profile(const std::uint8_t*, std::size_t, long) {
    throw Error("the kit of " + runtime() + " has no profiler",
                "ask a bundle of the same model for onnxruntime or openvino");
  }
};

// Calls `run_batch(images, size, logits)` for `batch` images after the other, or once for all of
// them where `batch` is 0. The last part is filled up with its last image, whose logits are left
// out.
template <typename RunBatch>
Logits in_batches(const std::uint8_t* images, std::size_t count, std::size_t image_bytes,
                  std::size_t batch, RunBatch run_batch) {
  if (batch == 0) batch = std::max<std::size_t>(count, 1);
  Logits all;
  std::size_t done = 0;
  for (; done + batch <= count; done += batch) run_batch(images + done * image_bytes, batch, all);
  if (done < count) {
    std::vector<std::uint8_t> last(batch * image_bytes);
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t from = std::min(done + i, count - 1);
      std::copy_n(images + from * image_bytes, image_bytes, &last[i * image_bytes]);
    }
    run_batch(last.data(), batch, all);
  }
  if (count > 0 && all.classes == 0) throw Error("the model file gives no logits");
  all.count = count;
  all.values.resize(count * all.classes);
  return all;
}

// Throws Error where the model file takes other images than the bundle says: it would read beyond
// them.
inline void check_input(const Meta& meta, const std::vector<std::int64_t>& shape, bool is_uint8) {
  const std::vector<std::int64_t> wanted(meta.input_shape.begin() + 1, meta.input_shape.end());
  if (is_uint8 && shape.size() == 4 &&
      std::equal(wanted.begin(), wanted.end(), shape.begin() + 1)) {
    return;
  }
  throw Error("the model file takes no uint8[N, H, W, C] of the bundle's size",
              "export the bundle again");
}

// How many images one query of a runner takes.
inline std::size_t at_once(const Runner& runner) {
  return std::max<std::size_t>(runner.batch(), 1);
}

inline Json batch_json(std::size_t batch) { return batch == 0 ? Json("dynamic") : Json(batch); }

// The kits whose bundles this backend runs.
std::vector<std::string> backend_kits();

// Throws Error, or what the runtime throws. threads: 0 for the runtime's own choice.
std::unique_ptr<Runner> make_runner(const std::string& folder, const Meta& meta, int threads);

}  // namespace edgecls
