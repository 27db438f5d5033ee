"""What walks through a list leave in the catalogue, and what they drop from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_mcp.library.catalogue import SyncProgress
from kling_mcp.library.records import LibraryElement
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from library.records import element, names

pytestmark = pytest.mark.anyio


@pytest.fixture
def catalogue() -> Iterator[SqliteCatalogue]:
    made = SqliteCatalogue(None, "test")
    yield made
    made.close()


async def walk_over(catalogue: SqliteCatalogue, began: float, seen: list[LibraryElement]) -> None:
    """One complete walk that meets these."""
    progress = SyncProgress(began_at=began, next_page=1)
    await catalogue.begin_walk("custom", progress)
    await catalogue.put(seen, now=began, walk=began)
    await catalogue.end_walk("custom", dataclasses.replace(progress, completed_at=began, next_page=0), walk=began)


async def test_record_missed_by_two_walks_is_dropped(catalogue: SqliteCatalogue) -> None:
    """One walk may miss an entry that moved to a page which was read already."""
    mia, leo, fox = element(1, "Mia"), element(2, "Leo"), element(3, "Fox", source="preset")
    await catalogue.put([mia, leo, fox], now=1.0)
    await walk_over(catalogue, 10.0, [mia])
    assert await names(catalogue, "") == ["Fox", "Leo", "Mia"]
    await walk_over(catalogue, 20.0, [mia])
    assert await names(catalogue, "") == ["Fox", "Mia"]
    assert await names(catalogue, "leo") == []


async def test_record_seen_again_counts_as_never_missed(catalogue: SqliteCatalogue) -> None:
    mia, leo = element(1, "Mia"), element(2, "Leo")
    await catalogue.put([mia, leo], now=1.0)
    for began, seen in ((10.0, [mia]), (20.0, [mia, leo]), (30.0, [mia])):
        await walk_over(catalogue, began, seen)
    assert await names(catalogue, "") == ["Leo", "Mia"]


async def test_record_seen_outside_a_walk_counts_as_never_missed(catalogue: SqliteCatalogue) -> None:
    mia, leo = element(1, "Mia"), element(2, "Leo")
    await walk_over(catalogue, 10.0, [mia, leo])
    await walk_over(catalogue, 20.0, [mia])
    await catalogue.put([leo], now=25.0)
    await walk_over(catalogue, 30.0, [mia])
    assert await names(catalogue, "") == ["Leo", "Mia"]


async def test_record_added_during_a_walk_is_not_missed_by_it(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=15.0)
    for began in (10.0, 11.0, 12.0):
        await walk_over(catalogue, began, [])
    assert await names(catalogue, "") == ["Mia"]


async def test_a_walk_that_another_process_overtook_drops_nothing(catalogue: SqliteCatalogue) -> None:
    await catalogue.put([element(1, "Mia")], now=1.0)
    theirs = SyncProgress(began_at=20.0, next_page=3)
    await catalogue.begin_walk("custom", theirs)
    for _ in range(3):
        await catalogue.put([], now=21.0, walk=10.0)
        await catalogue.end_walk("custom", SyncProgress(completed_at=10.0), walk=10.0)
    assert await names(catalogue, "") == ["Mia"]
    assert await catalogue.progress("custom") == theirs


async def test_overtaken_walk_does_not_count_for_its_successor(tmp_path: Path) -> None:
    slow, quick = (SqliteCatalogue(tmp_path, "test") for _ in range(2))
    mia, leo = element(1, "Mia"), element(2, "Leo")
    await walk_over(slow, 10.0, [mia, leo])
    await walk_over(slow, 20.0, [mia])
    await slow.begin_walk("custom", SyncProgress(began_at=30.0))
    await quick.begin_walk("custom", SyncProgress(began_at=31.0, next_page=1))
    await slow.put([mia], now=32.0, walk=30.0)
    await slow.end_walk("custom", SyncProgress(began_at=30.0, completed_at=30.0), walk=30.0)
    assert await quick.progress("custom") == SyncProgress(began_at=31.0, next_page=1)
    assert await names(quick, "") == ["Leo", "Mia"]
    await quick.put([leo], now=33.0, walk=31.0)
    await quick.end_walk("custom", SyncProgress(began_at=31.0, completed_at=31.0), walk=31.0)
    await walk_over(quick, 40.0, [leo])
    assert await names(quick, "") == ["Leo"]
    slow.close()
    quick.close()


async def test_progress_is_kept_for_each_list(catalogue: SqliteCatalogue) -> None:
    assert await catalogue.progress("custom") == SyncProgress()
    state = SyncProgress(
        began_at=1.5, next_page=7, completed_at=1.0, first_page_at=2.0, failed_pages=(3, 4), failed_at=2.5
    )
    await catalogue.keep_progress("custom", state)
    assert await catalogue.progress("custom") == state
    assert await catalogue.progress("preset") == SyncProgress()
