#include "request.h"

#include <cmath>

#include "error.h"

namespace edgecls {
namespace {

using Kind = Json::Kind;

const Json* value_of(const Json& request, const char* name) {
  const Json* value = request.find(name);
  return value && !value->is(Kind::null) ? value : nullptr;
}

// 'name' is 'value', as in the answers of infer.py.
std::string told(const char* name, const Json& value) {
  const std::string said = value.is(Kind::string) ? "'" + value.text + "'" : to_text(value);
  return "'" + std::string(name) + "' is " + said.substr(0, 200);
}

}  // namespace

Json parse_request(const std::string& line) {
  Json request;
  try {
    request = parse_json(line);
  } catch (const Error&) {
    throw Error("not a line of JSON: '" + line.substr(0, 200) + "'");
  }
  if (!request.is(Kind::object) || !request.find("do")) {
    throw Error("not a request: '" + line.substr(0, 200) + "' has no 'do'");
  }
  return request;
}

const std::string& text(const Json& request, const char* name) {
  const Json* value = request.find(name);
  if (!value || !value->is(Kind::string)) {
    throw Error(std::string("the request needs a text '") + name + "'");
  }
  return value->text;
}

std::vector<std::string> texts(const Json& request, const char* name) {
  const Json* value = request.find(name);
  std::vector<std::string> result;
  if (!value || !value->is(Kind::array)) {
    throw Error(std::string("the request needs a list '") + name + "'");
  }
  for (const Json& item : value->items) {
    if (!item.is(Kind::string)) throw Error(std::string("'") + name + "' holds what is no text");
    result.push_back(item.text);
  }
  return result;
}

std::string choice(const Json& request, const char* name, const std::vector<std::string>& valid) {
  const Json* value = value_of(request, name);
  if (!value) return valid.front();
  std::string names;
  for (const std::string& each : valid) {
    if (value->is(Kind::string) && value->text == each) return each;
    names += (names.empty() ? "" : ", ") + each;
  }
  const std::string said = value->is(Kind::string) ? "'" + value->text + "'" : to_text(*value);
  throw Error("unknown " + std::string(name) + ": " + said.substr(0, 200), "valid: " + names);
}

double number(const Json& request, const char* name, double otherwise, double least, double most) {
  const Json* value = value_of(request, name);
  const double found = value && value->is_number() ? value->number : otherwise;
  if ((!value || value->is_number()) && found >= least && found <= most) return found;
  throw Error(
      told(name, value ? *value : Json(otherwise)) + ", which is no number that can be used",
      "give a number from " + short_text(least) + " on");
}

long whole(const Json& request, const char* name, long otherwise, long least, long most) {
  const Json* value = value_of(request, name);
  if (!value) return otherwise;
  const bool fits = value->is(Kind::integer) && value->number >= static_cast<double>(least) &&
                    value->number <= static_cast<double>(most);
  if (fits) return static_cast<long>(value->number);
  throw Error(told(name, *value),
              "give a number from " + std::to_string(least) + " to " + std::to_string(most));
}

bool truth(const Json& request, const char* name) {
  const Json* value = value_of(request, name);
  if (value && !value->is(Kind::boolean)) throw Error(told(name, *value), "give true or false");
  return value && value->truth;
}

}  // namespace edgecls
