// JPEG by libjpeg or libjpeg-turbo, with the settings that Pillow uses: libjpeg's own.
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

#include "error.h"
#include "exif.h"
#include "image.h"

namespace edgecls {
namespace {

constexpr int kApp1 = JPEG_APP0 + 1;

// libjpeg is C and leaves an error by longjmp; functions that call it hold nothing to be destroyed.
struct Decoder {
  jpeg_decompress_struct info;
  jpeg_error_mgr handler;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr common) {
  auto* decoder = static_cast<Decoder*>(common->client_data);
  common->err->format_message(common, decoder->message);
  std::longjmp(decoder->escape, 1);
}

// Warnings are ignored, as Pillow does, but for a file that ends too early: libjpeg fills it up.
void on_message(j_common_ptr common, int level) {
  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) on_error(common);
}

bool begin(Decoder& decoder, std::string_view bytes) {
  if (setjmp(decoder.escape)) return false;
  decoder.info.err = jpeg_std_error(&decoder.handler);
  decoder.handler.error_exit = on_error;
  decoder.handler.emit_message = on_message;
  decoder.info.client_data = &decoder;
  jpeg_create_decompress(&decoder.info);
  // Older versions of libjpeg take the bytes as not const.
  jpeg_mem_src(&decoder.info,
               const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data())),
               static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&decoder.info, kApp1, 0xffff);
  jpeg_read_header(&decoder.info, TRUE);
  const int channels = decoder.info.num_components;
  if (channels == 1) decoder.info.out_color_space = JCS_GRAYSCALE;
  if (channels == 3) decoder.info.out_color_space = JCS_RGB;
  if (channels == 4) decoder.info.out_color_space = JCS_CMYK;
  return true;
}

bool read_rows(Decoder& decoder, unsigned char* values) {
  if (setjmp(decoder.escape)) return false;
  jpeg_start_decompress(&decoder.info);
  const std::size_t row_bytes =
      static_cast<std::size_t>(decoder.info.output_width) * decoder.info.output_components;
  while (decoder.info.output_scanline < decoder.info.output_height) {
    JSAMPROW row = values + decoder.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&decoder.info, &row, 1);
  }
  return true;
}

struct Cleanup {
  ~Cleanup() { jpeg_destroy_decompress(&decoder.info); }
  Decoder& decoder;
};

int oriented(const Decoder& decoder) {
  const std::string_view exif_head("Exif\0\0", 6);
  const std::string_view xmp_head("http://ns.adobe.com/xap/1.0/\0", 29);
  std::string exif;
  std::string_view xmp;
  for (jpeg_saved_marker_ptr each = decoder.info.marker_list; each; each = each->next) {
    const std::string_view data(reinterpret_cast<const char*>(each->data), each->data_length);
    // A record that is longer than a marker goes on in the next.
    if (data.substr(0, 6) == exif_head) exif += data.substr(6);
    else if (data.substr(0, 29) == xmp_head) xmp = data.substr(29);
  }
  return orientation(exif, xmp);
}

// Adobe's CMYK is stored inverted, and so is everybody's who follows it.
Picture from_cmyk(const Picture& inverted) {
  Picture rgb(inverted.width, inverted.height, 3);
  for (std::size_t i = 0; i < inverted.width * inverted.height; ++i) {
    const std::uint8_t* cmyk = &inverted.values[4 * i];
    const unsigned light = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      rgb.values[3 * i + c] = static_cast<std::uint8_t>(light - scaled_255(255u - cmyk[c], light));
    }
  }
  return rgb;
}

}  // namespace

Picture decode_jpeg(std::string_view bytes, bool exif) {
  Decoder decoder;
  std::memset(&decoder, 0, sizeof decoder);
  const Cleanup cleanup{decoder};
  if (!begin(decoder, bytes)) throw Error(std::string("cannot be decoded: ") + decoder.message);
  const std::size_t width = decoder.info.image_width, height = decoder.info.image_height;
  check_size(width, height);
  const auto channels = static_cast<std::size_t>(decoder.info.num_components);
  if (channels != 1 && channels != 3 && channels != 4) {
    throw Error("cannot be decoded: a JPEG of " + std::to_string(channels) + " channels");
  }
  if (bytes.find("\xff\xd9") == bytes.npos) {
    throw Error("truncated: the JPEG has no end marker");
  }
  Picture picture(width, height, channels);
  if (!read_rows(decoder, picture.values.data())) {
    throw Error(std::string("cannot be decoded: ") + decoder.message);
  }
  if (channels == 4) picture = from_cmyk(picture);
  return upright(std::move(picture), exif ? oriented(decoder) : 1);
}

}  // namespace edgecls
