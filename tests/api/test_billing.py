"""The account's routes: both codes of the packs, odd rows, and one request a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from helpers import API_KEY

from kling_mcp.api.auth import ApiKey
from kling_mcp.api.billing import CASH_LEDGER, PACKAGE_LEDGER, BillingApi
from kling_mcp.api.client import KlingClient
from kling_mcp.api.sender import Sender
from kling_mcp.errors import UnexpectedReplyError
from kling_mcp.simulator import Pack, Quirks

if TYPE_CHECKING:
    from virtual_time import VirtualClock

    from kling_mcp.account import Account
    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

SINCE, UNTIL = 1_700_000_000_000, 1_900_000_000_000


@pytest.fixture
def billing(account: Account, clock: VirtualClock) -> BillingApi:
    return BillingApi(account.client, clock)


async def test_packs_are_read_with_quantities_as_text(billing: BillingApi, world: World) -> None:
    """Fact: costs-pack."""
    world.packs = [Pack("video", 100)]
    (pack,) = await billing.packs(SINCE, UNTIL)
    assert (pack.remaining_quantity, pack.total_quantity, pack.status) == ("100", "100", "online")


async def test_inner_code_of_the_packs_decides(billing: BillingApi, world: World) -> None:
    """Fact: costs-double-envelope."""
    world.quirks = Quirks(costs_code=500)
    with pytest.raises(UnexpectedReplyError) as caught:
        await billing.packs(SINCE, UNTIL)
    assert 'did not tell the packs of this account: 500 "the packs cannot be told"' in caught.value.message
    world.quirks = Quirks(costs_code=200)  # fact: envelope-code-200
    assert await billing.packs(SINCE, UNTIL) == []


@pytest.mark.parametrize("code", [[], [0], {"code": 0}, "ok", None])
async def test_inner_code_that_is_no_number_is_no_success(code: object, clock: VirtualClock) -> None:
    """Fact: costs-double-envelope. A list or an object as code was a defect, found by fuzzing."""
    body = {"code": 0, "data": {"code": code, "resource_pack_subscribe_infos": []}}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    sender = Sender("https://kling.invalid", clock, make_transport=lambda: answer)
    with pytest.raises(UnexpectedReplyError):
        await BillingApi(KlingClient(sender, ApiKey(API_KEY), clock), clock).packs(SINCE, UNTIL)
    await sender.aclose()


async def test_concurrent_requests_to_the_account_take_turns(billing: BillingApi, world: World) -> None:
    """Fact: costs."""
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(billing.packs, SINCE, UNTIL)
        group.start_soon(billing.deductions, PACKAGE_LEDGER, SINCE, UNTIL)
        group.start_soon(billing.deductions, CASH_LEDGER, SINCE, UNTIL)
    times = [record.time for record in world.requests]
    assert len(times) == 5
    assert times[-1] - times[0] >= 4
    assert {record.code for record in world.requests} == {0}


async def test_row_of_an_element_and_of_a_voice_name_what_was_made(billing: BillingApi, world: World) -> None:
    """Fact: ledger-lists-elements."""
    account = world.account_of(API_KEY)
    account.accept(world.add_element(account, "Mia"))
    account.accept(world.add_voice(account, "Narrator"))
    rows, cursor = await billing.deductions(PACKAGE_LEDGER, SINCE, UNTIL)
    assert {(row.product_function, row.model_name) for row in rows} == {("Element", ""), ("Voice Clone", "")}
    assert cursor == ""
