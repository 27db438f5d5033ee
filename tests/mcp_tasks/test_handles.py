"""The handles on the disk, apart from any call."""

from __future__ import annotations

import pytest
from virtual_time import VirtualClock

from kling_mcp.server.mcp_tasks.handles import KEEP_SECONDS, MAX_PER_ACCOUNT, HandleStore
from kling_mcp.store.process_owner import current_owner
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.tasks.stored_error import StoredError

pytestmark = pytest.mark.anyio


@pytest.fixture
def book(clock: VirtualClock) -> HandleStore:
    return HandleStore(SqliteStore(None, clock), clock, current_owner())


async def test_handle_remembers_its_call(book: HandleStore) -> None:
    handle = await book.reserve("account", "somebody", "tool")
    assert handle is not None
    await book.name(handle.handle_id, ["first", "second, with a comma"])
    found = await book.find(handle.handle_id)
    assert found is not None
    assert (found.account, found.principal, found.tool) == ("account", "somebody", "tool")
    assert found.names == ("first", "second, with a comma")


async def test_only_the_first_end_counts(book: HandleStore) -> None:
    handle = await book.reserve("account", "", "tool")
    assert handle is not None
    await book.settle(handle.handle_id, "cancelled")
    await book.settle(handle.handle_id, "settled", StoredError("internal", "no", "never"))
    found = await book.find(handle.handle_id)
    assert found is not None
    assert (found.status, found.error) == ("cancelled", None)


async def test_account_with_too_many_handles_gets_no_more_until_some_expire(
    book: HandleStore, clock: VirtualClock
) -> None:
    for _ in range(MAX_PER_ACCOUNT):
        assert await book.reserve("busy", "", "tool")
    assert await book.reserve("busy", "", "tool") is None
    assert await book.reserve("other", "", "tool")
    await clock.sleep(KEEP_SECONDS)
    assert await book.reserve("busy", "", "tool")


@pytest.mark.parametrize(
    ("owner", "orphaned"),
    [
        (current_owner(), True),  # asked only where no call of this process belongs to the handle
        (f"{current_owner().rpartition(':')[0]}:999999999", True),
        (f"{current_owner().rpartition(':')[0]}:1", False),
        ("another-computer:1", False),
    ],
    ids=["own", "ended", "living", "elsewhere"],  # the default ones would hold the number of the process
)
async def test_orphaned_handles_are_distinguished_from_calls_of_other_processes(
    clock: VirtualClock, owner: str, *, orphaned: bool
) -> None:
    store = SqliteStore(None, clock)
    handle = await HandleStore(store, clock, owner).reserve("account", "", "tool")
    assert handle is not None
    assert HandleStore(store, clock, current_owner()).is_orphan(handle) is orphaned
