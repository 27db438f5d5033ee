"""Two catalogues, one answer: whatever is written and asked, PostgreSQL finds what the file on one computer finds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.library.catalogue import Catalogue, Filters, Position, SearchPage, SyncProgress
from kling_mcp.library.postgres_catalogue import PostgresCatalogue
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.store.postgres.store import PostgresStore
from postgres.records import element, task

if TYPE_CHECKING:
    from kling_mcp.library.records import LibraryElement
    from postgres.conftest import Database

WORDS = [
    *(
        "mia",
        "Mia",
        "MÍA",
        "mi",
        "fox",
        "foxes",
        "red",
        "barista",
        "barsita",
        "baristas",
        "strasse",
        "Straße",
        "Ｆｏｘ",
    ),
    *("7", "8", "71", "clip7", "x", "a-b", "it's", "1001", "t2", "kmcp-1", "v1"),
    *(
        "红色女孩",
        "色女",
        "女",
        "红",
        "スター",
        "ตัวละคร",
        "한국어",
        "👩‍🎤",
        "★★",
        "!!!",
        "\u00a0",
        "e\u0301",
        "{}",
        "'",
        "\\",
    ),
]
texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
numbers = st.integers(1, 6)
tags = st.lists(st.sampled_from(["Character", "ANIMAL", "Tier 动物"]), max_size=2, unique=True).map(tuple)


@st.composite
def records(draw: st.DrawFn) -> LibraryElement:
    number = draw(numbers)
    external_task_id = draw(st.sampled_from(["", f"kmcp-{number}"]))
    if draw(st.booleans()) and draw(st.booleans()):
        return task(number, status=draw(st.sampled_from(["pending", "failed"])), external_task_id=external_task_id)
    source = draw(st.sampled_from(["custom", "custom", "preset"]))
    return element(
        number,
        draw(texts),
        description=draw(texts),
        source=source,
        status=draw(st.sampled_from(["ready", "ready", "deleted"])),
        tags=draw(tags),
        voice_id=draw(st.sampled_from(["", "", "v1"])),
        voice_name=draw(st.sampled_from(["", "Lilly"])),
        external_task_id=external_task_id,
        created_at_ms=1000 * number + (500 if source == "preset" else 0),
        image_urls=("https://example.com/1.png",),
    )


filters = st.builds(
    Filters,
    sources=st.sampled_from([(), ("custom",), ("preset",), ("preset", "custom")]),
    statuses=st.sampled_from([(), ("ready",), ("ready", "deleted"), ("pending",)]),
    tags=st.sampled_from([(), (), ("character",), ("Animal", "nothing")]),
    has_voice=st.sampled_from(["any", "any", "yes", "no"]),
)
# A page of Kling's list shows each task once.
pages = st.lists(records(), min_size=1, max_size=6, unique_by=lambda record: (record.source, record.task_id))
batches = st.lists(st.tuples(pages, st.booleans()), min_size=1, max_size=4)
questions = st.lists(st.tuples(texts, filters, st.integers(1, 3)), min_size=1, max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches, questions)
def test_sqlite_and_postgres_catalogues_find_the_same(
    database: Database, written: list[tuple[list[LibraryElement], bool]], asked: list[tuple[str, Filters, int]]
) -> None:
    async def compare() -> None:
        clock = VirtualClock()
        store = PostgresStore(database.url, clock)
        shared = PostgresCatalogue(store.database, secrets.token_hex(16), clock)
        alone = SqliteCatalogue(None, "a" * 32)
        try:
            for moment, (batch, is_walk) in enumerate(written, start=1):
                assert await put(shared, batch, moment, is_walk) == await put(alone, batch, moment, is_walk)
            for text, wanted, limit in asked:
                assert await answers(shared, text, wanted, limit) == await answers(alone, text, wanted, limit)
        finally:
            store.close()
            alone.close()

    anyio.run(compare, backend_options={"loop_factory": VirtualLoop})


async def put(catalogue: Catalogue, batch: list[LibraryElement], moment: int, is_walk: bool) -> int:
    """Write a batch, as a whole walk or apart from any; how many were new."""
    began = 10.0 * moment
    if not is_walk:
        return await catalogue.put(batch, now=began)
    await catalogue.begin_walk("custom", SyncProgress(began_at=began))
    added = await catalogue.put(batch, now=began + 1, walk=began)
    await catalogue.end_walk("custom", SyncProgress(began_at=began, completed_at=began), walk=began)
    return added


async def answers(catalogue: Catalogue, text: str, wanted: Filters, limit: int) -> list[object]:
    """Everything that a catalogue can be asked about a text, page by page."""
    found: list[SearchPage] = []
    following: Position | None = None
    while not found or following:
        found.append(await catalogue.search(text, wanted, limit, following))
        following = found[-1].next_position
    return [
        # Where a page ends is each one's own business; which layer it ends in is not.
        [(hits.elements, hits.total, hits.spelling, hits.next_position and hits.next_position.layer) for hits in found],
        await catalogue.counts(text, [wanted, Filters()]),
        await catalogue.near(text, limit),
        await catalogue.with_id(text),
        await catalogue.with_name(text),
        await catalogue.shared_names([text, "Mia"]),
        await catalogue.newest_pending_ms(),
        await catalogue.census(),
        await catalogue.progress("custom"),
    ]
