"""Fair use: creations in a minute and in a day, calls, and creations that wait; the answer comes at once."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import Connect, last_line, requests_to, structured, text_of
from mcp import Client
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import House, calling, creation, kling, served
from kling_mcp.api.throttle import MAX_WAITING
from kling_mcp.concurrency.call_limit import CallLimit
from kling_mcp.concurrency.clock import format_duration
from kling_mcp.errors import LimitError
from kling_mcp.runtime import MAX_CALLS_PER_ACCOUNT
from kling_mcp.settings.hosting import CREATES_PER_DAY, CREATES_PER_MINUTE, HostingSettings
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

LIMIT = {"kind": "limit", "created": "no", "retry": "later", "code": "-", "request_id": "-"}
DAY = 86_400.0


async def create(client: Client, name: str, **changes: Any) -> Any:
    """One creation, which Kling would accept."""
    return await client.call_tool("create_element", creation(name, **changes))


def creations_of(world: World, key: str) -> int:
    """How many elements somebody has been given."""
    account = world.keyring.account_name(key)
    return sum(request.committed and request.account == account for request in requests_to(world, "create"))


async def test_creations_within_a_minute(serve: Serve, world: World, clock: VirtualClock) -> None:
    async with (
        serve(hosting=HostingSettings(creates_per_minute=3)) as house,
        house.client(headers=kling("anna")) as client,
    ):
        for number in range(3):
            structured(await create(client, f"Mia {number}"))
            await clock.sleep(10)
        began = clock.monotonic()
        refused = await create(client, "Mia 3")
        assert last_line(refused) == LIMIT
        said = re.search(r"Repeat the same call in (\d+) seconds\.", text_of(refused))
        assert said is not None, text_of(refused)
        assert clock.monotonic() - began < 5, "an answer, not a hang"
        assert "3 elements a minute" in text_of(refused)
        await clock.sleep(int(said[1]))
        structured(await create(client, "Mia 3"))
        assert last_line(await create(client, "Mia 4")) == LIMIT, "only the first place was free again"
    assert creations_of(world, "anna") == 4


async def test_a_day_is_counted_over_restarts(serve: Serve, world: World, clock: VirtualClock) -> None:
    hosting = HostingSettings(creates_per_day=4, creates_per_minute=0)
    for part in range(2):
        async with serve(hosting=hosting) as house, house.client(headers=kling("anna")) as client:
            for number in range(2):
                structured(await create(client, f"Mia {part} {number}"))
                await clock.sleep(3600)
    async with serve(hosting=hosting) as house, house.client(headers=kling("anna")) as client:
        refused = await create(client, "Mia 5")
        assert last_line(refused) == LIMIT
        assert "4 elements a day" in text_of(refused)
        assert "in 20 hours." in text_of(refused)
        await clock.sleep(20 * 3600)
        structured(await create(client, "Mia 5"))
    assert creations_of(world, "anna") == 5


async def test_replicas_with_one_state_count_together(
    world: World, clock: VirtualClock, faults: Faults, tmp_path: Path
) -> None:
    """Also when both want the last place in the same moment."""
    hosting = HostingSettings(creates_per_day=5)

    def replica() -> AbstractAsyncContextManager[House]:
        return served(world, clock, tmp_path, faults=faults, hosting=hosting)

    outcomes: list[bool] = []
    async with replica() as one, replica() as other:

        async def want(house: House, name: str) -> None:
            async with house.client(headers=kling("anna")) as client:
                result = await create(client, name)
                assert not result.is_error or last_line(result) == LIMIT
                outcomes.append(result.is_error)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(want, one, f"One {number}")
                group.start_soon(want, other, f"Other {number}")
    assert (outcomes.count(False), outcomes.count(True)) == (5, 7)
    assert creations_of(world, "anna") == 5


async def test_creation_limits_are_separate_for_each_account(serve: Serve, world: World) -> None:
    async with serve(hosting=HostingSettings(creates_per_minute=1, creates_per_day=1)) as house:
        for who in ("anna", "bert"):
            async with house.client(headers=kling(who)) as client:
                structured(await create(client, "Mia"))
                assert last_line(await create(client, "Noa")) == LIMIT
    assert (creations_of(world, "anna"), creations_of(world, "bert")) == (1, 1)


async def test_repeated_creation_uses_no_quota(serve: Serve) -> None:
    async with (
        serve(hosting=HostingSettings(creates_per_minute=1)) as house,
        house.client(headers=kling("anna")) as client,
    ):
        first = structured(await create(client, "Mia"))
        again = structured(await create(client, "Mia"))
    assert again["task_id"] == first["task_id"]
    assert again["outcome"] == "already_submitted"


async def test_creation_refused_by_kling_uses_no_quota(serve: Serve, faults: Faults) -> None:
    faults.reply_code(1201, times=3, route="create")
    async with (
        serve(hosting=HostingSettings(creates_per_minute=1)) as house,
        house.client(headers=kling("anna")) as client,
    ):
        for _ in range(3):
            assert last_line(await create(client, "Mia"))["kind"] == "bad_input"
        structured(await create(client, "Mia"))
        assert last_line(await create(client, "Noa")) == LIMIT


async def test_lost_reply_is_settled_whatever_the_limit(serve: Serve, faults: Faults, world: World) -> None:
    """It was let through before: counting it twice would leave it unsettled."""
    faults.lose_reply_before_commit(route="create")
    async with (
        serve(hosting=HostingSettings(creates_per_minute=1)) as house,
        house.client(headers=kling("anna")) as client,
    ):
        wish = {**creation("Mia"), "wait_seconds": 120}
        structured(await client.call_tool("create_element_and_wait", wish))
        assert last_line(await create(client, "Noa")) == LIMIT
    assert creations_of(world, "anna") == 1


@pytest.mark.parametrize(
    ("hosting", "over_http", "allowed"),
    [
        (HostingSettings(), True, (CREATES_PER_MINUTE, CREATES_PER_DAY)),
        (HostingSettings(), False, (0, 0)),
        (HostingSettings(creates_per_minute=0), True, (0, CREATES_PER_DAY)),
        (HostingSettings(creates_per_day=7), True, (CREATES_PER_MINUTE, 7)),
        (HostingSettings(creates_per_minute=2, creates_per_day=9), False, (2, 9)),
    ],
)
def test_creations_over_http_are_limited_unless_the_operator_lifts_the_limit(
    hosting: HostingSettings, over_http: bool, allowed: tuple[int, int]
) -> None:
    assert hosting.creations_allowed(over_http=over_http) == allowed


async def test_limits_hold_over_stdio_where_they_are_set(connect: Connect) -> None:
    async with connect(hosting=HostingSettings(creates_per_minute=1)) as client:
        structured(await client.call_tool("create_element", _clip(1)))
        assert last_line(await client.call_tool("create_element", _clip(2))) == LIMIT


def _clip(number: int) -> dict[str, Any]:
    return {
        "element_name": f"Clip {number}",
        "element_description": "made from a clip",
        "reference_type": "video_refer",
        "video_url": f"https://videos.example.com/{number}.mp4",
    }


async def test_queue_of_creations_is_bounded(serve: Serve, world: World) -> None:
    hosting = HostingSettings(creates_per_minute=0, creates_per_day=0)
    async with serve(hosting=hosting, max_creates=1) as house:
        account = house.runtime.account_of_caller(kling("anna"))
        gate = account.element_tasks.submitter.runner.gate
        taken = await gate.enter()  # a creation that takes long
        async with anyio.create_task_group() as group:
            places = [anyio.CancelScope() for _ in range(MAX_WAITING)]
            for place in places:
                group.start_soon(_stand_in_line, gate, place)
            await anyio.sleep(1)
            assert gate.waiting == MAX_WAITING
            began = house.runtime.clock.monotonic()
            refused = await house.post(calling("create_element", **_clip(1)), kling("anna"))
            assert house.runtime.clock.monotonic() - began < 5
            for place in places:
                place.cancel()
        gate.leave(taken)
    assert "kind=limit created=no retry=later" in refused.text
    assert f"already has {MAX_WAITING} creations in the queue" in refused.text
    assert "in a minute" in refused.text
    assert creations_of(world, "anna") == 0


async def _stand_in_line(gate: Any, place: anyio.CancelScope) -> None:
    with place:
        await gate.enter()


async def test_calls_of_one_account_are_bounded_and_others_go_on(serve: Serve, faults: Faults) -> None:
    texts: list[str] = []
    async with serve() as house:
        await house.post(calling("list_elements"), kling("anna"))
        faults.delay(20, times=MAX_CALLS_PER_ACCOUNT, route="list")

        async def look() -> None:
            texts.append((await house.post(calling("list_elements"), kling("anna"))).text)

        async with anyio.create_task_group() as group:
            for _ in range(MAX_CALLS_PER_ACCOUNT):
                group.start_soon(look)
            await anyio.sleep(1)
            began = house.runtime.clock.monotonic()
            over = await house.post(calling("list_elements"), kling("anna"))
            assert house.runtime.clock.monotonic() == began
            assert "kind=limit created=no retry=later" in over.text
            assert f"{MAX_CALLS_PER_ACCOUNT} calls running" in over.text
            assert "kind=limit" not in (await house.post(calling("list_elements"), kling("bert"))).text
        assert not any("kind=limit" in text for text in texts)
        assert "kind=limit" not in (await house.post(calling("list_elements"), kling("anna"))).text


def test_place_of_a_call_is_given_back_whatever_becomes_of_it() -> None:
    limit = CallLimit(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limit.acquire():
            raise ZeroDivisionError
    with limit.acquire(), pytest.raises(LimitError), limit.acquire():
        pass


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (0.2, "1 second"),
        (59.1, "60 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (3601, "61 minutes"),
        (7140.5, "2 hours"),
        (DAY, "24 hours"),
    ],
)
def test_times_are_rounded_up_in_the_unit_that_reads_best(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
