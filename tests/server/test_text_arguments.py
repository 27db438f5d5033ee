"""Calls whose arguments come as text: the object that they hold is read, anything else gets a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers import API_KEY, last_line, text_of
from mcp import Client
from mcp_types import CallToolResult, Request, RequestParams
from pydantic import ConfigDict

from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio


class AnyParams(RequestParams):
    """Parameters that the SDK's client would not send."""

    model_config = ConfigDict(extra="allow")


class AnyRequest(Request[AnyParams, str]):
    """A request with them."""

    params: AnyParams


async def call(client: Client, arguments: Any) -> CallToolResult:
    params = AnyParams.model_validate({"name": "find_elements", "arguments": arguments})
    return await client.session.send_request(AnyRequest(method="tools/call", params=params), CallToolResult)


@pytest.mark.parametrize("layers", [1, 2])
async def test_arguments_as_json_text_are_read_as_their_object(client: Client, world: World, layers: int) -> None:
    world.add_element(world.account_of(API_KEY), "Mia")
    world.add_element(world.account_of(API_KEY), "Rex")
    arguments: Any = {"query": "Mia"}
    for _ in range(layers):
        arguments = json.dumps(arguments)
    result = await call(client, arguments)
    assert not result.is_error
    assert [row["element_name"] for row in (result.structured_content or {})["elements"]] == ["Mia"]


@pytest.mark.parametrize("arguments", ["", " ", [], "[]", "{}", {}, None])
async def test_empty_arguments_of_any_kind_mean_none(client: Client, arguments: Any) -> None:
    result = await call(client, arguments)
    assert not result.is_error, text_of(result)
    assert (result.structured_content or {})["total"] == 0


@pytest.mark.parametrize("arguments", ["Mia", 7, True, ["Mia"], '["Mia"]', [{"query": "Mia"}], "[" * 5000])
async def test_arguments_that_hold_no_object_are_refused_in_a_sentence(client: Client, arguments: Any) -> None:
    result = await call(client, arguments)
    assert last_line(result)["kind"] == "bad_input"
    assert "arguments: must be a JSON object; got" in text_of(result)
