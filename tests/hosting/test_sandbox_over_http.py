"""The sandbox over http needs no credentials; those that callers send all the same keep them apart."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from helpers import structured, text_of
from mcp import Client
from virtual_time import VirtualClock

from hosting.http_server import House, creation, kling
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.settings import Settings

pytestmark = pytest.mark.anyio

PAIR = {"X-Kling-Access-Key": "cleo", "X-Kling-Secret-Key": "secret-key-of-cleo-with-more-than-32-characters"}
GUESSED = {**PAIR, "X-Kling-Secret-Key": "guessed-secret-with-more-than-32-characters"}


@pytest.fixture
async def house(clock: VirtualClock) -> AsyncIterator[House]:
    """A hosted server on its own simulator."""
    runtime = Runtime(Settings(sandbox=True), transport="http", clock=clock)
    app = build_http_app(runtime, "127.0.0.1")
    async with app.router.lifespan_context(app):
        yield House(app, runtime)


async def names(client: Client) -> list[str]:
    return [row["element_name"] for row in structured(await client.call_tool("find_elements", {}))["elements"]]


@pytest.mark.parametrize("headers", [{}, kling("k1"), PAIR, {**kling("k1"), "X-Kling-Region": "china"}], ids=str)
async def test_call_with_and_without_credentials_is_answered(house: House, headers: dict[str, str]) -> None:
    async with house.client(headers=headers) as client:
        found = await client.call_tool("check_setup", {})
    assert structured(found)["ok"], text_of(found)
    assert (structured(found)["credential"], structured(found)["base_url"]) == ("sandbox", "http://sandbox.invalid")


async def test_each_credential_has_a_library_of_its_own(house: House) -> None:
    async with house.client(headers=PAIR) as client:
        structured(await client.call_tool("create_element_and_wait", creation("Mia", wait_seconds=600)))
        assert await names(client) == ["Mia"]
    for headers in ({}, kling("k1"), GUESSED):
        async with house.client(headers=headers) as client:
            assert await names(client) == []
    async with house.client(headers=PAIR) as client:
        assert await names(client) == ["Mia"]
