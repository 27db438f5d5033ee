"""A model that an operator has added, from the tool list to the file, and money whose amount is not known."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from helpers import OLDEST_HANDSHAKE, Connect, last_line, requests_to, structured, text_of

from kling_mcp.settings.extra_models import ExtraModel
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator.quirks import Quirks
from server.test_generate import NO_ANSWERS, Person, agreeing, assert_nothing_was_sent, made, saved_files

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

UNPRICED = {"extra_models": (ExtraModel("4.0-omni", "omni-video", "kling-4.0-omni", None),)}
PRICED = {"extra_models": (ExtraModel("4.0-omni", "omni-video", "kling-4.0-omni", Decimal("1.5")),)}
BOAT = {"prompt": "A boat", "model": "4.0-omni", "wait_seconds": 600}


@pytest.fixture(autouse=True)
def _newer_kling(world: World) -> None:
    world.quirks = Quirks(models_like={"kling-4.0-omni": "kling-3.0-omni"})


async def video(client: Client, **arguments: Any) -> CallToolResult:
    return await client.call_tool("generate_video", BOAT | arguments)


def spending(mode: Any = "ask", **caps: int) -> dict[str, Any]:
    return {"spending": SpendingSettings(mode=mode, **caps)}


async def models_of(client: Client) -> list[str]:
    (tool,) = (tool for tool in (await client.list_tools()).tools if tool.name == "generate_video")
    return list(tool.input_schema["properties"]["model"]["enum"])


async def test_tool_list_names_added_models(connect: Connect) -> None:
    async with connect() as client:
        assert await models_of(client) == ["3.0-omni", "3.0", "3.0-turbo", "o1"]
    twice = (*UNPRICED["extra_models"], ExtraModel("4.0-omni", "text-to-video", "kling-4.0", None))
    async with connect(extra_models=twice) as client:
        assert await models_of(client) == ["3.0-omni", "3.0", "3.0-turbo", "o1", "4.0-omni"]


async def test_model_that_was_not_added_is_refused(connect: Connect, world: World) -> None:
    async with connect(**spending("allow")) as client:
        result = await video(client)
        assert_nothing_was_sent(world, result, "bad_input")
        assert "KLING_MCP_EXTRA_MODELS" in text_of(result)
        spelled = await video(client, model=" 3.0-OMNI ", dry_run=True)
        assert "/omni-video/kling-3.0-omni" in structured(spelled)["request"]
        empty = await video(client, model="", dry_run=True)
        assert "/omni-video/kling-3.0-omni" in structured(empty)["request"]


class TestUnknownPrice:
    async def test_person_reads_that_the_price_is_not_known_and_decides(
        self, connect: Connect, world: World, era: str
    ) -> None:
        person = agreeing()
        async with connect(era, person, **UNPRICED) as client:
            result = await video(client)
        assert len(saved_files(result)) == 1
        assert "an unknown number of video units: model 4.0-omni is not in the price list" in person.asked[-1]
        assert "was checked by the rules of 3.0-omni" in person.asked[-1]
        view = structured(result)
        assert (view["units_estimated"], view["units_deducted"]) == ("unknown", "3.0")
        assert [request.path for request in requests_to(world, "omni-video")] == ["/omni-video/kling-4.0-omni"]

    @pytest.mark.parametrize("answer", [None, *NO_ANSWERS])
    async def test_client_that_cannot_ask_never_pays(self, connect: Connect, world: World, answer: str | None) -> None:
        person = Person(NO_ANSWERS[answer], 0.0) if answer else None
        async with connect(OLDEST_HANDSHAKE, person, **UNPRICED) as client:
            result = await video(client)
        assert_nothing_was_sent(world, result, "needs_confirmation")
        assert "give its price in KLING_MCP_EXTRA_MODELS" in text_of(result)

    @pytest.mark.parametrize("most", [1, 1000])
    async def test_max_units_cannot_hold_for_it(self, connect: Connect, world: World, most: int) -> None:
        person = agreeing()
        async with connect("auto", person, **UNPRICED) as client:
            result = await video(client, max_units=most)
        assert_nothing_was_sent(world, result, "over_budget")
        assert person.asked == []

    @pytest.mark.parametrize("cap", ["units_per_call", "units_per_day"])
    @pytest.mark.parametrize("mode", ["ask", "allow"])
    async def test_caps_of_the_operator_do_not_allow_it(
        self, connect: Connect, world: World, cap: str, mode: str
    ) -> None:
        person = agreeing()
        async with connect("auto", person, **UNPRICED, **spending(mode, **{cap: 1000})) as client:
            result = await video(client)
        assert_nothing_was_sent(world, result, "over_budget")
        assert "KLING_MCP_EXTRA_MODELS" in text_of(result)
        assert person.asked == []

    async def test_operator_who_sets_no_limit_and_asks_no_person_allows_it(
        self, connect: Connect, world: World
    ) -> None:
        async with connect(**UNPRICED, **spending("allow")) as client:
            assert len(saved_files(await video(client))) == 1
        assert made(world) == 1

    async def test_dry_run_says_that_the_price_is_unknown(self, connect: Connect, world: World) -> None:
        async with connect(**UNPRICED) as client:
            result = await video(client, dry_run=True)
        assert structured(result)["units_estimated"] == "unknown"
        assert "Price: an unknown number of video units" in text_of(result)
        assert made(world) == 0

    async def test_units_that_kling_deducted_count_for_later_caps(self, connect: Connect, world: World) -> None:
        async with connect(**UNPRICED, **spending("allow")) as client:
            await video(client)
        async with connect(**UNPRICED, **spending("allow", units_per_day=5)) as client:
            result = await video(client, model="3.0-omni")
        assert last_line(result)["kind"] == "over_budget"
        assert "3 are spent" in text_of(result)
        assert made(world) == 1


class TestOperatorsPrice:
    async def test_client_that_cannot_ask_repeats_with_max_units(self, connect: Connect, world: World) -> None:
        async with connect(**PRICED) as client:
            told = await video(client)
            assert_nothing_was_sent(world, told, "needs_confirmation")
            assert "max_units=8" in text_of(told)
            result = await video(client, max_units=8)
        assert structured(result)["units_estimated"] == "7.5"
        assert made(world) == 1

    async def test_caps_count_it(self, connect: Connect, world: World) -> None:
        async with connect(**PRICED, **spending("allow", units_per_call=7)) as client:
            assert_nothing_was_sent(world, await video(client), "over_budget")
        async with connect(**PRICED, **spending("allow", units_per_call=8)) as client:
            assert len(saved_files(await video(client))) == 1
