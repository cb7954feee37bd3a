#include "json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "error.h"
#include "utf8.h"

namespace edgecls {
namespace {

// Deeper than anything that we write; a hostile file must not exhaust the stack.
constexpr int kMaxDepth = 64;
// Bytes of text that wait for a file.
constexpr std::size_t kPart = std::size_t{1} << 16;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    Json value = this->value(0);
    space();
    if (at_ != text_.size()) fail("there is something after its end");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("no JSON: " + why + " (byte " + std::to_string(at_) + ")");
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json value(int depth) {
    if (depth > kMaxDepth) fail("it is nested too deeply");
    space();
    if (take("{")) return object(depth);
    if (take("[")) return array(depth);
    if (take("\"")) return Json(string());
    if (take("true")) return Json(true);
    if (take("false")) return Json(false);
    if (take("null")) return Json();
    return number();
  }

  Json object(int depth) {
    Json result = Json::object();
    space();
    if (take("}")) return result;
    do {
      space();
      if (!take("\"")) fail("a name in quotation marks is expected");
      std::string name = string();
      space();
      if (!take(":")) fail("':' is expected");
      result.set(std::move(name), value(depth + 1));
      space();
    } while (take(","));
    if (!take("}")) fail("',' or '}' is expected");
    return result;
  }

  Json array(int depth) {
    Json result = Json::array();
    space();
    if (take("]")) return result;
    do {
      result.items.push_back(value(depth + 1));
      space();
    } while (take(","));
    if (!take("]")) fail("',' or ']' is expected");
    return result;
  }

  void digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    if (at_ == begin) fail("a value is expected");
  }

  Json number() {
    const std::size_t begin = at_;
    bool whole = true;
    take("-");
    if (!take("0")) digits();
    if (take(".")) {
      whole = false;
      digits();
    }
    if (take("e") || take("E")) {
      whole = false;
      if (!take("+")) take("-");
      digits();
    }
    // The program never sets a locale, so strtod reads a point.
    Json result(std::strtod(std::string(text_.substr(begin, at_ - begin)).c_str(), nullptr));
    if (!std::isfinite(result.number)) fail("a number is too large");
    if (whole) result.kind = Json::Kind::integer;
    return result;
  }

  std::string string() {
    std::string result;
    while (!take("\"")) {
      if (at_ >= text_.size()) fail("a string has no end");
      if (take("\\")) {
        escape(result);
        continue;
      }
      std::uint32_t code = 0;
      const std::size_t length = utf8_length(text_.substr(at_), code);
      if (length == 0) fail("a string is no UTF-8");
      if (code < 0x20) fail("a string holds a control character");
      result.append(text_.substr(at_, length));
      at_ += length;
    }
    return result;
  }

  void escape(std::string& result) {
    const std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    const std::size_t place = peek() == '\0' ? names.npos : names.find(peek());
    if (place != names.npos) {
      result.push_back(values[place]);
      ++at_;
      return;
    }
    if (!take("u")) fail("an escape is unknown");
    std::uint32_t code = hex4();
    if (code >= 0xd800 && code < 0xdc00 && take("\\u")) {
      const std::uint32_t low = hex4();
      if (low < 0xdc00 || low > 0xdfff) fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append(result, code);
  }

  std::uint32_t hex4() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const std::size_t digit =
          std::string_view("0123456789abcdef")
              .find(static_cast<char>(peek() >= 'A' && peek() <= 'F' ? peek() + 32 : peek()));
      if (at_ >= text_.size() || digit == text_.npos) fail("four hexadecimal digits are expected");
      code = code * 16 + static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  void append(std::string& result, std::uint32_t code) const {
    const auto put = [&result](std::uint32_t byte) { result.push_back(static_cast<char>(byte)); };
    if (code >= 0xdc80 && code <= 0xdcff) return put(code - 0xdc00);  // a byte that is no UTF-8
    if (code >= 0xd800 && code < 0xe000) fail("half of a surrogate pair");
    if (code < 0x80) return put(code);
    if (code >= 0x10000) put(0xf0 | (code >> 18));
    if (code >= 0x800) put(code >= 0x10000 ? 0x80 | ((code >> 12) & 0x3f) : 0xe0 | (code >> 12));
    put(code >= 0x800 ? 0x80 | ((code >> 6) & 0x3f) : 0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void write_escape(std::string& out, std::uint32_t unit) {
  char buffer[8];
  std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(unit));
  out += buffer;
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    std::uint32_t code = 0;
    const std::size_t length = utf8_length(text, code);
    if (length == 0) {
      write_escape(out, 0xdc00u + static_cast<unsigned char>(text[0]));
    } else if (code >= 0x10000) {
      write_escape(out, 0xd800 + ((code - 0x10000) >> 10));
      write_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    } else if (code < 0x20 || code > 0x7e) {
      write_escape(out, code);
    } else {
      if (code == '"' || code == '\\') out += '\\';
      out += static_cast<char>(code);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

void write_number(std::string& out, double value) {
  char buffer[32];
  // The shortest that reads back as the same number.
  for (int digits = 15; digits <= 17; ++digits) {
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
    if (std::strtod(buffer, nullptr) == value) break;
  }
  out += buffer;
  if (!std::strpbrk(buffer, ".e")) out += ".0";  // a number that happens to be whole
}

void write_finite(std::string& out, double value) {
  if (std::isfinite(value)) write_number(out, value);
  else out += "null";
}

void spill(std::string& out, std::FILE* file) {
  std::fwrite(out.data(), 1, out.size(), file);
  out.clear();
}

// file: where text goes on the way, if there is one.
void write(std::string& out, const Json& value, std::FILE* file = nullptr) {
  using Kind = Json::Kind;
  const char* between = "";
  switch (value.kind) {
    case Kind::null: out += "null"; break;
    case Kind::boolean: out += value.truth ? "true" : "false"; break;
    case Kind::integer: out += std::to_string(static_cast<long long>(value.number)); break;
    case Kind::number: write_finite(out, value.number); break;
    case Kind::string: write_string(out, value.text); break;
    case Kind::array:
      out += '[';
      for (const Json& item : value.items) {
        out += between;
        write(out, item, file);
        between = ", ";
      }
      out += ']';
      break;
    case Kind::numbers:
      out += '[';
      for (const double each : value.numbers) {
        out += between;
        write_finite(out, each);
        between = ", ";
        if (file && out.size() > kPart) spill(out, file);
      }
      out += ']';
      break;
    case Kind::object:
      out += '{';
      for (const auto& [name, member] : value.members) {
        out += between;
        write_string(out, name);
        out += ": ";
        write(out, member, file);
        between = ", ";
      }
      out += '}';
  }
}

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (auto each = members.rbegin(); each != members.rend(); ++each) {
    if (each->first == name) return &each->second;
  }
  return nullptr;
}

Json& Json::set(std::string name, Json value) {
  members.emplace_back(std::move(name), std::move(value));
  return *this;
}

Json parse_json(std::string_view text) { return Parser(text).document(); }

std::string short_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

std::string to_text(const Json& value) {
  std::string out;
  write(out, value);
  return out;
}

void write_line(const Json& value, std::FILE* file) {
  std::string out;
  write(out, value, file);
  out += '\n';
  spill(out, file);
  std::fflush(file);
}

}  // namespace edgecls
