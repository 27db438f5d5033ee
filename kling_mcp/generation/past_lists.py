"""What Kling lists of an account's generations, kept between calls.

A call reads the newest few. If they go on where the kept list begins, and nothing behind them can change any more, the
rest is not read again; otherwise, and every ten minutes, all is. Nothing relies on the order of the list: one that is
not as before is read whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from kling_mcp.generation.models import IMAGE_ROUTES, VIDEO_ROUTES
from kling_mcp.generation.past import of_task

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kling_mcp.api.generation_models import GenerationTask
    from kling_mcp.api.generations import GenerationApi
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.generation.past import PastGeneration
    from kling_mcp.generation.prices import Product

PAGE_SIZE, LIST_PAGES = 500, 20
NEWEST = (30, PAGE_SIZE)  # how many are read to see what is new
WHOLE_AGAIN_SECONDS = 600.0

ReadPages = Callable[[int], "AsyncGenerator[tuple[Sequence[GenerationTask], bool]]"]


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A task as Kling lists it. `is_generation` is False if it may be an element's."""

    past: PastGeneration
    is_generation: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """Tasks in Kling's order. `by_name` has them by task id and external task id."""

    rows: tuple[ListedRow, ...]
    is_whole: bool
    by_name: dict[str, PastGeneration] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {name: row.past for row in self.rows for name in (row.past.task_id, row.past.external_task_id)}
        object.__setattr__(self, "by_name", by_name)


class PastList:
    """One list of an account. At most `PAGE_SIZE * LIST_PAGES` tasks are kept."""

    def __init__(self, product: Product, pages: ReadPages, clock: Clock, *, is_mixed: bool = False) -> None:
        """
        Args:
            pages: reads page after page of a size, newest first as far as known, and whether there are more.
            is_mixed: tasks of elements may be among them, and have no results of `product`.
        """
        self._product = product
        self._pages = pages
        self._clock = clock
        self._is_mixed = is_mixed
        self._kept = Listed((), is_whole=False)
        self._read_at = -WHOLE_AGAIN_SECONDS

    async def read(self) -> Listed:
        """All that is listed; the same object as last time if nothing has changed. Raises KlingError."""
        now, kept = self._clock.monotonic(), self._kept
        if kept.rows and now < self._read_at + WHOLE_AGAIN_SECONDS:
            for size in NEWEST:
                if (fresh := await self._with_newest(kept, size)) is not None:
                    self._kept = fresh
                    return fresh
        self._kept, self._read_at = await self._whole(), now
        return self._kept

    async def _with_newest(self, kept: Listed, size: int) -> Listed | None:
        """The kept list with what is new; None if that takes more than one page of this size."""
        async with aclosing(self._pages(size)) as pages:
            tasks, has_more = await anext(pages)
        rows = self._rows(tasks)
        if not has_more:
            return kept if rows == kept.rows else Listed(rows, is_whole=True)
        known = [row for row in rows if row.past.task_id in kept.by_name]
        tail = kept.rows[len(known) :]
        goes_on = bool(known) and rows[-1] is known[-1] and _ids(known) == _ids(kept.rows[: len(known)])
        if not goes_on or not all(row.past.is_over for row in tail):
            return None
        if rows == kept.rows[: len(rows)]:
            return kept
        both = (*rows, *tail)
        return Listed(both[: PAGE_SIZE * LIST_PAGES], is_whole=kept.is_whole and len(both) <= PAGE_SIZE * LIST_PAGES)

    async def _whole(self) -> Listed:
        rows: list[ListedRow] = []
        has_more = True
        async with aclosing(self._pages(PAGE_SIZE)) as pages:
            for _ in range(LIST_PAGES):
                tasks, has_more = await anext(pages)
                rows += self._rows(tasks)
                if not has_more:
                    break
        return Listed(tuple(rows), is_whole=not has_more)

    def _rows(self, tasks: Sequence[GenerationTask]) -> tuple[ListedRow, ...]:
        """In a list with elements, a task that was made elsewhere is known to be a generation by its results alone."""
        return tuple(
            ListedRow(of_task(task.product or self._product, task), bool(task.product) or not self._is_mixed)
            for task in tasks
        )


def past_lists(api: GenerationApi, clock: Clock, *, has_api_key: bool) -> tuple[PastList, ...]:
    """What this credential can list. facts: tasks-list, old-query"""
    if has_api_key:
        both: tuple[Product, Product] = ("video", "image")
        return tuple(PastList(product, partial(_recent, api, product), clock, is_mixed=True) for product in both)
    products: dict[str, Product] = {route.path: "video" for route in VIDEO_ROUTES if not route.needs_api_key}
    products |= {route.path: "image" for route in IMAGE_ROUTES}
    return tuple(PastList(product, partial(_on_route, api, path), clock) for path, product in products.items())


async def _recent(
    api: GenerationApi, product: Product, size: int
) -> AsyncGenerator[tuple[Sequence[GenerationTask], bool]]:
    tasks, cursor = await api.recent(limit=size, product=product)
    yield tasks, bool(cursor)
    while cursor:
        tasks, cursor = await api.recent(limit=size, cursor=cursor)
        yield tasks, bool(cursor)


async def _on_route(api: GenerationApi, path: str, size: int) -> AsyncGenerator[tuple[Sequence[GenerationTask], bool]]:
    for page_num in itertools.count(1):
        tasks = await api.page(path, page_num, size)
        yield tasks, len(tasks) >= size


def _ids(rows: Sequence[ListedRow]) -> list[str]:
    return [row.past.task_id for row in rows]
