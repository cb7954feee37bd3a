// TensorRT 10 or newer on an NVIDIA GPU. The first run builds the engine on this very device, which
// can take minutes; it is kept in the user's cache, as export/tensorrt/ does.
#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>

#include "cuda.h"
#include "engine_cache.h"
#include "error.h"
#include "files.h"
#include "layer_times.h"
#include "runner.h"

static_assert(NV_TENSORRT_MAJOR >= 10, "TensorRT 10 or newer is needed (JetPack 6.1 or newer)");

namespace edgecls {
namespace {

class Logger : public nvinfer1::ILogger {
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s\n", message);
  }
};

std::string version() {
  return std::to_string(getInferLibMajorVersion()) + "." +
         std::to_string(getInferLibMinorVersion()) + "." +
         std::to_string(getInferLibPatchVersion());
}

using Memory = std::unique_ptr<nvinfer1::IHostMemory>;

std::string_view bytes_of(const nvinfer1::IHostMemory& memory) {
  return {static_cast<const char*>(memory.data()), memory.size()};
}

template <typename Value>
std::unique_ptr<Value> made(Value* value, const std::string& what) {
  if (!value) {
    throw Error("TensorRT " + version() + " cannot make " + what,
                "see its messages above; where memory is short, end other programs");
  }
  return std::unique_ptr<Value>(value);
}

void parse(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger,
           const std::string& graph) {
  const auto parser = made(nvonnxparser::createParser(network, logger), "a parser");
  const std::string data = read_file(graph);
  if (parser->parse(data.data(), data.size())) return;
  std::string said;
  for (int i = 0; i < parser->getNbErrors(); ++i) {
    said += (i ? "; " : "") + std::string(parser->getError(i)->desc());
  }
  throw Error("TensorRT " + version() + " refuses " + graph + ": " + said,
              "install a newer TensorRT (on a Jetson: a newer JetPack), or export fp16");
}

// The batches that an engine of a dynamic graph takes, and the one that it is quickest at.
struct Profile {
  int min, opt, max;
};

// Of a bundle with a free batch: details.profile.
std::optional<Profile> profile_of(const Meta& meta) {
  const Json* said = meta.details.find("profile");
  if (!said || !said->is(Json::Kind::object)) return std::nullopt;
  const auto size = [said](const char* name) {
    const Json* value = said->find(name);
    if (!value || !value->is(Json::Kind::integer) || value->number < 1 || value->number > 65536) {
      throw Error("details.profile is damaged", "export the bundle again");
    }
    return static_cast<int>(value->number);
  };
  return Profile{size("min"), size("opt"), size("max")};
}

void add_profile(nvinfer1::IBuilder& builder, nvinfer1::INetworkDefinition& network,
                 nvinfer1::IBuilderConfig& config, const Profile& profile) {
  const nvinfer1::ITensor& image = *network.getInput(0);
  nvinfer1::IOptimizationProfile* sizes = builder.createOptimizationProfile();
  const std::pair<nvinfer1::OptProfileSelector, int> all[] = {
      {nvinfer1::OptProfileSelector::kMIN, profile.min},
      {nvinfer1::OptProfileSelector::kOPT, profile.opt},
      {nvinfer1::OptProfileSelector::kMAX, profile.max}};
  for (const auto& [selector, batch] : all) {
    nvinfer1::Dims shape = image.getDimensions();
    shape.d[0] = batch;
    sizes->setDimensions(image.getName(), selector, shape);
  }
  config.addOptimizationProfile(sizes);
}

// Types come from the graph: asked for in TensorRT 10, always so in 11.
std::uint32_t strongly_typed() {
#if NV_TENSORRT_MAJOR < 11
  using Flag = nvinfer1::NetworkDefinitionCreationFlag;
  return 1u << static_cast<std::uint32_t>(Flag::kSTRONGLY_TYPED);
#else
  return 0;
#endif
}

// The engine, and the timing cache that it leaves behind. TF32 would be another precision.
std::pair<Memory, Memory> build(nvinfer1::ILogger& logger, const std::string& graph,
                                const std::string& timings, const std::optional<Profile>& profile) {
  const auto builder = made(nvinfer1::createInferBuilder(logger), "a builder");
  const auto network = made(builder->createNetworkV2(strongly_typed()), "a network");
  parse(*network, logger, graph);
  const auto config = made(builder->createBuilderConfig(), "a configuration");
  config->clearFlag(nvinfer1::BuilderFlag::kTF32);
  if (profile) add_profile(*builder, *network, *config, *profile);
  std::unique_ptr<nvinfer1::ITimingCache> cache(
      config->createTimingCache(timings.data(), timings.size()));
  if (!cache || !config->setTimingCache(*cache, false)) {  // of another driver
    cache = made(config->createTimingCache(nullptr, 0), "a timing cache");
    config->setTimingCache(*cache, false);
  }
  Memory built = made(builder->buildSerializedNetwork(*network, *config), "an engine of " + graph);
  return {std::move(built), made(config->getTimingCache()->serialize(), "a timing cache")};
}

class TensorRt : public Runner {
 public:
  TensorRt(const std::string& folder, const Meta& meta, int threads)
      : threads_(threads),
        place_(bundle_sha256(folder), version(), cuda_.name(), cuda_.compute_capability()),
        runtime_(made(nvinfer1::createInferRuntime(logger_), "a runtime")) {
    if (meta.details.find("dla_core")) {
      throw Error("this bundle is for a DLA core, which this program does not use",
                  "run its infer.py, or export --target tensorrt for the GPU");
    }
    const std::optional<Profile> profile = profile_of(meta);
    load(joined(folder, meta.model_files[0]), profile);
    context_ = made(engine_->createExecutionContext(), "an execution context");
    bind(meta, profile ? static_cast<std::size_t>(profile->max) : 0);
  }

  Logits run(const std::uint8_t* images, std::size_t count) override {
    // A free batch is as large as there are images, up to the most that the engine takes.
    const std::size_t most = free_ ? std::min(std::max<std::size_t>(count, 1), most_) : most_;
    return in_batches(images, count, image_bytes_, most,
                      [this](const std::uint8_t* batch, std::size_t size, Logits& all) {
                        run_batch(*context_, batch, size, all);
                      });
  }

  std::vector<Operator> profile(const std::uint8_t* images, std::size_t count,
                                long queries) override {
    LayerTimes times(queries);  // it is told until its context goes
    const auto context = made(engine_->createExecutionContext(), "an execution context");
    set_address(*context, input_, device_in_);
    set_address(*context, output_, device_out_);
    context->setProfiler(&times);
    for (long i = 0; i < kBeforeProfile + queries; ++i) {
      times.is_counted = i >= kBeforeProfile;
      Logits ignored;
      run_batch(*context, images, count, ignored);
    }
    return times.operators();
  }

  std::size_t batch() const override { return free_ ? 0 : most_; }

  Json about() const override {
    std::string sm = cuda_.compute_capability();
    sm.erase(sm.find('.'), 1);
    return Json::object()
        .set("runtime", "tensorrt " + version())
        .set("provider", "cuda: " + cuda_.name() + ", sm_" + sm)
        .set("engine", place_.engine)
        .set("build_seconds", build_seconds_ ? Json(*build_seconds_) : Json())
        .set("batch", batch_json(batch()))
        .set("threads", threads_);
  }

 private:
  void run_batch(nvinfer1::IExecutionContext& context, const std::uint8_t* images, std::size_t size,
                 Logits& all) {
    std::memcpy(host_in_, images, size * image_bytes_);
    if (free_) {
      nvinfer1::Dims shape = engine_->getTensorShape(input_.c_str());
      shape.d[0] = static_cast<int>(size);
      if (!context.setInputShape(input_.c_str(), shape)) {
        throw Error("the engine takes no batch of " + std::to_string(size));
      }
    }
    cuda_.upload(device_in_, host_in_, size * image_bytes_);
    if (!context.enqueueV3(cuda_.stream())) {
      throw Error("TensorRT could not run the engine: see the messages above");
    }
    const std::size_t values_count = size * classes_;
    cuda_.download(host_out_, device_out_, values_count * sizeof(float));
    cuda_.wait();
    const auto* values = static_cast<const float*>(host_out_);
    all.classes = classes_;
    all.values.insert(all.values.end(), values, values + values_count);
  }

  void load(const std::string& graph, const std::optional<Profile>& profile) {
    if (const std::optional<std::string> known = place_.load()) {
      engine_.reset(runtime_->deserializeCudaEngine(known->data(), known->size()));
    }
    if (engine_) return;
    std::fprintf(stderr, "building the engine with TensorRT %s for %s: once, it can take minutes\n",
                 version().c_str(), cuda_.name().c_str());
    const auto began = std::chrono::steady_clock::now();
    const auto [built, timings] = build(logger_, graph, kept(place_.timing), profile);
    build_seconds_ =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    place_.keep(bytes_of(*built), bytes_of(*timings));
    engine_ = made(runtime_->deserializeCudaEngine(built->data(), built->size()),
                   "an engine of its own bytes");
  }

  // The memory of the one input and the one output. most: the largest free batch, else 0.
  void bind(const Meta& meta, std::size_t most) {
    if (engine_->getNbIOTensors() != 2) throw not_ours();
    for (int i = 0; i < 2; ++i) {
      const std::string name = engine_->getIOTensorName(i);
      const nvinfer1::Dims shape = engine_->getTensorShape(name.c_str());
      const auto kind = engine_->getTensorDataType(name.c_str());
      if (engine_->getTensorIOMode(name.c_str()) == nvinfer1::TensorIOMode::kINPUT) {
        check_input(meta, {shape.d, shape.d + shape.nbDims}, kind == nvinfer1::DataType::kUINT8);
        input_ = name;
        free_ = shape.d[0] < 1;
        most_ = free_ ? most : static_cast<std::size_t>(shape.d[0]);
        image_bytes_ = static_cast<std::size_t>(shape.d[1] * shape.d[2] * shape.d[3]);
      } else {
        if (kind != nvinfer1::DataType::kFLOAT || shape.nbDims != 2 || shape.d[1] < 1)
          throw not_ours();
        output_ = name;
        classes_ = static_cast<std::size_t>(shape.d[1]);
      }
    }
    if (input_.empty() || output_.empty() || most_ == 0) throw not_ours();
    take(input_, most_ * image_bytes_, host_in_, device_in_);
    take(output_, most_ * classes_ * sizeof(float), host_out_, device_out_);
  }

  void take(const std::string& name, std::size_t bytes, void*& host, void*& device) {
    host = cuda_.pinned(bytes);
    device = cuda_.device_memory(bytes);
    set_address(*context_, name, device);
  }

  static void set_address(nvinfer1::IExecutionContext& context, const std::string& name,
                          void* device) {
    if (!context.setTensorAddress(name.c_str(), device)) {
      throw Error("TensorRT refuses the memory of " + name);
    }
  }

  static Error not_ours() {
    return Error("the engine has no single uint8 input and float32 output",
                 "export the bundle again");
  }

  // In this order: the engine goes before the runtime, and both before the GPU's memory.
  Cuda cuda_;
  Logger logger_;
  const int threads_;
  const EnginePlace place_;
  std::optional<double> build_seconds_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  void *host_in_ = nullptr, *host_out_ = nullptr, *device_in_ = nullptr, *device_out_ = nullptr;
  std::string input_, output_;
  std::size_t image_bytes_ = 0, classes_ = 0, most_ = 0;
  bool free_ = false;
};

}  // namespace

std::vector<std::string> backend_kits() { return {"tensorrt"}; }

std::unique_ptr<Runner> make_runner(const std::string& folder, const Meta& meta, int threads) {
  return std::make_unique<TensorRt>(folder, meta, threads);
}

}  // namespace edgecls
