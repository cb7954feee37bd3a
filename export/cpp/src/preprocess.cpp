#include "preprocess.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "image.h"
#include "resample.h"

namespace edgecls {
namespace {

using Kind = Json::Kind;

[[noreturn]] void refuse(const std::string& why, const std::string& fix = "") {
  throw Error("preprocess: " + why, fix.empty() ? "export the bundle again" : fix);
}

void check_name(const std::string& field, const std::string& value,
                const std::vector<std::string>& valid) {
  if (std::find(valid.begin(), valid.end(), value) != valid.end()) return;
  std::string names;
  for (const std::string& each : valid) names += (names.empty() ? "" : ", ") + each;
  refuse("unknown " + field + " '" + value + "'", "valid: " + names);
}

void read(const Json& data, const char* name, std::string& value) {
  const Json* found = data.find(name);
  if (!found) return;
  if (!found->is(Kind::string)) refuse(std::string(name) + " is no string");
  value = found->text;
}

void read(const Json& data, const char* name, bool& value) {
  const Json* found = data.find(name);
  if (!found) return;
  if (!found->is(Kind::boolean)) refuse(std::string(name) + " must be true or false");
  value = found->truth;
}

void read(const Json& data, const char* name, double& value) {
  const Json* found = data.find(name);
  if (!found) return;
  if (!found->is_number()) refuse(std::string(name) + " is no number");
  value = found->number;
}

void read(const Json& data, const char* name, std::int64_t& value) {
  const Json* found = data.find(name);
  if (!found) return;
  if (!found->is(Kind::integer) || std::fabs(found->number) > 1e15) {
    refuse(std::string(name) + " is no integer");
  }
  value = static_cast<std::int64_t>(found->number);
}

void read(const Json& data, const char* name, std::vector<double>& values) {
  const Json* found = data.find(name);
  if (!found) return;
  if (!found->is(Kind::array)) refuse(std::string(name) + " is no list");
  values.clear();
  for (const Json& each : found->items) {
    if (!each.is_number()) refuse(std::string(name) + " holds what is no number");
    values.push_back(each.number);
  }
}

void check(const Preprocess& how) {
  check_name("resize", how.resize, {"stretch", "shortest", "pad"});
  check_name("interpolation", how.interpolation, {"nearest", "bilinear", "bicubic", "lanczos"});
  check_name("mode", how.mode, {"RGB", "BGR", "L"});
  const auto most = static_cast<std::int64_t>(kMaxPixels);
  if (how.size[0] < 1 || how.size[1] < 1 || how.size[0] > most / how.size[1]) {
    refuse("size must be two positive integers, height and width, of at most " +
           std::to_string(most) + " pixels");
  }
  if (!(how.crop_ratio > 0 && how.crop_ratio <= 1)) refuse("crop_ratio must be in (0, 1]");
  if (how.fill < 0 || how.fill > 255) refuse("fill must be an integer from 0 to 255");
  if (how.interpolation == "lanczos" && !how.antialias) {
    refuse("lanczos always filters", "set antialias, or bicubic");
  }
  if (how.mean.size() != how.channels() || how.std.size() != how.channels()) {
    refuse("mean and std need " + std::to_string(how.channels()) + " values each for mode " +
           how.mode);
  }
  if (*std::min_element(how.std.begin(), how.std.end()) <= 0) refuse("std must be positive");
}

Filter filter_of(const Preprocess& how) {
  return how.interpolation == "nearest"    ? Filter::nearest
         : how.interpolation == "bilinear" ? Filter::bilinear
         : how.interpolation == "bicubic"  ? Filter::bicubic
                                           : Filter::lanczos;
}

Picture scale(const Preprocess& how, const Picture& picture, std::size_t width,
              std::size_t height) {
  if (width > kMaxPixels / height) refuse("the resized image would have too many pixels");
  const Filter filter = filter_of(how);
  if (how.antialias || filter == Filter::nearest) return resize(picture, width, height, filter);
  return interpolate(picture, width, height, filter);
}

// Rounded to even from half-way, as Python does.
std::size_t rounded(double value, std::size_t least) {
  const double whole = std::nearbyint(value);
  if (whole > static_cast<double>(kMaxPixels)) refuse("the resized image would be too large");
  return std::max(least, static_cast<std::size_t>(whole));
}

Picture padded(const Preprocess& how, const Picture& picture) {
  const auto width = static_cast<double>(picture.width);
  const auto height = static_cast<double>(picture.height);
  const double ratio = std::min(static_cast<double>(how.width()) / width,
                                static_cast<double>(how.height()) / height);
  const std::size_t inner_width = rounded(width * ratio, 1);
  const std::size_t inner_height = rounded(height * ratio, 1);
  const Picture inner = scale(how, picture, inner_width, inner_height);
  Picture canvas(how.width(), how.height(), picture.channels);
  std::fill(canvas.values.begin(), canvas.values.end(), static_cast<std::uint8_t>(how.fill));
  const std::size_t left = (how.width() - inner.width) / 2, top = (how.height() - inner.height) / 2;
  for (std::size_t row = 0; row < inner.height; ++row) {
    std::copy_n(inner.at(row, 0), inner.width * inner.channels, canvas.at(top + row, left));
  }
  return canvas;
}

Picture cropped(const Preprocess& how, const Picture& picture) {
  const auto width = static_cast<double>(picture.width);
  const auto height = static_cast<double>(picture.height);
  const double ratio = std::max(static_cast<double>(how.width()) / width,
                                static_cast<double>(how.height()) / height) /
                       how.crop_ratio;
  const std::size_t outer_width = rounded(width * ratio, how.width());
  const std::size_t outer_height = rounded(height * ratio, how.height());
  const Picture outer = scale(how, picture, outer_width, outer_height);
  Picture centre(how.width(), how.height(), picture.channels);
  const std::size_t left = (outer.width - how.width()) / 2;
  const std::size_t top = (outer.height - how.height()) / 2;
  for (std::size_t row = 0; row < centre.height; ++row) {
    std::copy_n(outer.at(top + row, left), centre.width * centre.channels, centre.at(row, 0));
  }
  return centre;
}

}  // namespace

Preprocess Preprocess::from_json(const Json& data) {
  const std::vector<std::string> known{"size", "resize", "crop_ratio", "interpolation", "antialias",
                                       "mode", "exif",   "fill",       "mean",          "std"};
  bool strange = !data.is(Kind::object) || !data.find("size");
  for (const auto& member : data.members) {
    strange = strange || std::find(known.begin(), known.end(), member.first) == known.end();
  }
  if (strange) refuse("unknown or missing fields in " + to_text(data).substr(0, 500));
  Preprocess how;
  const Json& size = *data.find("size");
  const bool pair = size.is(Kind::array) && size.items.size() == 2;
  for (std::size_t i = 0; i < 2; ++i) {
    if (!pair || !size.items[i].is(Kind::integer) || std::fabs(size.items[i].number) > 1e9) {
      refuse("size must be two positive integers, height and width");
    }
    how.size[i] = static_cast<std::int64_t>(size.items[i].number);
  }
  read(data, "resize", how.resize);
  read(data, "crop_ratio", how.crop_ratio);
  read(data, "interpolation", how.interpolation);
  read(data, "antialias", how.antialias);
  read(data, "mode", how.mode);
  read(data, "exif", how.exif);
  read(data, "fill", how.fill);
  read(data, "mean", how.mean);
  read(data, "std", how.std);
  check(how);
  return how;
}

Picture Preprocess::decoded(std::string_view encoded) const {
  Picture picture = decode(encoded, exif);
  return mode == "L" ? to_gray(std::move(picture)) : to_rgb(std::move(picture));
}

std::vector<std::uint8_t> Preprocess::apply(const Picture& picture) const {
  const bool fits = picture.width == width() && picture.height == height();
  Picture result = fits                  ? picture
                   : resize == "stretch" ? scale(*this, picture, width(), height())
                   : resize == "pad"     ? padded(*this, picture)
                                         : cropped(*this, picture);
  if (mode == "BGR") {
    for (std::size_t i = 0; i < result.values.size(); i += 3) {
      std::swap(result.values[i], result.values[i + 2]);
    }
  }
  return std::move(result.values);
}

std::vector<std::uint8_t> Preprocess::load(std::string_view encoded) const {
  return apply(decoded(encoded));
}

}  // namespace edgecls
