// ncnn on the CPU. It has no uint8 tensors: the pixels are normalised here, with the constants of
// the bundle's Preprocess, and the golden check covers it.
#include <net.h>

#include "error.h"
#include "files.h"
#include "runner.h"

namespace edgecls {
namespace {

// The first model file that ends so.
std::string model_file(const std::string& folder, const Meta& meta, const std::string& ending) {
  for (const std::string& name : meta.model_files) {
    const bool longer = name.size() > ending.size();
    if (longer && name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      return joined(folder, name);
    }
  }
  throw Error("the bundle names no model file *" + ending, "export the bundle again");
}

// The name of a blob: pnnx's own, unless the bundle says another.
std::string blob(const Meta& meta, const char* field, const char* otherwise) {
  const Json* said = meta.details.find(field);
  return said && said->is(Json::Kind::string) ? said->text : otherwise;
}

class Ncnn : public Runner {
 public:
  Ncnn(const std::string& folder, const Meta& meta, int threads)
      : how_(meta.preprocess),
        input_(blob(meta, "input", "in0")),
        output_(blob(meta, "output", "out0")) {
    for (std::size_t i = 0; i < how_.channels(); ++i) {
      mean_.push_back(static_cast<float>(how_.mean[i] * 255.0));
      scale_.push_back(static_cast<float>(1.0 / (how_.std[i] * 255.0)));
    }
    // The precision is the one that the bundle names; ncnn would take fp16 on its own.
    const bool fp16 = meta.precision == "fp16";
    net_.opt.use_fp16_packed = net_.opt.use_fp16_storage = net_.opt.use_fp16_arithmetic = fp16;
    net_.opt.use_bf16_storage = meta.precision == "bf16";
    net_.opt.use_vulkan_compute = false;
    if (threads) net_.opt.num_threads = threads;
    load(model_file(folder, meta, ".param"), model_file(folder, meta, ".bin"));
  }

  Logits run(const std::uint8_t* images, std::size_t count) override {
    const std::size_t bytes = how_.height() * how_.width() * how_.channels();
    Logits all;
    for (std::size_t i = 0; i < count; ++i) {
      const ncnn::Mat blob = run_one(images + i * bytes);
      const ncnn::Mat out = blob.reshape(blob.w * blob.h * blob.d * blob.c);
      all.classes = static_cast<std::size_t>(out.w);
      const float* values = out;
      all.values.insert(all.values.end(), values, values + out.w);
    }
    all.count = count;
    return all;
  }

  Json about() const override {
    return Json::object()
        .set("runtime", std::string("ncnn ") + NCNN_VERSION_STRING)
        .set("provider", "CPU")
        .set("batch", batch_json(batch()))
        .set("threads", net_.opt.num_threads);
  }

 private:
  void load(const std::string& param, const std::string& bin) {
    if (net_.load_param(param.c_str()) != 0) {
      throw Error("ncnn cannot load " + param, "build this binary with a newer ncnn");
    }
    if (net_.load_model(bin.c_str()) != 0) {
      throw Error("ncnn cannot load " + bin, "build this binary with a newer ncnn");
    }
  }

  ncnn::Mat run_one(const std::uint8_t* image) {
    const int kind = how_.channels() == 1 ? ncnn::Mat::PIXEL_GRAY : ncnn::Mat::PIXEL_RGB;
    // No channel changes its place: whether RGB or BGR, the bundle's tensors have the net's order.
    ncnn::Mat in = ncnn::Mat::from_pixels(image, kind, static_cast<int>(how_.width()),
                                          static_cast<int>(how_.height()));
    in.substract_mean_normalize(mean_.data(), scale_.data());
    ncnn::Extractor extractor = net_.create_extractor();
    ncnn::Mat out;
    if (extractor.input(input_.c_str(), in) != 0 || extractor.extract(output_.c_str(), out) != 0) {
      throw Error("ncnn could not run the model from " + input_ + " to " + output_,
                  "export the bundle again");
    }
    return out;
  }

  const Preprocess how_;
  const std::string input_, output_;
  std::vector<float> mean_, scale_;
  ncnn::Net net_;
};

}  // namespace

std::vector<std::string> backend_kits() { return {"ncnn"}; }

std::unique_ptr<Runner> make_runner(const std::string& folder, const Meta& meta, int threads) {
  return std::make_unique<Ncnn>(folder, meta, threads);
}

}  // namespace edgecls
