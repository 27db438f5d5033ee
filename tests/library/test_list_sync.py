"""How the library is read: rarely, in full, and never silently short."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.auth import ApiKey, KeyPair
from kling_mcp.api.models import ElementTask
from kling_mcp.errors import AuthError, KlingError
from kling_mcp.library.catalogue import Filters
from kling_mcp.library.index import Library
from kling_mcp.library.list_sync import ListSync
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, World
from kling_mcp.simulator.records import ElementTask as SimulatedTask
from library.lists import Lists, pages_asked

pytestmark = pytest.mark.anyio

OWN = Filters(sources=("custom",))
READY = Filters(sources=("custom",), statuses=("ready",))


@pytest.fixture
def lists(world: World, faults: Faults) -> Lists:
    return Lists(world, faults)


@pytest.fixture
async def open_account(settings: Settings, clock: VirtualClock, lists: Lists) -> AsyncIterator[Callable[..., Account]]:
    """Opens an account as a new process would, over the same state folder."""
    runtimes: list[Runtime] = []

    def open_one(**changes: Any) -> Account:
        runtimes.append(Runtime(dataclasses.replace(settings, **changes), clock=clock, make_transport=lambda: lists))
        return runtimes[-1].own_account()

    yield open_one
    for runtime in runtimes:
        await runtime.aclose()


@pytest.fixture
def account(open_account: Callable[..., Account]) -> Account:
    return open_account()


def add(world: World, name: str = "Mia", **known: Any) -> SimulatedTask:
    return world.add_element(world.account_of(API_KEY), name, **known)


def add_many(world: World, count: int) -> list[str]:
    return [add(world, f"Name {number}").element_id for number in range(count)]


async def names(library: Library, text: str = "", filters: Filters = OWN) -> list[str]:
    found = await library.search(text, filters, 100)
    return [element.element_name for element in found.page.elements]


# --- reading


async def test_a_library_of_two_pages_takes_two_requests(account: Account, world: World) -> None:
    ids = add_many(world, 620)
    found = await account.library.search("", OWN, 20)
    assert found.page.total == 620
    assert found.is_complete
    assert pages_asked(world) == [1, 2]
    for number in (0, 119, 120, 619):
        assert (await account.library.resolve(f"Name {number}")).element_id == ids[number]
        assert (await account.library.resolve(ids[number])).element_name == f"Name {number}"


async def test_a_second_search_sends_no_request(account: Account, world: World) -> None:
    add_many(world, 3)
    await names(account.library, "name")
    sent = len(world.requests)
    assert len(await names(account.library, "name")) == 3
    assert await names(account.library, "nothing") == []
    assert len(world.requests) == sent


async def test_an_empty_library_takes_one_request(account: Account, world: World) -> None:
    found = await account.library.search("", OWN, 20)
    assert (found.page.total, found.is_complete, pages_asked(world)) == (0, True, [1])


async def test_a_full_last_page_is_followed_by_an_empty_one(account: Account, world: World) -> None:
    """fact: list-no-total"""
    add_many(world, 500)
    assert (await account.library.search("", OWN, 1)).page.total == 500
    assert pages_asked(world) == [1, 2]


async def test_long_lists_are_read_a_few_pages_at_a_time(account: Account, world: World) -> None:
    add_many(world, 1600)
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (1600, True)
    assert sorted(set(pages_asked(world))) == [1, 2, 3, 4]


@pytest.mark.parametrize("order", ["newest-first", "oldest-first", "shuffled"])
async def test_list_sync_works_with_any_order_of_the_list(
    account: Account, world: World, clock: VirtualClock, order: Any
) -> None:
    """fact: list-order-unknown"""
    world.quirks = dataclasses.replace(world.quirks, list_order=order)
    add_many(world, 620)
    assert (await account.library.search("", OWN, 1)).page.total == 620
    add(world, "Nora")
    await clock.sleep(31)
    assert await names(account.library, "Nora") == ["Nora"]


async def test_simultaneous_searches_share_one_reading_of_the_list(account: Account, world: World) -> None:
    add_many(world, 620)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(names, account.library)
    assert pages_asked(world) == [1, 2]


async def test_a_cancelled_search_leaves_the_reading_to_the_next(
    account: Account, world: World, faults: Faults
) -> None:
    add_many(world, 620)
    faults.delay(10, route="list", times=None)
    with anyio.move_on_after(15):
        await names(account.library)
    faults.clear()
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (620, True)


async def test_official_elements_are_read_once_a_day(account: Account, world: World, clock: VirtualClock) -> None:
    official = Filters(sources=("preset",))
    assert (await account.library.search("", official, 1)).page.total == 54
    await clock.sleep(86_000)
    await account.library.search("", official, 1)
    assert pages_asked(world, "presets") == [1]
    await clock.sleep(1000)
    await account.library.search("", official, 1)
    assert len(pages_asked(world, "presets")) > 1


# --- news


async def test_new_elements_are_met_on_the_first_page(account: Account, world: World, clock: VirtualClock) -> None:
    add_many(world, 620)
    await names(account.library)
    add(world, "Nora")
    await clock.sleep(31)
    world.requests.clear()
    assert await names(account.library, "name nora") == []
    assert "Nora" in await names(account.library)
    assert pages_asked(world)[0] == 1


async def test_many_new_elements_are_followed_beyond_the_first_page(
    account: Account, world: World, clock: VirtualClock
) -> None:
    add_many(world, 3)
    await names(account.library)
    add_many(world, 700)
    await clock.sleep(31)
    assert (await account.library.search("", OWN, 1)).page.total == 703


async def test_list_is_read_again_completely_after_a_while(account: Account, world: World, clock: VirtualClock) -> None:
    old = add(world, "Old")
    add_many(world, 620)
    await names(account.library)
    old.deleted_at = clock.wall()
    await clock.sleep(31)
    assert (await account.library.resolve("Old")).status == "ready"  # it stands on page 2
    await clock.sleep(600)
    assert (await account.library.resolve("Old")).status == "deleted"


async def test_a_deleted_element_that_leaves_the_list_is_forgotten(
    account: Account, world: World, clock: VirtualClock
) -> None:
    world.quirks = dataclasses.replace(world.quirks, list_deleted=False)
    gone = add(world, "Gone")
    add(world, "Mia")
    await names(account.library)
    gone.deleted_at = clock.wall()
    for _ in range(2):
        await clock.sleep(601)
        await names(account.library)
    assert await names(account.library) == ["Mia"]


async def test_running_task_is_soon_known_to_have_ended(account: Account, world: World, clock: VirtualClock) -> None:
    add(world, "Mia", status="pending")
    assert await names(account.library, filters=READY) == []
    await clock.sleep(6)
    assert await names(account.library, filters=READY) == ["Mia"]


async def test_missing_name_is_searched_once_more_in_the_whole_list(
    account: Account, world: World, clock: VirtualClock
) -> None:
    """In a list whose newest stand last, the first page brings nothing new."""
    world.quirks = dataclasses.replace(world.quirks, list_order="oldest-first")
    add_many(world, 620)
    await names(account.library)
    nora = add(world, "Nora")
    await clock.sleep(31)
    assert (await account.library.resolve("Nora")).element_id == nora.element_id


async def test_library_that_grows_while_being_read_is_read_again(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add_many(world, 1600)
    faults.delay(2, route="list", times=None)

    async def disturb() -> None:
        await clock.sleep(5)
        add(world, "Nora")

    async with anyio.create_task_group() as group:
        group.start_soon(disturb)
        first = await account.library.search("", OWN, 1)
    assert not first.is_complete
    assert first.sync[0].progress.is_doubtful
    faults.clear()
    second = await account.library.search("", OWN, 1)
    assert (second.page.total, second.is_complete) == (1601, True)


# --- failures


async def test_failed_page_is_reported_and_read_later(
    account: Account, world: World, lists: Lists, clock: VirtualClock
) -> None:
    add_many(world, 620)
    lists.broken.add(("list", 2))
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (500, False)
    assert found.sync[0].progress.failed_pages == (2,)
    lists.broken.clear()
    await clock.sleep(11)
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (620, True)


async def test_a_page_that_keeps_failing_does_not_hide_later_ones(
    account: Account, world: World, lists: Lists, clock: VirtualClock
) -> None:
    add_many(world, 1200)
    lists.broken.add(("list", 2))
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (700, False)
    await clock.sleep(11)
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (700, False)


async def test_a_hole_of_an_earlier_process_is_known(
    open_account: Callable[..., Account], world: World, lists: Lists
) -> None:
    add_many(world, 620)
    lists.broken.add(("list", 2))
    await names(open_account().library)
    found = await open_account().library.search("", OWN, 1)
    assert not found.is_complete


async def test_pages_that_fail_one_after_the_other_stop_the_reading(
    account: Account, world: World, lists: Lists, clock: VirtualClock
) -> None:
    add_many(world, 1600)
    lists.broken |= {("list", page) for page in range(2, 9)}
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (500, False)
    assert set(pages_asked(world)) == {1}
    lists.broken.clear()
    await clock.sleep(11)
    found = await account.library.search("", OWN, 1)
    assert (found.page.total, found.is_complete) == (1600, True)


async def test_an_old_library_is_better_than_none(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Mia")
    await names(account.library)
    faults.refuse_connection(times=None)
    await clock.sleep(31)
    found = await account.library.search("mia", OWN, 1)
    assert (found.page.total, found.is_complete) == (1, False)
    assert found.sync[0].failure is not None


async def test_a_failure_is_not_repeated_at_every_question(
    account: Account, world: World, lists: Lists, clock: VirtualClock
) -> None:
    add(world, "Mia")
    lists.broken |= {("list", 1), ("list", 2)}
    with pytest.raises(KlingError):
        await names(account.library)
    began = clock.monotonic()
    with pytest.raises(KlingError):
        await names(account.library)
    assert clock.monotonic() == began


async def test_failure_of_the_first_reading_is_the_answer(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    faults.refuse_connection(times=None)
    with pytest.raises(KlingError) as caught:
        await names(account.library)
    assert caught.value.kind == "network"
    faults.clear()
    add(world, "Mia")
    await clock.sleep(11)
    assert await names(account.library) == ["Mia"]


async def test_failing_list_of_presets_does_not_hide_own_elements(account: Account, world: World, lists: Lists) -> None:
    add(world, "Mia")
    lists.broken |= {("presets", 1), ("presets", 2)}
    found = await account.library.search("", Filters(), 100)
    assert ([element.element_name for element in found.page.elements], found.is_complete) == (["Mia"], False)


async def test_refused_credentials_are_an_error_even_over_a_known_library(
    account: Account, world: World, faults: Faults, clock: VirtualClock
) -> None:
    add(world, "Mia")
    await names(account.library)
    faults.reply_code(1000, times=None)
    await clock.sleep(31)
    with pytest.raises(AuthError):
        await names(account.library)


async def test_unreadable_list_entries_are_counted(account: Account, world: World, faults: Faults) -> None:
    """fact: list-shape; a record that is no object must not shorten the library silently."""
    add_many(world, 2)
    seen = [ElementTask(), ElementTask.model_validate({"task_id": "8", "task_result": {"element_id": 3}})]

    async def read_page(page_num: int, page_size: int) -> list[ElementTask]:
        return seen

    walk = ListSync("custom", read_page, account.library.catalogue, VirtualClock())
    condition = await walk.refresh()
    assert condition.progress.unreadable == 1
    assert not condition.is_complete


async def test_a_list_longer_than_kling_shows_is_not_complete(account: Account) -> None:
    asked: list[int] = []

    async def read_page(page_num: int, page_size: int) -> list[ElementTask]:
        asked.append(page_num)
        return [ElementTask()] * page_size

    walk = ListSync("custom", read_page, account.library.catalogue, VirtualClock())
    condition = await walk.refresh()
    assert condition.progress.is_cut
    assert not condition.is_complete
    assert sorted(set(asked)) == list(range(1, 1001))


async def test_a_first_reading_takes_portions(account: Account, clock: VirtualClock) -> None:
    """No call is held longer than clients wait."""

    async def read_page(page_num: int, page_size: int) -> list[ElementTask]:
        await clock.sleep(20)
        count = page_size if page_num < 30 else int(page_num == 30)
        return [ElementTask.model_validate({"task_id": f"8{page_num:03}{number:03}"}) for number in range(count)]

    walk = ListSync("custom", read_page, account.library.catalogue, clock)
    portions = 0
    while (condition := await walk.refresh()).is_first_reading:
        portions += 1
        assert not condition.is_complete
        assert clock.monotonic() <= portions * 50
    assert portions > 2
    assert condition.is_complete
    assert (await account.library.catalogue.census()).of("custom") == 29 * 500 + 1


async def test_reading_a_long_list_again_takes_portions_with_rests(account: Account, clock: VirtualClock) -> None:
    """A search waits a few seconds now and then, not each time."""
    asked: list[int] = []

    async def read_page(page_num: int, page_size: int) -> list[ElementTask]:
        await clock.sleep(1)
        asked.append(page_num)
        count = page_size if page_num < 10 else int(page_num == 10)
        return [ElementTask.model_validate({"task_id": f"8{page_num:03}{number:03}"}) for number in range(count)]

    walk = ListSync("custom", read_page, account.library.catalogue, clock)
    assert (await walk.refresh()).is_complete
    await clock.sleep(3000)
    asked.clear()
    behind = await walk.refresh()
    assert behind.is_behind
    assert asked == [1, 1, 2, 3, 4]
    await clock.sleep(3)
    await walk.refresh()
    assert asked == [1, 1, 2, 3, 4]
    for _ in range(2):
        await clock.sleep(31)
        last = await walk.refresh()
    assert [page for page in asked if page > 4] == [5, 6, 7, 8, 9, 10]
    assert not last.is_behind


# --- state


async def test_a_restart_uses_what_was_read(open_account: Callable[..., Account], world: World) -> None:
    add_many(world, 620)
    await names(open_account().library)
    sent = len(world.requests)
    found = await open_account().library.search("name 7", OWN, 20)
    assert ([element.element_name for element in found.page.elements], found.is_complete) == (["Name 7"], True)
    assert len(world.requests) == sent


async def test_accounts_never_mix(open_account: Callable[..., Account], world: World) -> None:
    add(world, "Mia")
    world.add_element(world.account_of(ACCESS_KEY), "Leo")
    mine = open_account()
    theirs = open_account(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    assert await names(mine.library) == ["Mia"]
    assert await names(theirs.library) == ["Leo"]
    with pytest.raises(KlingError, match="Mia"):
        await theirs.library.resolve("Mia")


async def test_an_access_key_without_its_secret_opens_no_stored_library(
    settings: Settings, clock: VirtualClock, lists: Lists, world: World
) -> None:
    world.add_element(world.account_of(ACCESS_KEY), "Leo")
    runtime = Runtime(settings, clock=clock, make_transport=lambda: lists)
    try:
        assert await names(runtime.account(KeyPair(ACCESS_KEY, SECRET_KEY)).library) == ["Leo"]
        with pytest.raises(AuthError):
            await names(runtime.account(KeyPair(ACCESS_KEY, "guessed")).library)
        with pytest.raises(AuthError):
            await names(runtime.account(ApiKey(ACCESS_KEY)).library)
    finally:
        await runtime.aclose()


async def test_two_catalogues_of_one_folder_see_each_other(settings: Settings) -> None:
    one, other = SqliteCatalogue(settings.state_dir, "same"), SqliteCatalogue(settings.state_dir, "same")
    await one.begin_walk("custom", await one.progress("custom"))
    assert await other.progress("custom") == await one.progress("custom")
    one.close()
    other.close()
