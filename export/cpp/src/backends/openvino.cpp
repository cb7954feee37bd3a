// OpenVINO on the device that the bundle was made for, with the settings of
// export/openvino/infer.py.
#include <openvino/openvino.hpp>

#include <cstring>

#include "error.h"
#include "files.h"
#include "operators.h"
#include "overflow.h"
#include "runner.h"

namespace edgecls {
namespace {

constexpr const char* kCpu = "CPU";

// The device that the bundle was made for.
std::string device_of(const Meta& meta) {
  const Json* said = meta.details.find("device");
  return said && said->is(Json::Kind::string) ? said->text : kCpu;
}

// GPU of GPU.0: one of several is named so.
std::string kind_of(const std::string& device) { return device.substr(0, device.find('.')); }

// Throws Error where OpenVINO does not see the device.
void check_device(ov::Core& core, const std::string& device) {
  std::string seen;
  for (const std::string& each : core.get_available_devices()) {
    if (kind_of(each) == device) return;
    seen += (seen.empty() ? "" : ", ") + each;
  }
  throw Error("OpenVINO sees no " + device + " here, only " + (seen.empty() ? "nothing" : seen),
              "install its driver, or export --target openvino for the CPU");
}

// Without the instructions OpenVINO would compute in f32, and not say so.
void check_bf16(ov::Core& core, const std::string& device) {
  for (const std::string& each : core.get_property(device, ov::device::capabilities)) {
    if (each == "BF16") return;
  }
  throw Error("this CPU has no bf16", "export fp32 or int8 for it");
}

// What `request` tells of its operators, so many times; not of those that were fused into others.
void add_times(OperatorTimes& times, const ov::InferRequest& request, long weight) {
  for (const ov::ProfilingInfo& each : request.get_profiling_info()) {
    if (each.status != ov::ProfilingInfo::Status::EXECUTED) continue;
    const auto microseconds = static_cast<double>(each.real_time.count() * weight);
    times.add(each.node_name, each.node_type, microseconds / 1e3);
  }
}

class OpenVino : public Runner {
 public:
  OpenVino(const std::string& path, const Meta& meta, int threads)
      : threads_(threads), path_(path), device_(device_of(meta)) {
    ov::Core core;
    check_device(core, device_);
    const bool cpu = device_ == kCpu, bf16 = meta.precision == "bf16";
    if (bf16) check_bf16(core, device_);
    // What floats are computed in is said always: on its own OpenVINO goes to bf16 or fp16 where
    // the device is quicker so. int8 layers stay int8.
    settings_ = {{"PERFORMANCE_HINT", "LATENCY"},
                 {"INFERENCE_PRECISION_HINT", bf16  ? "bf16"
                                              : cpu ? "f32"
                                                    : "f16"}};
    if (cpu) settings_["NUM_STREAMS"] = "1";
    if (cpu && threads) settings_["INFERENCE_NUM_THREADS"] = std::to_string(threads);
    model_ = core.compile_model(path_, device_, settings_);
    check_devices();
    if (cpu) warning_ = overflow_warning(meta.scheme);
    request_ = model_.create_infer_request();
    const ov::Output<const ov::Node> input = model_.input();
    std::vector<std::int64_t> shape;
    for (const ov::Dimension& each : input.get_partial_shape()) {
      shape.push_back(each.is_static() ? each.get_length() : 0);
    }
    check_input(meta, shape, input.get_element_type() == ov::element::u8);
    shape_.assign(shape.begin(), shape.end());
    image_bytes_ = shape_[1] * shape_[2] * shape_[3];
  }

  Logits run(const std::uint8_t* images, std::size_t count) override {
    return in_batches(images, count, image_bytes_, batch(),
                      [this](const std::uint8_t* batch, std::size_t size, Logits& all) {
                        run_batch(batch, size, all);
                      });
  }

  std::size_t batch() const override { return shape_[0]; }

  Json about() const override {
    const std::string precision = model_.get_property(ov::hint::inference_precision).to_string();
    Json told = Json::object();
    told.set("runtime", std::string("openvino ") + ov::get_openvino_version().buildNumber)
        .set("provider", device_)
        .set("precision", precision)
        .set("batch", batch_json(batch()))
        .set("threads", threads_);
    if (!warning_.empty()) told.set("warning", warning_);
    return told;
  }

  std::vector<Operator> profile(const std::uint8_t* images, std::size_t count,
                                long queries) override {
    ov::AnyMap settings = settings_;
    settings["PERF_COUNT"] = "YES";
    ov::Core core;
    ov::CompiledModel model = core.compile_model(path_, device_, settings);
    ov::InferRequest request = model.create_infer_request();
    std::memcpy(bind(request, count).data(), images, count * image_bytes_);
    const long all = kBeforeProfile + queries;
    const bool cpu = device_ == kCpu;
    OperatorTimes times(queries);
    for (long done = 1; done <= all; ++done) {
      request.infer();
      // The CPU tells the mean of all queries since it was compiled, others the last one's own
      // time.
      if (cpu && done == kBeforeProfile) add_times(times, request, -done);
      if (cpu && done == all) add_times(times, request, done);
      if (!cpu && done > kBeforeProfile) add_times(times, request, 1);
    }
    return times.operators();
  }

 private:
  void check_devices() const {
    const std::vector<std::string> runs = model_.get_property(ov::execution_devices);
    if (runs.size() == 1 && kind_of(runs[0]) == device_) return;
    std::string names;
    for (const std::string& each : runs) names += (names.empty() ? "" : ", ") + each;
    throw Error("OpenVINO runs on " + names + " instead of " + device_);
  }

  // A tensor for `size` images, from now on the input of `request`.
  ov::Tensor bind(ov::InferRequest& request, std::size_t size) const {
    ov::Shape shape = shape_;
    shape[0] = size;
    const ov::Tensor tensor(ov::element::u8, shape);
    request.set_input_tensor(tensor);
    return tensor;
  }

  void run_batch(const std::uint8_t* images, std::size_t size, Logits& all) {
    // It stays bound, as in infer.py: OpenVINO prepares a query anew for another.
    if (!given_ || given_.get_shape()[0] != size) given_ = bind(request_, size);
    std::memcpy(given_.data(), images, size * image_bytes_);
    request_.infer();
    const ov::Tensor out = request_.get_output_tensor();
    all.classes = out.get_shape().back();
    const auto* values = static_cast<const float*>(out.data(ov::element::f32));
    all.values.insert(all.values.end(), values, values + out.get_size());
  }

  const int threads_;
  const std::string path_, device_;
  ov::AnyMap settings_;
  std::string warning_;
  ov::CompiledModel model_;
  ov::InferRequest request_;
  ov::Shape shape_;
  std::size_t image_bytes_ = 0;
  ov::Tensor given_;
};

}  // namespace

std::vector<std::string> backend_kits() { return {"openvino"}; }

std::unique_ptr<Runner> make_runner(const std::string& folder, const Meta& meta, int threads) {
  return std::make_unique<OpenVino>(joined(folder, meta.model_files[0]), meta, threads);
}

}  // namespace edgecls
