"""What clients are shown of every tool: plain schemas, truthful annotations, results that keep their promise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest
from helpers import EVERY_ERA, Connect, in_text, structured, text_of
from mcp import Client
from mcp_types import Tool

from kling_mcp.sanitize import clean
from kling_mcp.server.tools import NAMES, WIRE, load, read_wire
from kling_mcp.server.views.view import View
from kling_mcp.simulator import Quirks, World
from server.samples import arguments_for, furnish

pytestmark = pytest.mark.anyio

FORBIDDEN = {"$ref", "$defs", "definitions", "anyOf", "oneOf", "allOf", "not", "if", "patternProperties"}

# The contract's columns: what a tool reads, makes or destroys.
MAKES = {"create_element", "create_element_and_wait", "apply_cast"}
PAYS = {"generate_video", "generate_image", "create_voice", "apply_production"}
DESTROYS = {"delete_element", "delete_voice"}
LARGEST = {**dict.fromkeys(MAKES, 2_050), "generate_video": 2_400, "generate_image": 1_900}
CORE = MAKES | DESTROYS | {"wait_for_tasks", "get_element", "list_elements", "list_preset_elements"}


SEEN: dict[str, Tool] = {}


@pytest.fixture(params=NAMES)
async def tool(request: pytest.FixtureRequest, connect: Connect) -> Tool:
    """Each tool as a client sees it, which lists them once for all these tests."""
    if not SEEN:
        async with connect() as client:
            SEEN.update({tool.name: tool for tool in (await client.list_tools()).tools})
    return SEEN[str(request.param)]


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself included; names of properties are no schemas."""
    if isinstance(schema, list):
        for item in schema:
            yield from nodes(item)
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        for inner in value.values() if key == "properties" else [value]:
            yield from nodes(inner)


async def test_a_schema_is_plain(tool: Tool) -> None:
    """Several widely used clients cannot read references, unions or lists of types."""
    for schema in (tool.input_schema, tool.output_schema):
        for node in nodes(schema):
            assert not FORBIDDEN & node.keys(), node
            assert not isinstance(node.get("type"), list), node
        jsonschema.Draft202012Validator.check_schema(schema or {})


async def test_an_input_is_flat_and_lets_synonyms_pass(tool: Tool) -> None:
    """Strings, integers, booleans, and lists of strings. A client that checks by the schema keeps no synonym back."""
    assert tool.input_schema["type"] == "object"
    assert "additionalProperties" not in tool.input_schema
    for argument in tool.input_schema.get("properties", {}).values():
        assert argument["type"] in {"string", "integer", "boolean", "array"}
        if argument["type"] == "array":
            assert argument["items"] == {"type": "string"}


def is_id(name: str) -> bool:
    """Whether a field holds an id, or several."""
    return re.fullmatch(r"(.*_)?ids?", name) is not None


async def test_every_id_is_a_string(tool: Tool) -> None:
    """fact: id-as-string"""
    for schema in (tool.input_schema, tool.output_schema or {}):
        for node in nodes(schema):
            for name, inner in node.get("properties", {}).items():
                if is_id(name):
                    assert (inner["items"] if inner["type"] == "array" else inner)["type"] == "string", name
    for view in rows_in(load(tool.name).view):
        assert all(field.annotation in {str, list[str]} for name, field in view.model_fields.items() if is_id(name))


async def test_an_output_costs_no_more_than_names_and_types(tool: Tool) -> None:
    for node in nodes(tool.output_schema):
        assert node.keys() <= {"type", "properties", "items", "enum"}


def rows_in(view: type[View]) -> Iterator[type[View]]:
    """A view and the views of its rows."""
    yield view
    for field in view.model_fields.values():
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, View):
                yield from rows_in(inner)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_always_has_all_its_fields_and_no_others(name: str) -> None:
    """The list names only those that a program steers by; the others are there all the same."""
    for view in rows_in(load(name).view):
        assert view.model_config["extra"] == "forbid"
        assert all(field.is_required() for field in view.model_fields.values())
        assert set(view.SHOWN) <= set(view.model_fields)


async def test_a_tool_says_what_it_is(tool: Tool) -> None:
    assert tool.title
    assert tool.description
    assert tool.description == " ".join(tool.description.split())
    assert 40 < len(tool.description) < 500
    assert tool.output_schema


async def test_annotations_match_the_effect_of_the_tool(tool: Tool) -> None:
    hints = tool.annotations
    assert hints is not None
    changes = tool.name in MAKES | PAYS | DESTROYS
    assert hints.read_only_hint is not changes
    assert hints.destructive_hint is (tool.name in DESTROYS)
    # A repeated creation finds the first task, a repeated deletion finds it done; of a read it goes without saying.
    assert hints.idempotent_hint is (True if changes else None)
    assert hints.open_world_hint is not None


async def test_descriptions_of_ids_do_not_invite_a_new_id_per_retry(tool: Tool) -> None:
    """Models that read "unique" invent another external_task_id when they try again."""
    shown = json.dumps(tool.input_schema) + str(tool.description)
    assert "unique" not in shown.lower()


def bytes_of(tools: list[Tool]) -> int:
    """What a list costs on the wire."""
    shown = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return len(json.dumps({"tools": shown}, ensure_ascii=False, separators=(",", ":")).encode())


async def test_the_list_of_tools_stays_within_its_budget(connect: Connect) -> None:
    """Every conversation pays for it; test_context.py counts tokens. This setting adds most."""
    async with connect(confirm_deletions=True) as client:
        tools = (await client.list_tools()).tools
    assert bytes_of(tools) <= 18_000
    assert bytes_of([tool for tool in tools if tool.name in CORE]) <= 8_000
    assert all(bytes_of([tool]) <= LARGEST.get(tool.name, 1_600) for tool in tools)


async def test_the_default_wait_shown_is_the_one_in_force(connect: Connect) -> None:
    async with connect(wait_seconds=7) as client:
        shown = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert shown["create_element_and_wait"]["properties"]["wait_seconds"]["default"] == 7


async def test_the_list_is_the_same_in_every_era(connect: Connect) -> None:
    listed = []
    for era in EVERY_ERA:
        async with connect(era) as client:
            listed.append([tool.model_dump() for tool in (await client.list_tools()).tools])
    assert listed[0] == listed[1] == listed[2]
    assert [tool["name"] for tool in listed[0]] == [*NAMES]


async def test_a_tool_looks_as_in_its_file(tool: Tool) -> None:
    """What clients see is read from the file, so nothing else can be seen."""
    assert tool.model_dump(mode="json", by_alias=True, exclude_none=True) == read_wire(tool.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_the_tool_is(name: str) -> None:
    """A change that clients can see is made on purpose: `python tools/write_wire.py` writes it down."""
    spec = load(name)
    assert spec.name == name
    assert read_wire(name) == spec.on_wire()


def test_wire_folder_has_a_file_for_each_tool_alone() -> None:
    """A tool that was renamed leaves an alias, not a file."""
    assert {path.stem for path in WIRE.iterdir()} == set(NAMES)


def scalars(value: Any) -> Iterator[str]:
    """Every value inside structured content that says something, as text would write it."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from scalars(inner)
    elif isinstance(value, bool):
        yield str(value).lower()
    elif value not in ("", None):
        yield str(value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("digits", [15, 18])
async def test_a_result_keeps_its_promise(
    client: Client, world: World, creation: dict[str, Any], name: str, digits: Any
) -> None:
    """Structured content fits the schema, and the text holds every fact of it, of a list the short form of its rows.

    fact: id-as-string
    """
    world.quirks = Quirks(element_id_digits=digits)
    ids = furnish(world)
    if name == "apply_production":
        planned = await client.call_tool("plan_production", arguments_for("plan_production", ids, creation))
        ids["plan_id"] = structured(planned)["plan_id"]
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}

    result = await client.call_tool(name, arguments_for(name, ids, creation))

    content = structured(result)
    jsonschema.validate(content, schemas[name] or {})
    assert content.keys() == load(name).view.model_fields.keys()
    text = text_of(result)
    plain = text.replace("”", '"')
    facts = scalars(in_text(name, content))
    missing = [fact for fact in facts if fact not in text and fact.replace("”", '"') not in plain]
    assert missing == []
    assert text == "\n".join(line.rstrip() for line in text.splitlines())
    assert all(clean(line, 10_000) == " ".join(line.split()) for line in text.splitlines())
