"""Deleting by id with the name as the safety catch: every way it can go, and what is sent in each."""

from __future__ import annotations

from typing import Literal

import anyio
import pytest
from helpers import API_KEY, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.models import ElementTask
from kling_mcp.elements import delete as deletion
from kling_mcp.elements.delete import Deletion, delete_element
from kling_mcp.errors import InputError, KlingError, NotFoundError, ServerError, UnknownOutcomeError
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.simulator.records import ElementTask as SimulatedElement

pytestmark = pytest.mark.anyio


def mia_in(world: World, name: str = "Mia", status: Literal["ready", "deleted"] = "ready") -> SimulatedElement:
    """An element of the account."""
    return world.add_element(world.account_of(API_KEY), name, status=status)


def is_deleted(world: World, element: SimulatedElement) -> bool:
    """Kling's own word on it."""
    return world.account_of(API_KEY).elements[element.element_id].deleted_at is not None


async def failure(account: Account, element_id: str, name: str) -> KlingError:
    """The error with which the deletion ends."""
    with pytest.raises(KlingError) as caught:
        await delete_element(account.client, element_id, name)
    return caught.value


async def test_deletion_with_the_right_name_deletes_the_element(account: Account, world: World) -> None:
    mia = mia_in(world)
    assert await delete_element(account.client, mia.element_id, "Mia") == Deletion(mia.element_id, "Mia", sent=True)
    assert is_deleted(world, mia)


@pytest.mark.parametrize("name", ["Mi", "mia", "Mia.", "", "Noah"])
async def test_deletion_with_a_wrong_name_sends_nothing_and_gives_the_right_name(
    account: Account, world: World, name: str
) -> None:
    mia = mia_in(world)
    mia_in(world, "Noah")
    error = await failure(account, mia.element_id, name)
    assert isinstance(error, InputError)
    (problem,) = error.problems
    assert problem.argument == "element_name"
    assert '"Mia"' in problem.rule
    assert requests_to(world, "delete") == []
    assert not is_deleted(world, mia)


@pytest.mark.parametrize("name", ["Zoë\u200b the  fox", 'the "fox"', "tab\there"])
async def test_the_name_as_it_is_shown_is_exact_enough(account: Account, world: World, name: str) -> None:
    """Answers show names cleaned and quoted; one with a hidden character could not be deleted otherwise."""
    fox = mia_in(world, name)
    error = await failure(account, fox.element_id, "?")
    shown = str(error).split('which is "')[1].split('"')[0]
    await delete_element(account.client, fox.element_id, shown)
    assert is_deleted(world, fox)


async def test_a_preset_is_refused_without_a_request(account: Account, world: World) -> None:
    """fact: presets-not-deletable"""
    error = await failure(account, "160", "Moon Bicycle")
    assert isinstance(error, InputError)
    assert "official" in error.message
    assert requests_to(world, "delete") == []


@pytest.mark.parametrize("name", ["Mia", ""])
async def test_deletion_of_an_unknown_element_is_not_found(account: Account, world: World, name: str) -> None:
    error = await failure(account, "320000000000007", name)
    assert isinstance(error, NotFoundError)
    assert error.created == "no"
    assert requests_to(world, "delete") == []


async def test_a_task_id_is_no_element_id(account: Account, world: World) -> None:
    """fact: delete-takes-element-id"""
    mia = mia_in(world)
    error = await failure(account, mia.task_id, "Mia")
    assert isinstance(error, NotFoundError)
    assert "not a task_id" in error.advice


async def test_deletion_of_a_deleted_element_sends_no_request(account: Account, world: World) -> None:
    """facts: list-shows-deleted, delete-twice-is-success"""
    mia = mia_in(world, status="deleted")
    assert await delete_element(account.client, mia.element_id, "Mia") == Deletion(mia.element_id, "Mia", sent=False)
    assert requests_to(world, "delete") == []


async def test_wrong_name_is_caught_for_deleted_elements_too(account: Account, world: World) -> None:
    mia = mia_in(world, status="deleted")
    assert isinstance(await failure(account, mia.element_id, "Noah"), InputError)


async def test_element_deleted_by_another_client_meanwhile_is_a_success(
    account: Account, world: World, faults: Faults
) -> None:
    """fact: msg-deleted-twice, also when the list did not show it yet"""
    mia = mia_in(world)
    faults.reply_code(1201, message=f"Element already be deleted for id: {mia.element_id}", route="delete")
    assert (await delete_element(account.client, mia.element_id, "Mia")).sent


class TestLostReplies:
    """The list is looked at before anything is said. fact: delete-synchronous"""

    @pytest.mark.parametrize("listed", [True, False])
    async def test_lost_after_the_commit_is_done(
        self, account: Account, world: World, faults: Faults, listed: bool
    ) -> None:
        """Whether deleted elements stay listed is open."""
        world.quirks = Quirks(list_deleted=listed)
        mia = mia_in(world)
        faults.lose_reply_after_commit(route="delete")
        assert (await delete_element(account.client, mia.element_id, "Mia")).sent
        assert len(requests_to(world, "delete")) == 1

    @pytest.mark.parametrize("code", [5000, 5001, 5002])
    async def test_an_error_after_the_commit_is_done(
        self, account: Account, world: World, faults: Faults, code: int
    ) -> None:
        mia = mia_in(world)
        faults.reply_code(code, after_commit=True, route="delete")
        assert (await delete_element(account.client, mia.element_id, "Mia")).sent
        assert is_deleted(world, mia)

    async def test_lost_before_the_commit_says_so_and_how_to_go_on(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        mia = mia_in(world)
        faults.lose_reply_before_commit(route="delete")
        error = await failure(account, mia.element_id, "Mia")
        assert isinstance(error, UnknownOutcomeError)
        assert (error.kind, error.created, error.retry) == ("unknown_outcome", "no", "now")
        assert "deleting twice does no harm" in error.advice
        assert not is_deleted(world, mia)
        assert (await delete_element(account.client, mia.element_id, "Mia")).sent

    async def test_deletion_that_fails_before_the_commit_is_an_error(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        mia = mia_in(world)
        faults.reply_code(5000, route="delete")
        assert isinstance(await failure(account, mia.element_id, "Mia"), ServerError)

    async def test_deletion_reports_its_first_error_when_the_list_fails_too(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        mia = mia_in(world)
        faults.delay(5, route="delete")
        faults.lose_reply_after_commit(route="delete")

        async def break_the_list() -> None:
            await clock.sleep(1)
            faults.reply_code(1000, times=None, route="list")

        async with anyio.create_task_group() as group:
            group.start_soon(break_the_list)
            assert isinstance(await failure(account, mia.element_id, "Mia"), UnknownOutcomeError)


async def test_element_to_delete_is_found_on_a_later_page(account: Account, world: World) -> None:
    """facts: list-no-total, list-order-unknown"""
    mia = mia_in(world)
    for number in range(deletion.PAGE_SIZE + 1):
        mia_in(world, f"other {number}")
    await delete_element(account.client, mia.element_id, "Mia")
    assert len(requests_to(world, "list")) == 2


async def test_a_list_that_never_ends_is_left(account: Account) -> None:
    asked = 0

    async def endless(page_num: int, page_size: int) -> list[ElementTask]:
        nonlocal asked
        asked += 1
        return [ElementTask()] * page_size

    assert await deletion.find_in_pages(endless, "1") is None
    assert asked == 1000  # pageNum goes no further


@pytest.mark.parametrize("code", [1000, 1302, 5000])
async def test_a_list_that_fails_deletes_nothing(account: Account, world: World, faults: Faults, code: int) -> None:
    mia = mia_in(world)
    faults.reply_code(code, times=None, route="list")
    assert (await failure(account, mia.element_id, "Mia")).code == code
    assert requests_to(world, "delete") == []
