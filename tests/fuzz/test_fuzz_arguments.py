"""Whatever arguments a tool is called with, the caller gets a result or one of the contract's errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import fuzzing

from fuzz.guards import run
from fuzz.served import served
from fuzz.values import anything, arguments_for, texts
from kling_mcp.server.schemas import plain_schema
from kling_mcp.server.tools import NAMES, load

SCHEMAS = {spec.name: plain_schema(spec.arguments) for spec in map(load, NAMES)}


def rows_asked(arguments: dict[str, Any]) -> int:
    """How many rows the caller wants at most."""
    value = arguments.get("page_size", 0)
    text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    return min(500, int(float(text))) if text.replace(".", "", 1).isdecimal() and len(text) < 16 else 0


@pytest.mark.parametrize("tool", list(SCHEMAS))
@fuzzing(4)
@given(data=st.data())
def test_arguments_after_the_schema_get_an_answer_of_the_contract(tool: str, data: st.DataObject) -> None:
    calls = data.draw(st.lists(arguments_for(SCHEMAS[tool]), min_size=1, max_size=3))

    async def story() -> None:
        async with served() as server:
            for arguments in calls:
                await server.call(tool, arguments, rows_asked=rows_asked(arguments))

    run(story)


@fuzzing(10)
@given(tool=st.sampled_from(list(SCHEMAS)), arguments=st.dictionaries(texts, anything, max_size=5))
def test_arguments_of_any_names_and_kinds_get_an_answer_of_the_contract(tool: str, arguments: dict[str, Any]) -> None:
    async def story() -> None:
        async with served() as server:
            await server.call(tool, arguments)

    run(story)


@pytest.mark.parametrize("tool", list(SCHEMAS))
def test_thousands_of_anything_get_a_short_answer(tool: str) -> None:
    many = [f"name {number}" for number in range(2_000)]

    async def story() -> None:
        async with served() as server:
            await server.call(tool, dict.fromkeys(many, 1))
            for value in (many, json.dumps(many), "x" * 300_000):
                await server.call(tool, dict.fromkeys(SCHEMAS[tool]["properties"], value))

    run(story)
