"""As much of JSON schema as meta.json's uses: a device has no package for it."""

import re
from typing import Any, Dict

_KINDS: Dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def mismatch(value: Any, schema: Dict[str, Any], where: str = "") -> str:
    """The first place at which `value` breaks `schema`, in words, or the empty string."""
    here = where or "it"
    kinds = schema.get("type", [])
    allowed = [kinds] if isinstance(kinds, str) else kinds
    if allowed and not any(_is(value, kind) for kind in allowed):
        return "{} is not {}".format(here, " or ".join(allowed))
    if isinstance(value, dict):
        return _wrong_object(value, schema, where)
    if isinstance(value, list):
        return _wrong_array(value, schema, where)
    if isinstance(value, str):
        fits = re.search(schema.get("pattern", ""), value)
        return "" if fits else "{} does not look like {}".format(here, schema["pattern"])
    return _wrong_number(value, schema, here) if _is(value, "number") else ""


def _is(value: Any, kind: str) -> bool:
    # Python's True is an int, JSON's is not.
    return isinstance(value, _KINDS[kind]) and isinstance(value, bool) == (kind == "boolean")


def _wrong_object(value: Dict[str, Any], schema: Dict[str, Any], where: str) -> str:
    here = where or "it"
    for name in schema.get("required", []):
        if name not in value:
            return "{} lacks {!r}".format(here, name)
    for name, inner in value.items():
        rule = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        if rule is False:
            return "{} has an unknown field {!r}".format(here, name)
        found = mismatch(inner, rule, where + "/" + name)
        if found:
            return found
    return ""


def _wrong_array(value: Any, schema: Dict[str, Any], where: str) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if not low <= len(value) <= high:
        return "{} has {} items".format(where or "it", len(value))
    for index, inner in enumerate(value):
        found = mismatch(inner, schema.get("items", {}), "{}/{}".format(where, index))
        if found:
            return found
    return ""


def _wrong_number(value: float, schema: Dict[str, Any], here: str) -> str:
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        return "{} is {}: out of range".format(here, value)
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return "{} is {}: not above {}".format(here, value, schema["exclusiveMinimum"])
    if "const" in schema and value != schema["const"]:
        return "{} is {}, not {}".format(here, value, schema["const"])
    return ""
