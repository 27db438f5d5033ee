"""The published schema says the same as the reader, as far as a schema can."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from kling_mcp.production.keys import CAST_KEYS, SHEET_KEYS, SHOT_KEYS, Key
from kling_mcp.production.model import CastEntry, Shot
from kling_mcp.production.schema import SCHEMA_URL, production_schema
from production.studio import Studio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "production.md").read_text("utf-8")
EXAMPLE = re.findall("```yaml\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "write_production_schema.py"))


@pytest.fixture
def validator() -> Draft202012Validator:
    return Draft202012Validator(production_schema())


def test_published_schema_is_current(script: dict[str, Any]) -> None:
    assert (ROOT / "docs" / "production.schema.json").read_text("utf-8") == script["schema_text"]()


def test_tables_of_the_page_are_current(script: dict[str, Any]) -> None:
    assert script["page"](PAGE) == PAGE


def test_schema_is_valid_and_named_in_the_example() -> None:
    Draft202012Validator.check_schema(production_schema())
    assert EXAMPLE.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_URL}"


def test_example_of_the_docs_fits_the_schema(validator: Draft202012Validator) -> None:
    # Read as YAML 1.1, whose sexagesimal numbers the page warns of no one else about.
    validator.validate(yaml.load(EXAMPLE.replace("9:16", "'9:16'"), yaml.SafeLoader))


GOOD: list[dict[str, Any]] = [
    {"cast": {"Mia": "160"}},
    {"version": 1, "shots": {"s01": {"prompt": "A robot", "images": "https://example.com/a.png"}}},
    {"cast": {"A name of more than 20 characters": {"element_id": "160", "tags": ["Character"]}, "Mia": None}},
    {"$schema": "production.schema.json", "shots": {"s01": {"shots": ["3: A robot"], "takes": 20, "duration": 3}}},
]
BAD: list[dict[str, Any]] = [
    {"version": 2, "cast": {"Mia": "160"}},
    {"chast": {}, "cast": {"Mia": "160"}},
    {"cast": {"Mia": 160}},
    {"cast": {"Mia": "mia.png"}},
    {"cast": {"Mia": {"element_id": 160}}},
    {"cast": {"A name of more than 20 characters": {"video": "https://example.com/a.mp4", "description": "x"}}},
    {"cast": {"Mia": {"frontal_image": "https://example.com/a.png", "description": "x"}}},
    {"shots": {"s01": {"prompt": "A robot", "model": "4.0"}}},
    {"shots": {"s01": {"prompt": "A robot", "duration": 16}}},
    {"shots": {"s01": {"prompt": "A robot", "takes": 0}}},
    {"defaults": {"front": "https://example.com/a.png"}, "cast": {"Mia": "160"}},
    {"defaults": {"shots": {"prompt": "A robot"}}, "cast": {"Mia": "160"}},
]


@pytest.mark.parametrize("sheet", GOOD)
def test_sheet_that_is_read_fits_the_schema(
    studio: Studio, validator: Draft202012Validator, sheet: dict[str, Any]
) -> None:
    studio.read(json.dumps(sheet), "a.json")
    validator.validate(sheet)


@pytest.mark.parametrize("sheet", BAD)
def test_schema_refuses_what_the_reader_refuses(
    studio: Studio, validator: Draft202012Validator, sheet: dict[str, Any]
) -> None:
    assert studio.problems(json.dumps(sheet), "a.json")
    assert not validator.is_valid(sheet)


@pytest.mark.parametrize(("keys", "model"), [(CAST_KEYS, CastEntry), (SHOT_KEYS, Shot)])
def test_every_key_has_a_field_of_its_name(keys: tuple[Key, ...], model: type[CastEntry | Shot]) -> None:
    own = {"name", "id", "place"}  # the key of the entry itself, and where it stands
    assert {key.name for key in keys} == {field.name for field in dataclasses.fields(model)} - own


def test_keys_have_a_sentence_each() -> None:
    for key in (*SHEET_KEYS, *CAST_KEYS, *SHOT_KEYS):
        assert key.help.endswith(".")
        assert len(key.help) < 120
