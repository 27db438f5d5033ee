"""`check_balance`: packs, what was spent, and the estimates beside it, in few requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, Connect, last_line, requests_to, structured, text_of

from kling_mcp.api.billing import PAGE_SIZE
from kling_mcp.billing.balance import MAX_PAGES
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import Pack
from kling_mcp.simulator.generation.order import Order

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult
    from virtual_time import VirtualClock

    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

ROUTES = ("costs", "ledger", "cash-ledger")
ALLOW = {"spending": SpendingSettings(mode="allow")}
CLIP = {"prompt": "A boat", "wait_seconds": 600}
NARRATOR = {"voice_name": "Narrator", "voice_url": "https://example.com/narrator.mp3"}


@pytest.fixture(autouse=True)
def _quick(world: World) -> None:
    world.durations = lambda _kind, _rng: 20.0


async def balance(client: Client, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool("check_balance", arguments))


def spend(world: World, count: int) -> None:
    """Clips of another program, finished."""
    account = world.account_of(API_KEY)
    order = Order(product="video", function="Omni Video", model="kling-3.0-omni", family="omni", resolution="720p")
    for _ in range(count):
        world.create_generation(account, order, "omni-video", seconds=0)


async def test_packs_and_spending_stand_beside_the_estimates(connect: Connect, world: World, era: str) -> None:
    """Facts: costs-pack, ledger-row-fields, ledger-lists-elements."""
    world.packs = [Pack("video", 100), Pack("image", 50, days=30)]
    async with connect(era, **ALLOW) as client:
        structured(await client.call_tool("generate_video", CLIP))
        structured(await client.call_tool("generate_image", {"prompt": "A boat", "wait_seconds": 600}))
        structured(await client.call_tool("create_voice", NARRATOR))
        result = await client.call_tool("check_balance", {})
    view, text = structured(result), text_of(result)
    assert view["units_left"] == {"video": "96.95", "image": "42"}
    assert (view["pays_with"], view["complete"], view["days"]) == ("packs", True, 1)
    assert [row["product_type"] for row in view["packs"]] == ["image", "video"]  # what ends first
    rows = {row["model_name"]: row for row in view["spent"]}
    assert {name: row["units_deducted"] for name, row in rows.items()} == {
        "kling-v3-omni": "8",
        "kling-3.0-omni": "3",
        "Voice Clone": "0.05",
    }
    assert all(row["units_estimated"] == row["units_deducted"] and row["made_here"] for row in rows.values())
    assert "units_left: image 42, video 96.95" in text
    assert "differs" not in text
    assert "may be up to 12 hours old" in text


async def test_difference_between_estimate_and_bill_is_shown(connect: Connect, world: World) -> None:
    async with connect(**ALLOW) as client:
        structured(await client.call_tool("generate_video", CLIP))
        (task,) = world.generations.values()
        task.units *= 2  # a price that the table does not know
        result = await client.call_tool("check_balance", {})
    (row,) = structured(result)["spent"]
    assert (row["units_deducted"], row["units_estimated"]) == ("6", "3")
    assert "units_deducted=6; made_here=true; units_estimated=3; differs=true" in text_of(result)


async def test_tasks_of_others_have_no_estimate(connect: Connect, world: World) -> None:
    spend(world, 2)
    async with connect() as client:
        (row,) = (await balance(client))["spent"]
    assert (row["tasks"], row["made_here"], row["units_estimated"]) == (2, False, "")


async def test_days_say_how_far_back_the_tasks_go(connect: Connect, world: World, clock: VirtualClock) -> None:
    spend(world, 1)
    await clock.sleep(30 * 3600)
    spend(world, 2)
    async with connect() as client:
        assert sum(row["tasks"] for row in (await balance(client))["spent"]) == 2
        assert sum(row["tasks"] for row in (await balance(client, days=2))["spent"]) == 3
        assert last_line(await client.call_tool("check_balance", {"days": 31}))["kind"] == "bad_input"


async def test_kling_is_asked_once_a_second_and_answers_are_kept_for_a_minute(
    connect: Connect, world: World, clock: VirtualClock, era: str
) -> None:
    """Fact: costs."""
    async with connect(era) as client:
        first = await balance(client)
        again = await client.call_tool("check_balance", {})
        assert len(requests_to(world, *ROUTES)) == 3
        await clock.sleep(30)
        later = await balance(client)
        assert later["read_at"] == first["read_at"]
        assert any(note.startswith("Read 3") for note in later["notes"])
        await clock.sleep(40)
        assert (await balance(client))["read_at"] != first["read_at"]
        await balance(client, days=7)
    assert "Kling is asked again after 60 s." in text_of(again)
    asked = [request.time for request in requests_to(world, *ROUTES)]
    assert len(asked) == 9
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(asked))


async def test_long_ledger_is_read_in_pages_up_to_a_limit(connect: Connect, world: World) -> None:
    """Fact: ledger-package."""
    spend(world, PAGE_SIZE + 1)
    async with connect() as client:
        view = await balance(client)
        assert (view["complete"], view["spent"][0]["tasks"]) == (True, PAGE_SIZE + 1)
        spend(world, PAGE_SIZE * MAX_PAGES)
        cut = await balance(client, days=2)
    assert cut["complete"] is False
    assert any("Only the newest 5000 deductions were read" in note for note in cut["notes"])


async def test_cash_account_is_named_as_one(connect: Connect, world: World, era: str) -> None:
    """Facts: ledger-package, ledger-cash-fields."""
    world.packs, world.cash = [], 5
    async with connect(era, **ALLOW) as client:
        structured(await client.call_tool("generate_video", CLIP))
        result = await client.call_tool("check_balance", {})
    view = structured(result)
    (row,) = view["spent"]
    assert (view["pays_with"], view["units_left"], view["complete"]) == ("cash", {}, True)
    assert (row["cash"], row["units_deducted"], row["units_estimated"]) == ("0.42 USD", "", "3")
    assert "This is a cash account" in text_of(result)


async def test_account_without_packs_and_payments_learns_what_to_do(connect: Connect, world: World) -> None:
    world.packs = []
    async with connect() as client:
        view = await balance(client)
    assert (view["packs"], view["pays_with"]) == ([], "")
    assert any("buy a pack" in note for note in view["notes"])


async def test_key_pair_sees_packs_and_no_ledger(connect: Connect, world: World) -> None:
    """Fact: auth-pair-legacy-only. Asking anyway would look like a wrong key."""
    async with connect(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as client:
        view = await balance(client)
    assert (len(view["packs"]), view["spent"], view["complete"]) == (2, [], False)
    assert any("needs an API key" in note for note in view["notes"])
    assert requests_to(world, "ledger", "cash-ledger") == []


@pytest.mark.parametrize(("route", "complete"), [("ledger", False), ("cash-ledger", True)])
async def test_ledger_that_cannot_be_read_leaves_the_packs(
    connect: Connect, faults: Faults, route: str, complete: bool
) -> None:
    """An account that pays with packs may have no ledger of money."""
    faults.malformed("html", route=route, times=None)
    async with connect() as client:
        view = await balance(client)
    assert (len(view["packs"]), view["complete"]) == (2, complete)
    assert any("could not be read" in note for note in view["notes"]) is not complete


async def test_packs_that_cannot_be_read_are_an_error(connect: Connect, faults: Faults) -> None:
    faults.malformed("html", route="costs", times=None)
    async with connect() as client:
        result: CallToolResult = await client.call_tool("check_balance", {})
        assert last_line(result)["created"] == "no"
        faults.clear()
        assert len((await balance(client))["packs"]) == 2  # an error is not kept


async def test_read_only_server_shows_the_balance(connect: Connect) -> None:
    async with connect(read_only=True) as client:
        assert (await balance(client))["complete"] is True
