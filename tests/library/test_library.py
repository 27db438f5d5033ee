"""What the library does when its own file fails, when lists are long, and for the guard on names."""

from __future__ import annotations

import logging

import pytest
from helpers import API_KEY, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.elements.name_guard import NameGuard
from kling_mcp.errors import KlingError, LimitError, NotFoundError, StorageError
from kling_mcp.library import index
from kling_mcp.library.catalogue import Filters
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def guard(account: Account, clock: VirtualClock) -> NameGuard:
    return NameGuard(account.library, account.journal, account.element_tasks, clock)


OWN = Filters(sources=("custom",))


def add(world: World, name: str) -> str:
    return world.add_element(world.account_of(API_KEY), name).element_id


async def spoil(account: Account) -> None:
    """From now on the index cannot be used."""
    catalogue = account.library.catalogue
    assert isinstance(catalogue, SqliteCatalogue)
    await catalogue._file.run(lambda db: db.execute("DROP TABLE elements"), write=True)


async def test_a_broken_index_fails_no_creation_and_no_deletion(
    account: Account, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    await account.library.resolve("Mia")
    await spoil(account)
    with caplog.at_level(logging.WARNING):
        await account.library.record_results([await account.client.get_task(mia.task_id)])
        await account.library.deleted(mia.element_id)
    assert "The library's index could not be updated" in caplog.text
    assert "The deletion could not be recorded in the library's index" in caplog.text


async def test_broken_index_is_reported_to_the_caller(account: Account, world: World) -> None:
    add(world, "Mia")
    await account.library.resolve("Mia")
    await spoil(account)
    with pytest.raises(StorageError, match="index cannot be used"):
        await account.library.resolve("Mia")
    with pytest.raises(StorageError):
        await account.library.search("Mia", OWN, 1)


async def test_unknown_name_in_a_long_list_rereads_only_its_beginning(
    account: Account, world: World, clock: VirtualClock
) -> None:
    for number in range(index.SURELY_READ_UP_TO + 1):
        add(world, f"Name {number}")
    while not (await account.library.search("", OWN, 1)).is_complete:
        pass
    await clock.sleep(31)
    world.requests.clear()
    assert (await account.library.search("nobody", OWN, 1)).page.total == 0
    assert len(requests_to(world, "list")) == 1


async def test_an_element_deleted_elsewhere_is_news(account: Account, world: World, clock: VirtualClock) -> None:
    """An id that the index does not know: the first page is read again."""
    await account.library.search("", OWN, 1)
    late = add(world, "Late")
    await account.library.deleted(late)
    assert (await account.library.resolve("Late")).element_id == late


async def test_unknown_name_without_near_names_has_no_candidates(account: Account, world: World) -> None:
    with pytest.raises(NotFoundError) as caught:
        await account.library.resolve("Nobody")
    assert caught.value.candidates == ()
    assert caught.value.advice == "find_elements shows what exists."


async def test_many_of_one_name_are_not_all_listed(account: Account, world: World) -> None:
    for _ in range(15):
        add(world, "Mia")
    with pytest.raises(KlingError) as caught:
        await account.library.resolve("Mia")
    assert caught.value.kind == "ambiguous_name"
    assert caught.value.message.count("element_id=") == 10
    assert caught.value.message.endswith("(and 5 more)")


# --- the guard on names


async def holders(guard: NameGuard, name: str) -> list[str]:
    """The ids of the elements that have a name."""
    return [element.element_id for element in await guard.ready_elements(name)]


async def test_the_guard_knows_own_names_only(guard: NameGuard, world: World) -> None:
    mia = add(world, "Mia")
    world.add_element(world.account_of(API_KEY), "Mia", status="deleted")
    assert await holders(guard, "Mia") == [mia]
    assert await holders(guard, "mia") == []
    assert await holders(guard, "Grey Heron") == []


async def test_the_guard_is_at_most_a_minute_behind(guard: NameGuard, world: World, clock: VirtualClock) -> None:
    assert await holders(guard, "Mia") == []
    read_at = guard.read_at
    mia = add(world, "Mia")
    assert await holders(guard, "Mia") == []
    assert guard.read_at == read_at
    await clock.sleep(61)
    assert await holders(guard, "Mia") == [mia]
    assert guard.read_at > read_at


async def test_name_guard_reads_again_after_invalidation(account: Account, guard: NameGuard, world: World) -> None:
    assert await holders(guard, "Mia") == []
    mia = add(world, "Mia")
    account.library.invalidate()
    assert await holders(guard, "Mia") == [mia]


async def test_the_guard_does_not_guess_when_the_list_fails(guard: NameGuard, faults: Faults) -> None:
    faults.refuse_connection(route="list", times=None)
    with pytest.raises(KlingError) as caught:
        await holders(guard, "Mia")
    assert caught.value.kind == "network"


async def test_the_guard_trusts_no_old_list(
    guard: NameGuard, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Leo")
    assert await holders(guard, "Mia") == []
    faults.refuse_connection(route="list", times=None)
    await clock.sleep(61)
    with pytest.raises(KlingError) as caught:
        await holders(guard, "Mia")
    assert caught.value.kind == "network"


async def test_the_guard_does_not_guess_before_the_list_is_read(guard: NameGuard, world: World, faults: Faults) -> None:
    for number in range(1600):
        add(world, f"Name {number}")
    faults.delay(20, route="list", times=None)
    with pytest.raises(LimitError, match="still being read"):
        await guard.ready_elements("Mia")
    assert await holders(guard, "Name 7") != []
