// ONNX Runtime on the CPU, with the settings of export/onnxruntime/infer.py.
#define ORT_API_MANUAL_INIT  // a library older than the header is told, not crashed on
#include <onnxruntime_cxx_api.h>

#include <cstdlib>

#include "error.h"
#include "files.h"
#include "operators.h"
#include "overflow.h"
#include "runner.h"

namespace edgecls {
namespace {

constexpr const char* kTime = "_kernel_time";

// Of the profile of a session, one event a line of its list: the kernels of the last `queries`.
std::vector<Operator> operators_of(const Json& events, long queries) {
  OperatorTimes times(queries);
  const auto text = [](const Json* value) { return value ? value->text : std::string(); };
  long before = kBeforeProfile;
  for (const Json& event : events.items) {
    std::string name = text(event.find("name"));
    if (name == "model_run") --before;  // told after its kernels
    const std::size_t end = name.rfind(kTime);
    if (before > 0 || text(event.find("cat")) != "Node" || end == name.npos) continue;
    const Json *took = event.find("dur"), *more = event.find("args");
    name.resize(end);
    times.add(name, more ? text(more->find("op_name")) : "", took ? took->number / 1e3 : 0.0);
  }
  return times.operators();
}

class OnnxRuntime : public Runner {
 public:
  OnnxRuntime(const std::string& path, const Meta& meta, int threads)
      : path_(path),
        threads_(threads),
        environment_(ORT_LOGGING_LEVEL_ERROR, "edgecls"),
        memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU)) {
    session_ = Ort::Session(environment_, path_.c_str(), options());
    Ort::AllocatorWithDefaultOptions allocator;
    input_ = session_.GetInputNameAllocated(0, allocator).get();
    output_ = session_.GetOutputNameAllocated(0, allocator).get();
    const Ort::TypeInfo info = session_.GetInputTypeInfo(0);
    const auto tensor = info.GetTensorTypeAndShapeInfo();
    shape_ = tensor.GetShape();
    check_input(meta, shape_, tensor.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
    shape_[0] = std::max<std::int64_t>(shape_[0], 0);  // -1 is any
    // An .ort file is run as it is, and its kernels for int8 by int8 are exact.
    const Json* activation = meta.scheme.find("activation");
    const bool ort = path.size() > 4 && path.compare(path.size() - 4, 4, ".ort") == 0;
    const bool exact = ort && activation && activation->text == "int8";
    if (!exact) warning_ = overflow_warning(meta.scheme);
    image_bytes_ = static_cast<std::size_t>(shape_[1] * shape_[2] * shape_[3]);
  }

  Logits run(const std::uint8_t* images, std::size_t count) override {
    return in_batches(images, count, image_bytes_, batch(),
                      [this](const std::uint8_t* batch, std::size_t size, Logits& all) {
                        run_batch(batch, size, all);
                      });
  }

  std::size_t batch() const override { return static_cast<std::size_t>(shape_[0]); }

  Json about() const override {
    Json told = Json::object();
    told.set("runtime", std::string("onnxruntime ") + OrtGetApiBase()->GetVersionString())
        .set("provider", "CPUExecutionProvider")
        .set("batch", batch_json(batch()))
        .set("threads", threads_);
    if (!warning_.empty()) told.set("warning", warning_);
    return told;
  }

  std::vector<Operator> profile(const std::uint8_t* images, std::size_t count,
                                long queries) override {
    const TemporaryFolder folder;
    Ort::SessionOptions profiled = options();
    profiled.EnableProfiling(joined(folder.path, "profile").c_str());
    Ort::Session session(environment_, path_.c_str(), profiled);
    for (long i = 0; i < kBeforeProfile + queries; ++i) run_on(session, images, count);
    Ort::AllocatorWithDefaultOptions allocator;
    const std::string file = session.EndProfilingAllocated(allocator).get();
    return operators_of(parse_json(read_file(file)), queries);
  }

 private:
  Ort::SessionOptions options() const {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads_);
    options.SetInterOpNumThreads(1);
    options.SetLogSeverityLevel(3);
    // No other provider is added, so that none but the CPU's can run.
    return options;
  }

  std::vector<Ort::Value> run_on(Ort::Session& session, const std::uint8_t* images,
                                 std::size_t size) const {
    std::vector<std::int64_t> shape = shape_;
    shape[0] = static_cast<std::int64_t>(size);
    // ONNX Runtime takes the memory as it is, and only reads it.
    const Ort::Value in =
        Ort::Value::CreateTensor<std::uint8_t>(memory_, const_cast<std::uint8_t*>(images),
                                               size * image_bytes_, shape.data(), shape.size());
    const char *input = input_.c_str(), *output = output_.c_str();
    return session.Run(Ort::RunOptions{nullptr}, &input, &in, 1, &output, 1);
  }

  void run_batch(const std::uint8_t* images, std::size_t size, Logits& all) {
    const std::vector<Ort::Value> out = run_on(session_, images, size);
    const auto info = out[0].GetTensorTypeAndShapeInfo();
    if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
      throw Error("the model file gives no float32 logits", "export the bundle again");
    }
    const std::size_t count = info.GetElementCount();
    const auto* values = out[0].GetTensorData<float>();
    all.classes = count / size;
    all.values.insert(all.values.end(), values, values + count);
  }

  const std::string path_;
  const int threads_;
  std::string warning_;
  Ort::Env environment_;
  Ort::MemoryInfo memory_;
  Ort::Session session_{nullptr};
  std::string input_, output_;
  std::vector<std::int64_t> shape_;
  std::size_t image_bytes_ = 0;
};

void initialise() {
  // It would report its use to its maker, with a lasting id in this user's home.
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (!api) {
    throw Error(std::string("ONNX Runtime ") + OrtGetApiBase()->GetVersionString() +
                    " is older than the one that this edgecls-infer was built with",
                "put libonnxruntime 1." + std::to_string(ORT_API_VERSION) + " or newer beside it");
  }
  Ort::InitApi(api);
}

}  // namespace

std::vector<std::string> backend_kits() { return {"onnxruntime"}; }

std::unique_ptr<Runner> make_runner(const std::string& folder, const Meta& meta, int threads) {
  initialise();
  return std::make_unique<OnnxRuntime>(joined(folder, meta.model_files[0]), meta, threads);
}

}  // namespace edgecls
