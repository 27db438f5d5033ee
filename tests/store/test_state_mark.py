"""A state file that is not the one of the last start: it is noticed, and nothing is made twice after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from helpers import requests_to
from never_twice.crashable import Processes
from never_twice.wishes import draft_of

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.simulator import Quirks, World
from kling_mcp.store.sqlite import FILE_NAME, SqliteStore
from kling_mcp.store.state_mark import FILE_NAME as MARK_NAME

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def quirks() -> Quirks:
    """Nothing of what is proved here may rest on Kling's refusing a used id."""
    return Quirks(refuse_used_external_id=False)


def put_another(path: Path, _: bytes) -> None:
    """The state of another computer."""
    path.unlink()
    folder = path.parent / "elsewhere"
    with closing(SqliteStore(folder, SystemClock())) as other:
        other._open()
    (folder / FILE_NAME).rename(path)


EXCHANGES: dict[str, Callable[[Path, bytes], object]] = {
    "it was removed": lambda path, _: path.unlink(),
    "an older copy was put back": lambda path, older: path.write_bytes(older),
    "another one was put in its place": put_another,
}


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_state_file_that_was_exchanged_between_two_starts_is_missed(
    exchange: str, processes: Processes, folder: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = processes.start()
    await first.create(draft_of("Leo"))
    first.store.close()
    older = (folder / FILE_NAME).read_bytes()
    second = processes.start()
    made = await second.create(MIA)
    second.store.close()
    EXCHANGES[exchange](folder / FILE_NAME, older)
    for _ in range(2):  # and it is remembered
        process = processes.start()
        again = await process.create(MIA, allow_duplicate_name=True)
        assert again.task.task_id == made.task.task_id
        assert process.store.was_damaged
        assert not process.store.is_new
        process.store.close()
    assert len(requests_to(world, "create")) == 2
    assert caplog.text.count("is not the one of the last start") == 2, "once for each start"


async def test_state_file_that_was_exchanged_counts_as_lost_until_its_mark_is_removed(
    processes: Processes, folder: Path
) -> None:
    process = processes.start()
    await process.create(MIA)
    process.store.close()
    (folder / FILE_NAME).unlink()
    for is_lost in (True, False):
        process = processes.start()
        await process.own_account().journal.unfinished()
        assert process.store.was_damaged is is_lost
        process.store.close()
        (folder / MARK_NAME).unlink()


async def test_state_whose_mark_is_gone_or_damaged_is_used_as_it_is(
    processes: Processes, folder: Path, world: World
) -> None:
    made = await processes.start().create(MIA)
    for damage in (b"", b"[]", b'{"state": "x"}', b"\xff"):
        (folder / MARK_NAME).write_bytes(damage)
        process = processes.start()
        assert (await process.create(MIA)).task.task_id == made.task.task_id
        assert not process.store.was_damaged
    assert len(requests_to(world, "create")) == 1
