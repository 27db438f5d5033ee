"""The JSON Schema of a sheet, for editors and other programs; made from the table that the reader uses.

It says what a sheet may look like. What belongs together (a front picture and others, model and duration) and whether
pictures exist is said by the reader alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_mcp.api.limits import MAX_NAME_CHARACTERS
from kling_mcp.production.check_cast import MATERIAL, MAX_ALIAS_CHARACTERS
from kling_mcp.production.keys import (
    CAST_KEYS,
    DEFAULTS_FOR_SHOTS,
    MAX_CAST,
    MAX_SHOTS_OF_A_SHEET,
    SHEET_KEYS,
    SHOT_KEYS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.production.keys import Key

SCHEMA_URL = "https://raw.githubusercontent.com/kling-mcp/kling-mcp/main/docs/production.schema.json"
_ID = {"type": "string", "pattern": "^[0-9]{1,20}$"}
_PLAIN_TYPES = {"text": "string", "id": "string", "picture": "string", "integer": "integer"}

Schema = dict[str, Any]


def production_schema() -> Schema:
    """The schema, in the dialect 2020-12."""
    help_of = {key.name: key.help for key in SHEET_KEYS}
    version = next(key for key in SHEET_KEYS if key.name == "version")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_URL,
        "title": "Production sheet of kling-mcp",
        "description": "The cast and the shots of an episode; see docs/production.md.",
        "type": "object",
        "properties": {
            "$schema": {"type": "string"},
            "version": {"const": version.most, "description": version.help},
            "defaults": {
                **_map(_shared(CAST_KEYS), help_of["defaults"]),
                "properties": {
                    **_properties(_shared(CAST_KEYS)),
                    DEFAULTS_FOR_SHOTS.name: _map(_shared(SHOT_KEYS), DEFAULTS_FOR_SHOTS.help),
                },
            },
            "cast": _cast(help_of["cast"]),
            "shots": {
                "type": ["object", "null"],
                "description": help_of["shots"],
                "maxProperties": MAX_SHOTS_OF_A_SHEET,
                "propertyNames": {"maxLength": MAX_ALIAS_CHARACTERS, "minLength": 1},
                "additionalProperties": {"anyOf": [_map(SHOT_KEYS, "One video."), _prompt()]},
            },
        },
        "additionalProperties": False,
    }


def _cast(help_text: str) -> Schema:
    """A name with material is Kling's, and short; one of an element that exists may be the sheet's own."""
    one = "An element that is made or, without pictures and video, one that exists."
    existing = [key for key in CAST_KEYS if key.name not in MATERIAL]
    made, adopted = ({**_map(keys, one), "type": ["object", "null"]} for keys in (CAST_KEYS, existing))
    return {
        "type": ["object", "null"],
        "description": help_text,
        "maxProperties": MAX_CAST,
        "propertyNames": {"maxLength": MAX_ALIAS_CHARACTERS, "minLength": 1},
        "patternProperties": {f"^.{{1,{MAX_NAME_CHARACTERS}}}$": {"anyOf": [made, _adopted()]}},
        "additionalProperties": {"anyOf": [adopted, _adopted()]},
    }


def _prompt() -> Schema:
    prompt = next(key for key in SHOT_KEYS if key.name == "prompt")
    return {"type": "string", "maxLength": int(prompt.longest), "description": "The prompt alone."}


def _adopted() -> Schema:
    return {**_ID, "description": "The id, in quotes, of an element that exists already."}


def _shared(keys: Iterable[Key]) -> tuple[Key, ...]:
    return tuple(key for key in keys if key.may_default)


def _map(keys: Iterable[Key], help_text: str) -> Schema:
    return {
        "type": "object",
        "description": help_text,
        "properties": _properties(keys),
        "additionalProperties": False,
    }


def _properties(keys: Iterable[Key]) -> Schema:
    return {key.name: _value(key) for key in keys}


def _value(key: Key) -> Schema:
    if key.form in _PLAIN_TYPES:
        about: Schema = {"type": _PLAIN_TYPES[key.form]}
    else:
        many: Schema = {"type": "array", "items": {"type": "string"}}
        about = {"anyOf": [{**many, **({"maxItems": key.most} if key.most else {})}, {"type": "string"}]}
    if key.form == "integer":
        about |= {"minimum": key.least, "maximum": key.most}
    if key.name == "element_id":
        about = dict(_ID)
    if key.choices:
        about["enum"] = list(key.choices)
    elif key.longest:
        about["maxLength"] = int(key.longest)
    if key.default is not None:
        about["default"] = key.default
    return {"description": key.help.replace("`", ""), **about}
