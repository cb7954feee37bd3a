#include "schema.h"

#include <regex>

namespace edgecls {
namespace {

using Kind = Json::Kind;

bool is_kind(const Json& value, const std::string& kind) {
  if (kind == "number") return value.is_number();
  const std::pair<const char*, Kind> kinds[] = {
      {"object", Kind::object},   {"array", Kind::array},     {"string", Kind::string},
      {"integer", Kind::integer}, {"boolean", Kind::boolean}, {"null", Kind::null}};
  for (const auto& [name, each] : kinds) {
    if (kind == name) return value.is(each);
  }
  return false;
}

std::string wrong_kind(const Json& value, const Json* rule, const std::string& here) {
  if (rule == nullptr) return "";
  const std::vector<Json> allowed = rule->is(Kind::array) ? rule->items : std::vector<Json>{*rule};
  std::string names;
  for (const Json& kind : allowed) {
    if (is_kind(value, kind.text)) return "";
    names += (names.empty() ? "" : " or ") + kind.text;
  }
  return here + " is not " + names;
}

std::string wrong_object(const Json& value, const Json& schema, const std::string& where) {
  const std::string here = where.empty() ? "it" : where;
  if (const Json* required = schema.find("required")) {
    for (const Json& name : required->items) {
      if (!value.find(name.text)) return here + " lacks '" + name.text + "'";
    }
  }
  const Json* properties = schema.find("properties");
  for (const auto& [name, inner] : value.members) {
    const Json* rule = properties ? properties->find(name) : nullptr;
    if (!rule) rule = schema.find("additionalProperties");
    if (!rule) continue;
    if (rule->is(Kind::boolean) && !rule->truth) {
      return here + " has an unknown field '" + name + "'";
    }
    const std::string found = mismatch(inner, *rule, where + "/" + name);
    if (!found.empty()) return found;
  }
  return "";
}

std::string wrong_array(const Json& value, const Json& schema, const std::string& where) {
  const auto count = static_cast<double>(value.items.size());
  const Json *low = schema.find("minItems"), *high = schema.find("maxItems");
  if ((low && count < low->number) || (high && count > high->number)) {
    return (where.empty() ? "it" : where) + " has " + std::to_string(value.items.size()) + " items";
  }
  const Json* rule = schema.find("items");
  for (std::size_t index = 0; rule && index < value.items.size(); ++index) {
    const std::string place = where + "/" + std::to_string(index);
    const std::string found = mismatch(value.items[index], *rule, place);
    if (!found.empty()) return found;
  }
  return "";
}

std::string wrong_number(const Json& value, const Json& schema, const std::string& here) {
  const Json *low = schema.find("minimum"), *high = schema.find("maximum");
  const std::string said = here + " is " + to_text(value);
  if ((low && value.number < low->number) || (high && value.number > high->number)) {
    return said + ": out of range";
  }
  const Json* above = schema.find("exclusiveMinimum");
  if (above && value.number <= above->number) return said + ": not above " + to_text(*above);
  const Json* constant = schema.find("const");
  if (constant && value.number != constant->number) return said + ", not " + to_text(*constant);
  return "";
}

}  // namespace

std::string mismatch(const Json& value, const Json& schema, const std::string& where) {
  const std::string here = where.empty() ? "it" : where;
  const std::string wrong = wrong_kind(value, schema.find("type"), here);
  if (!wrong.empty()) return wrong;
  if (value.is(Kind::object)) return wrong_object(value, schema, where);
  if (value.is(Kind::array)) return wrong_array(value, schema, where);
  if (value.is_number()) return wrong_number(value, schema, here);
  const Json* pattern = schema.find("pattern");
  if (value.is(Kind::string) && pattern) {
    const bool fits = std::regex_search(value.text, std::regex(pattern->text));
    return fits ? "" : here + " does not look like " + pattern->text;
  }
  return "";
}

}  // namespace edgecls
