// JSON as RFC 8259 has it, read strictly and written in ASCII.
//
// Text is kept as bytes. A file name that is not UTF-8 travels as Python's os.fsdecode writes it,
// one escape \udc80..\udcff a byte, so that host and device mean the same file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgecls {

struct Json {
  // `integer` is a number written without fraction and exponent; `numbers` an array of nothing else
  // that is only ever written, in a tenth of an array's memory.
  enum class Kind { null, boolean, integer, number, string, array, object, numbers };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : kind(Kind::boolean), truth(value) {}
  Json(int value) : kind(Kind::integer), number(value) {}
  Json(std::int64_t value) : kind(Kind::integer), number(static_cast<double>(value)) {}
  Json(std::size_t value) : kind(Kind::integer), number(static_cast<double>(value)) {}
  Json(double value) : kind(Kind::number), number(value) {}
  Json(std::string value) : kind(Kind::string), text(std::move(value)) {}
  Json(const char* value) : kind(Kind::string), text(value) {}
  Json(std::vector<Json> values) : kind(Kind::array), items(std::move(values)) {}
  static Json of_numbers(std::vector<double> values) {
    Json value = of(Kind::numbers);
    value.numbers = std::move(values);
    return value;
  }
  static Json object() { return of(Kind::object); }
  static Json array() { return of(Kind::array); }

  bool is(Kind other) const { return kind == other; }
  bool is_number() const { return kind == Kind::integer || kind == Kind::number; }
  // The member of an object, the last of that name as in Python; null where there is none.
  const Json* find(std::string_view name) const;
  // Adds a member, and returns the object for another.
  Json& set(std::string name, Json value);

  Kind kind = Kind::null;
  bool truth = false;
  double number = 0.0;
  std::string text;
  std::vector<Json> items;
  std::vector<double> numbers;
  std::vector<std::pair<std::string, Json>> members;

 private:
  static Json of(Kind kind) {
    Json value;
    value.kind = kind;
    return value;
  }
};

// Throws Error with the place of the first fault.
Json parse_json(std::string_view text);

// A number for a person to read, such as 0.001.
std::string short_text(double value);

// One line. A number that is not finite becomes null.
std::string to_text(const Json& value);

// The same into a file, with its end; never all of it in memory at once.
void write_line(const Json& value, std::FILE* file);

}  // namespace edgecls
