"""What one replica creates or deletes, another one finds or refuses: each has an index of its own.

Time stands still, so nothing here is found because an index grew old.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from helpers import API_KEY, VIDEO_CREATION, last_line, requests_to, structured, text_of
from mcp import Client

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.store.postgres.notify import CHANNEL
from postgres.clocks import StandingClock
from postgres.conftest import Database

pytestmark = pytest.mark.anyio

MAX_SECONDS = 20.0  # so that a fault ends the test instead of hanging
MIA = {
    "element_name": "Mia",
    "element_description": "Barista, short red hair",
    "reference_type": "video_refer",
    "video_url": VIDEO_CREATION["element_video_list"]["refer_videos"][0]["video_url"],
}
TARGET = "omni-video/kling-v3-omni"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # what the other replica says arrives in real time


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def world(clock: StandingClock) -> World:
    """Its elements are ready at once, unless a fault says otherwise."""
    return World(clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: 0.0)


class HearingRuntime(Runtime):
    """A replica of which is known since when it hears the others."""

    hears: anyio.Event

    async def listen_for_notifications(self, **_: Any) -> None:
        async with anyio.create_task_group() as group:
            await group.start(super().listen_for_notifications)
            self.hears.set()


@dataclass(frozen=True, slots=True)
class Replica:
    """One server, as a client of it sees it."""

    client: Client
    runtime: Runtime
    clock: StandingClock

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return structured(await self.client.call_tool(tool, arguments))

    async def names(self, **arguments: Any) -> list[str]:
        """What is found without words: nothing is looked for twice then."""
        return [row["element_name"] for row in (await self.call("find_elements", **arguments))["elements"]]

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Why a call failed, or "" if it did not."""
        result = await self.client.call_tool(tool, arguments)
        return text_of(result) if result.is_error else ""


@asynccontextmanager
async def replica(
    url: str, folder: Path, world: World, faults: Faults | None, clock: StandingClock
) -> AsyncIterator[Replica]:
    settings = Settings(
        api_key=API_KEY, base_url="https://kling.invalid", state_url=url, state_dir=folder, thumbnails=False
    )
    runtime = HearingRuntime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    runtime.hears = anyio.Event()
    async with Client(build_server(settings, runtime)) as client:
        with anyio.fail_after(MAX_SECONDS):
            await runtime.hears.wait()
        yield Replica(client, runtime, clock)


@pytest.fixture
async def here(
    database: Database, tmp_path: Path, world: World, faults: Faults, clock: StandingClock
) -> AsyncIterator[Replica]:
    async with replica(database.url, tmp_path / "here", world, faults, clock) as made:
        yield made


@pytest.fixture
async def there(database: Database, tmp_path: Path, world: World) -> AsyncIterator[Replica]:
    async with replica(database.url_to_cut, tmp_path / "there", world, None, StandingClock()) as made:
        yield made


async def soon(question: Callable[[], Awaitable[object]], expected: object) -> None:
    """Ask until the answer is the expected one."""
    answer: object = None
    try:
        with anyio.fail_after(MAX_SECONDS):
            while (answer := await question()) != expected:  # noqa: ASYNC110 - the database tells only the replica
                await anyio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"the last answer was {answer!r}")


async def test_a_creation_at_one_is_found_at_the_other(here: Replica, there: Replica, world: World) -> None:
    assert await there.names() == []
    made = await here.call("create_element", **MIA)
    await soon(there.names, ["Mia"])
    used = await there.call("use_elements", elements=["Mia"], target=TARGET)
    got = await there.call("get_element", id="Mia")
    assert used["element_ids"] == got["element_ids"]
    assert got["task_id"] == made["task_id"]
    # What was heard makes it read once, and not at every question.
    world.requests.clear()
    for _ in range(3):
        assert await there.names() == ["Mia"]
    assert world.requests == []


async def test_the_end_of_a_task_seen_at_one_is_known_at_the_other(
    here: Replica, there: Replica, world: World, faults: Faults, clock: StandingClock
) -> None:
    assert await there.names() == []
    faults.slow_task(60)
    made = await here.call("create_element", **MIA)
    await soon(lambda: there.names(status="pending"), ["Mia"])  # the journal knows the name, fact: empty-while-running
    [task] = world.account_of(API_KEY).element_tasks
    task.started = task.ended = clock.now
    assert await there.names() == []
    await here.call("wait_for_elements", ids=[made["task_id"]], wait_seconds=0)
    await soon(there.names, ["Mia"])


async def test_a_deletion_at_one_is_known_at_the_other(here: Replica, there: Replica, world: World) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    for each in (here, there):
        assert await each.names() == ["Mia"]
    world.requests.clear()
    await here.call("delete_element", element_id=mia.element_id, element_name="Mia")
    await soon(there.names, [])
    asked = [request.route for request in requests_to(world, "list", "query")]
    assert asked == ["query", "query"], "one before the deletion, one at the other replica"
    refused = await there.refusal("use_elements", elements=["Mia"], target=TARGET)
    assert "deleted" in refused
    # The name is free again at both.
    again = await there.call("create_element", **MIA)
    assert again["outcome"] == "submitted"
    await soon(here.names, ["Mia"])


async def test_a_deletion_far_down_a_long_list_is_known_at_the_other(
    here: Replica, there: Replica, world: World
) -> None:
    """Reading the first page would not show it."""
    own = world.account_of(API_KEY)
    mia = world.add_element(own, "Mia", created_at=world.clock() - 3600)
    for number in range(510):
        world.add_element(own, f"Name {number}")
    for each in (here, there):
        await each.names()
    use = {"elements": [mia.element_id], "target": TARGET}
    assert await there.refusal("use_elements", **use) == ""
    await here.call("delete_element", element_id=mia.element_id, element_name="Mia")

    async def is_refused() -> bool:
        return "deleted" in await there.refusal("use_elements", **use)

    await soon(is_refused, expected=True)


async def test_a_deletion_of_unknown_outcome_makes_both_ask_kling(
    here: Replica, there: Replica, world: World, faults: Faults
) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    for each in (here, there):
        assert await each.names() == ["Mia"]
    faults.lose_reply_after_commit(route="delete", times=None)
    faults.refuse_connection(route="list", times=None)
    arguments = {"element_id": mia.element_id, "element_name": "Mia"}
    refused = await here.client.call_tool("delete_element", arguments)
    assert last_line(refused)["kind"] == "unknown_outcome"
    faults.clear()
    await soon(here.names, [])
    await soon(there.names, [])


async def test_notification_is_never_believed(database: Database, here: Replica, there: Replica, world: World) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    assert await there.names() == ["Mia"]
    account = there.runtime.own_account().client.account
    database.say(f"NOTIFY {CHANNEL}, '{'0' * 16} {account} deletion {mia.element_id}'")

    async def has_asked() -> bool:
        assert await there.names() == ["Mia"]
        return bool(requests_to(world, "query"))

    await soon(has_asked, expected=True)
    assert await there.names() == ["Mia"]
    assert len(requests_to(world, "query")) == 1


async def test_change_missed_while_the_listener_was_cut_is_found_later(
    database: Database, here: Replica, there: Replica, world: World
) -> None:
    tom = world.add_element(world.account_of(API_KEY), "Tom")
    for each in (here, there):
        assert await each.names() == ["Tom"]
    there.clock.hold()
    database.cut_listener()
    with anyio.fail_after(MAX_SECONDS):
        while not there.clock.slept:
            await anyio.lowlevel.checkpoint()
    await here.call("create_element", **MIA)
    await here.call("delete_element", element_id=tom.element_id, element_name="Tom")
    await soon(here.names, ["Mia"])
    assert await there.names() == ["Tom"]
    there.clock.release()
    await soon(there.names, ["Mia"])


async def test_a_replica_that_starts_reads_what_it_did_not_hear(
    database: Database, tmp_path: Path, here: Replica, world: World
) -> None:
    """Its index may be a moment old, and others may have said something since."""
    clock = StandingClock()
    async with replica(database.url, tmp_path / "there", world, None, clock) as there:
        assert await there.names() == []
    await here.call("create_element", **MIA)
    async with replica(database.url, tmp_path / "there", world, None, clock) as there:
        assert await there.names() == ["Mia"]


async def test_while_the_database_is_away_questions_are_answered(
    database: Database, here: Replica, there: Replica, world: World
) -> None:
    """The index lies in the replica's own folder. Afterwards both hear each other again."""
    tom = world.add_element(world.account_of(API_KEY), "Tom")
    for each in (here, there):
        assert await each.names() == ["Tom"]
    for each in (here, there):
        each.clock.hold()  # else both would try again without a rest
    database.server.stop()
    try:
        assert await there.names() == ["Tom"]
        world.add_element(world.account_of(API_KEY), "Zoe")
        there.clock.now += 60
        assert sorted(await there.names()) == ["Tom", "Zoe"]
    finally:
        database.server.start()
    for each in (here, there):
        each.clock.release()
    await here.call("create_element", **MIA)
    await soon(lambda: there.names(query="Mia"), ["Mia"])
    await there.call("delete_element", element_id=tom.element_id, element_name="Tom")
    await soon(lambda: here.names(query="Tom"), [])
