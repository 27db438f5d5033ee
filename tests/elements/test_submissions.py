"""What was asked for is read from the journal once, and what another process may be recording is asked again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kling_mcp.elements.submissions import SETTLED_SECONDS, Submissions
from kling_mcp.library.records import LibraryElement
from kling_mcp.store.sqlite import FILE_NAME, SqliteStore
from kling_mcp.tasks.intent import Intent
from kling_mcp.tasks.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from virtual_time import VirtualClock

    from kling_mcp.library.records import ElementStatus

pytestmark = pytest.mark.anyio

MIA = Intent("element", "mia" * 20, "mia" * 20, "Mia", memo={"voice_id": "831"})
TASK = "880000000000000001"


@pytest.fixture
def journal(tmp_path: Path, clock: VirtualClock) -> Iterator[Journal]:
    with closing(SqliteStore(tmp_path, clock)) as store:
        yield Journal(store, "an account", clock, "here:1")


async def record_creation(journal: Journal) -> None:
    await journal.mark_accepted((await journal.claim(MIA, "1"))[0], TASK)


def seen(clock: VirtualClock, age: float, status: ElementStatus = "ready") -> list[LibraryElement]:
    created_at_ms = int((clock.wall() - age) * 1000)
    return [LibraryElement(source="custom", task_id=TASK, status=status, created_at_ms=created_at_ms)]


async def test_known_creation_is_read_once(journal: Journal, clock: VirtualClock, tmp_path: Path) -> None:
    await record_creation(journal)
    submissions = Submissions(journal, clock)
    asked = (await submissions.of_records(seen(clock, 0)))[TASK]
    (tmp_path / FILE_NAME).unlink()
    assert (await submissions.of_records(seen(clock, 0)))[TASK] == asked
    assert (asked.element_name, asked.voice_id) == ("Mia", "831")


@pytest.mark.parametrize(("age", "status"), [(SETTLED_SECONDS / 2, "ready"), (SETTLED_SECONDS * 2, "pending")])
async def test_creation_that_another_process_records_late_is_found(
    journal: Journal, clock: VirtualClock, age: float, status: ElementStatus
) -> None:
    submissions = Submissions(journal, clock)
    assert not await submissions.of_records(seen(clock, age, status))
    await record_creation(journal)
    assert TASK in await submissions.of_records(seen(clock, age, status))


async def test_old_task_of_others_is_asked_about_once_until_it_is_submitted_here(
    journal: Journal, clock: VirtualClock
) -> None:
    submissions = Submissions(journal, clock)
    old = seen(clock, SETTLED_SECONDS * 2)
    assert not await submissions.of_records(old)
    await record_creation(journal)
    assert not await submissions.of_records(old)
    submissions.forget(TASK)
    assert TASK in await submissions.of_records(old)
