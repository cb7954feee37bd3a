// PNG by libpng. Samples are read as they are stored, and turned into 8 bits as Pillow does it.
#include <algorithm>
#include <csetjmp>
#include <cstring>

#include <png.h>

#include "error.h"
#include "exif.h"
#include "image.h"

namespace edgecls {
namespace {

// libpng is C and leaves an error by longjmp; functions that call it hold nothing to be destroyed.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view left;
  char message[200] = "out of memory";

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::strncpy(decoder->message, message, sizeof decoder->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (count > decoder->left.size()) png_error(png, "the file is truncated");
  std::memcpy(out, decoder->left.data(), count);
  decoder->left.remove_prefix(count);
}

bool begin(Decoder& decoder) {
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning);
  if (!decoder.png) return false;
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  decoder.info = png_create_info_struct(decoder.png);
  if (!decoder.info) return false;
  png_set_read_fn(decoder.png, &decoder, read_bytes);
  png_set_user_limits(decoder.png, 0x7fffffff, 0x7fffffff);  // check_size has its own
  png_read_info(decoder.png, decoder.info);
  png_set_packing(decoder.png);  // a byte for a sample of 1, 2 or 4 bits
  png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
  return true;
}

bool read_rows(Decoder& decoder, png_bytepp rows) {
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  png_read_image(decoder.png, rows);
  png_read_end(decoder.png, decoder.info);  // EXIF may stand behind the pixels
  return true;
}

// The value of a text chunk's hexadecimal digits, behind its three lines of head.
std::string raw_profile(std::string_view text) {
  for (int i = 0; i < 3; ++i) {
    const std::size_t line = text.find('\n');
    if (line == text.npos) return "";
    text.remove_prefix(line + 1);
  }
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) continue;
    if (high >= 0) bytes.push_back(static_cast<char>(high * 16 + static_cast<int>(digit)));
    high = high >= 0 ? -1 : static_cast<int>(digit);
  }
  return bytes;
}

int oriented(const Decoder& decoder) {
  std::string exif, raw;
  std::string_view xmp;
  png_bytep data = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(decoder.png, decoder.info, &size, &data) && data) {
    exif.assign(reinterpret_cast<const char*>(data), size);
  }
  png_textp texts = nullptr;
  const int count = png_get_text(decoder.png, decoder.info, &texts, nullptr);
  for (int i = 0; i < count; ++i) {
    const std::string_view key(texts[i].key), text(texts[i].text ? texts[i].text : "");
    if (key == "XML:com.adobe.xmp") xmp = text;
    if (key == "Raw profile type exif") raw = raw_profile(text);
  }
  return orientation(exif.empty() ? raw : exif, xmp);
}

struct Stored {
  std::size_t width, height, channels, row_bytes;
  int depth, type;
  std::vector<std::uint8_t> values;

  const std::uint8_t* row(std::size_t index) const { return values.data() + index * row_bytes; }
};

// Wide gray: scaled where any value is above 255, else taken as 8 bits.
Picture from_gray_16(const Stored& stored) {
  Picture gray(stored.width, stored.height, 1);
  const auto value = [&stored](std::size_t row, std::size_t column) {
    const std::uint8_t* at = stored.row(row) + 2 * column;
    return static_cast<unsigned>(at[0] << 8 | at[1]);
  };
  unsigned highest = 0;
  for (std::size_t r = 0; r < stored.height; ++r) {
    for (std::size_t c = 0; c < stored.width; ++c) highest = std::max(highest, value(r, c));
  }
  for (std::size_t r = 0; r < stored.height; ++r) {
    for (std::size_t c = 0; c < stored.width; ++c) {
      // 257 is odd, so that no value lies half-way between two bytes.
      const unsigned v = highest > 255 ? (value(r, c) + 128) / 257 : value(r, c);
      *gray.at(r, c) = static_cast<std::uint8_t>(v);
    }
  }
  return gray;
}

Picture from_palette(const Decoder& decoder, const Stored& stored) {
  std::uint8_t table[256][3] = {};
  std::uint8_t opacity[256];
  std::fill_n(opacity, 256, std::uint8_t{255});
  png_colorp colours = nullptr;
  int count = 0;
  png_get_PLTE(decoder.png, decoder.info, &colours, &count);
  for (int i = 0; i < count && i < 256; ++i) {
    table[i][0] = colours[i].red, table[i][1] = colours[i].green, table[i][2] = colours[i].blue;
  }
  png_bytep alpha = nullptr;
  count = 0;
  png_get_tRNS(decoder.png, decoder.info, &alpha, &count, nullptr);
  for (int i = 0; alpha && i < count && i < 256; ++i) opacity[i] = alpha[i];
  Picture rgb(stored.width, stored.height, 3);
  for (std::size_t r = 0; r < stored.height; ++r) {
    for (std::size_t c = 0; c < stored.width; ++c) {
      const std::uint8_t index = stored.row(r)[c];
      for (int k = 0; k < 3; ++k) rgb.at(r, c)[k] = over_white(table[index][k], opacity[index]);
    }
  }
  return rgb;
}

// The one colour that is transparent, as Pillow compares it: its low bytes with ours.
struct Transparent {
  bool any = false;
  std::uint8_t rgb[3] = {0, 0, 0};
};

Transparent transparent(const Decoder& decoder, const Stored& stored) {
  Transparent found;
  png_color_16p colour = nullptr;
  png_bytep alpha = nullptr;
  int count = 0;
  const png_uint_32 known = png_get_tRNS(decoder.png, decoder.info, &alpha, &count, &colour);
  if (!(known & PNG_INFO_tRNS) || !colour || (stored.type & PNG_COLOR_MASK_ALPHA)) return found;
  found.any = true;
  const bool gray = !(stored.type & PNG_COLOR_MASK_COLOR);
  const unsigned values[3] = {gray ? colour->gray : colour->red,
                              gray ? colour->gray : colour->green,
                              gray ? colour->gray : colour->blue};
  for (int k = 0; k < 3; ++k) {
    found.rgb[k] = static_cast<std::uint8_t>(stored.depth == 1 ? (values[k] ? 255 : 0) : values[k]);
  }
  return found;
}

Picture from_samples(const Decoder& decoder, const Stored& stored) {
  const bool alpha = stored.type & PNG_COLOR_MASK_ALPHA;
  const std::size_t colours = stored.channels - (alpha ? 1 : 0);
  const std::size_t step = stored.depth == 16 ? 2 : 1;  // of 16 bits the high byte
  const unsigned scale = stored.depth < 8 ? 255u / ((1u << stored.depth) - 1) : 1;
  const Transparent none = transparent(decoder, stored);
  Picture picture(stored.width, stored.height, colours);
  for (std::size_t r = 0; r < stored.height; ++r) {
    for (std::size_t c = 0; c < stored.width; ++c) {
      const std::uint8_t* from = stored.row(r) + c * stored.channels * step;
      std::uint8_t* to = picture.at(r, c);
      bool equal = none.any;
      for (std::size_t k = 0; k < colours; ++k) {
        to[k] = static_cast<std::uint8_t>(from[k * step] * scale);
        equal = equal && to[k] == none.rgb[k];
      }
      const unsigned opacity = alpha ? from[colours * step] : equal ? 0u : 255u;
      for (std::size_t k = 0; k < colours; ++k) to[k] = over_white(to[k], opacity);
    }
  }
  return picture;
}

}  // namespace

Picture decode_png(std::string_view bytes, bool exif) {
  Decoder decoder;
  decoder.left = bytes;
  if (!begin(decoder)) throw Error(std::string("cannot be decoded: ") + decoder.message);
  Stored stored{};
  stored.width = png_get_image_width(decoder.png, decoder.info);
  stored.height = png_get_image_height(decoder.png, decoder.info);
  check_size(stored.width, stored.height);
  stored.channels = png_get_channels(decoder.png, decoder.info);
  stored.row_bytes = png_get_rowbytes(decoder.png, decoder.info);
  stored.type = png_get_color_type(decoder.png, decoder.info);
  // What is stored: png_set_packing has changed what libpng says of the rows.
  stored.depth = static_cast<unsigned char>(bytes[24]);
  stored.values.resize(stored.row_bytes * stored.height);
  std::vector<png_bytep> rows(stored.height);
  for (std::size_t r = 0; r < stored.height; ++r) rows[r] = &stored.values[r * stored.row_bytes];
  if (!read_rows(decoder, rows.data())) {
    throw Error(std::string("cannot be decoded: ") + decoder.message);
  }
  const bool wide_gray = stored.type == PNG_COLOR_TYPE_GRAY && stored.depth == 16;
  Picture picture = wide_gray                               ? from_gray_16(stored)
                    : stored.type == PNG_COLOR_TYPE_PALETTE ? from_palette(decoder, stored)
                                                            : from_samples(decoder, stored);
  return upright(std::move(picture), exif ? oriented(decoder) : 1);
}

}  // namespace edgecls
