#include "npy.h"

#include <cstring>
#include <limits>

#include "error.h"
#include "files.h"

namespace edgecls {
namespace {

using Shape = std::vector<std::size_t>;

// Longer headers are of structured types.
constexpr std::size_t kMaxHeader = 4096;

struct Array {
  std::string kind;
  Shape shape;
  std::string file;
  std::size_t data = 0;  // where the values begin in `file`
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(path + " cannot be read: " + why, "copy or export the bundle again");
}

// What stands in the header's dict behind 'name': up to one of the characters of `ends`.
std::string field(const std::string& path, const std::string& header, const std::string& name,
                  const char* begin, const char* ends) {
  std::size_t from = header.find("'" + name + "': ");
  if (from != header.npos) from = header.find_first_not_of(' ', from + name.size() + 4);
  const std::size_t to = from == header.npos ? from : header.find_first_of(ends, from + 1);
  if (to == header.npos || (*begin && header[from] != *begin)) {
    refuse(path, "its header is damaged, or it holds Python objects");
  }
  return header.substr(from + (*begin ? 1 : 0), to - from - (*begin ? 1 : 0));
}

Shape parse_shape(const std::string& path, const std::string& text) {
  Shape shape;
  std::size_t digits = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && c != ',' && c != ' ') refuse(path, "its shape is damaged");
    digits = digit ? digits + 1 : 0;
    if (digits > 18) refuse(path, "its shape is too large");
    if (digits == 1) shape.push_back(0);
    if (digit) shape.back() = shape.back() * 10 + static_cast<std::size_t>(c - '0');
  }
  return shape;
}

std::size_t bytes_of(const std::string& path, const Shape& shape, std::size_t item) {
  std::size_t total = item;
  for (const std::size_t size : shape) {
    if (size != 0 && total > std::numeric_limits<std::size_t>::max() / size) {
      refuse(path, "its shape is too large");
    }
    total *= size;
  }
  return total;
}

// Format 1.0 to 3.0 of numpy.lib.format: magic, version, the header's length, a Python dict.
Array read(const std::string& path) {
  Array array;
  array.file = read_file(path);
  const std::string& file = array.file;
  const auto byte = [&file](std::size_t at) { return static_cast<unsigned char>(file[at]); };
  if (file.size() < 12 || file.compare(0, 6, "\x93NUMPY") != 0) refuse(path, "it is no .npy file");
  const bool wide = byte(6) > 1;
  std::size_t length = byte(8) | byte(9) << 8;
  if (wide) length |= static_cast<std::size_t>(byte(10)) << 16 | std::size_t{byte(11)} << 24;
  array.data = (wide ? 12 : 10) + length;
  if (length > kMaxHeader || array.data > file.size()) refuse(path, "its header is damaged");
  const std::string header = file.substr(array.data - length, length);
  array.kind = field(path, header, "descr", "'", "'");
  array.shape = parse_shape(path, field(path, header, "shape", "(", ")"));
  if (field(path, header, "fortran_order", "", ",}") != "False") {
    refuse(path, "it is in Fortran's order");
  }
  return array;
}

std::string described(const std::string& kind, const Shape& shape) {
  std::string text = kind + "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

template <typename Value>
std::vector<Value> values(const std::string& path, const Array& array, const std::string& kind,
                          std::size_t dimensions) {
  if (array.kind != kind || array.shape.size() != dimensions) {
    refuse(path, "it is " + described(array.kind, array.shape) + ", not " + kind + " of " +
                     std::to_string(dimensions) + " dimensions");
  }
  const std::size_t bytes = bytes_of(path, array.shape, sizeof(Value));
  if (array.file.size() - array.data != bytes) {
    refuse(path, "it has " + std::to_string(array.file.size() - array.data) + " bytes of values, " +
                     "not " + std::to_string(bytes));
  }
  std::vector<Value> result(bytes / sizeof(Value));
  if (bytes) std::memcpy(result.data(), array.file.data() + array.data, bytes);
  return result;
}

void write(const std::string& path, const std::string& kind, const Shape& shape,
           std::string_view bytes) {
  std::string sizes;
  for (const std::size_t size : shape) sizes += std::to_string(size) + ", ";
  sizes.resize(sizes.size() - 2);
  std::string header =
      "{'descr': '" + kind + "', 'fortran_order': False, 'shape': (" + sizes + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // the values begin at a multiple of 64
  header += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head.push_back(static_cast<char>(header.size() & 0xff));
  head.push_back(static_cast<char>(header.size() >> 8));
  write_file(path, {head, header, bytes});
}

}  // namespace

Images read_images(const std::string& path) {
  const Array array = read(path);
  Images images;
  images.values = values<std::uint8_t>(path, array, "|u1", 4);
  images.count = array.shape[0], images.height = array.shape[1];
  images.width = array.shape[2], images.channels = array.shape[3];
  return images;
}

Logits read_logits(const std::string& path) {
  const Array array = read(path);
  Logits logits;
  logits.values = values<float>(path, array, "<f4", 2);
  logits.count = array.shape[0], logits.classes = array.shape[1];
  return logits;
}

void write_images(const std::string& path, const Images& images) {
  write(path, "|u1", {images.count, images.height, images.width, images.channels},
        {reinterpret_cast<const char*>(images.values.data()), images.values.size()});
}

void write_logits(const std::string& path, const Logits& logits) {
  write(
      path, "<f4", {logits.count, logits.classes},
      {reinterpret_cast<const char*>(logits.values.data()), logits.values.size() * sizeof(float)});
}

}  // namespace edgecls
