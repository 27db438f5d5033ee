"""The schemas that clients see: plain, because several widely used clients cannot read references or unions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from pydantic import BaseModel

_NOTHING: tuple[Any, ...] = ("", False)  # empty defaults are not worth showing
_OBVIOUS_MINIMA = (0, 1)
_FAR_AWAY = 1000  # a maximum that only a test of limits reaches
_BANNED = {"$ref", "$defs", "anyOf", "oneOf", "allOf"}


def plain_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model without `$ref`, `anyOf` and the like, and without noise titles.

    A test checks every schema for constructs that some clients cannot read.
    """
    schema = _schema_of(model)
    # The class docstring is for developers; the tool has its own description.
    shown = {key: value for key, value in schema.items() if key not in {"$defs", "description"}}
    plain: dict[str, Any] = _inlined(shown, schema.get("$defs", {}))
    return plain


def input_schema(model: type[BaseModel], *, is_described: bool = True) -> dict[str, Any]:
    """The schema of a tool's arguments as `tools/list` shows it, without what goes without saying.

    It is open (no `additionalProperties`): a client that checks calls by itself must let synonyms pass, which the
    server understands. What it does not understand, it refuses with the nearest name.

    Args:
        is_described: False if another tool, which this one names, describes the same arguments.
    """
    schema = plain_schema(model)
    schema.pop("additionalProperties", None)
    for argument in schema.get("properties", {}).values():
        if argument.get("minimum") in _OBVIOUS_MINIMA:
            del argument["minimum"]
        if argument.get("maximum", 0) >= _FAR_AWAY:
            del argument["maximum"]
        argument.pop("maxLength", None)  # far above what anybody writes
        if not is_described:
            argument.pop("description", None)
    return schema


def output_schema(view: type[View]) -> dict[str, Any]:
    """The fields of a result that a program needs for control flow (`View.SHOWN`), only names and types.

    Every client pays for it in every conversation, and most never give it to their model; of a row it says only that
    it is one. A test ensures that results always have all fields, and no others.
    """
    plain = plain_schema(view)["properties"]
    properties = {name: plain[name] for name in view.SHOWN}
    for name, node in properties.items():
        node.pop("enum", None)  # Kling may add a word, and no program must end for that
        row = next(iter(get_args(view.model_fields[name].annotation)), None)
        if isinstance(row, type) and issubclass(row, View):
            properties[name] = {"type": "array", "items": {"type": "object"}}
    return {"type": "object", "properties": properties}


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """As pydantic writes it, which is slow; a model's schema never changes."""
    return model.model_json_schema()


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = dict(definitions[node["$ref"].removeprefix("#/$defs/")])
        target.pop("description", None)
        return _inlined(target, definitions)
    if banned := _BANNED & node.keys():
        raise TypeError(f"this schema needs {banned}, which clients cannot read; use plainer types")
    plain = {}
    for key, value in node.items():
        if (key == "title" and isinstance(value, str)) or (key == "default" and value in _NOTHING):
            continue
        plain[key] = (
            {name: _inlined(sub, definitions) for name, sub in value.items()}
            if key == "properties"
            else _inlined(value, definitions)
        )
    return plain
