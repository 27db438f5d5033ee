"""Shows a wait: as a progress bar on a terminal, as plain lines in a log."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kling_mcp.concurrency.clock import Clock

_FRAME_SECONDS = 0.1
_BAR_COLUMNS, _MAX_COLUMNS = 30, 100


@asynccontextmanager
async def showing_wait(out: TextIO, clock: Clock) -> AsyncIterator[Lines | Bar]:
    """Show progress on `out` while the block runs."""
    if not out.isatty():
        yield Lines(out)
        return
    bar = Bar(out, clock)
    async with anyio.create_task_group() as group:
        group.start_soon(bar.move)
        try:
            yield bar
        finally:
            group.cancel_scope.cancel()
            bar.close()


class Lines:
    """One plain line per report, suitable for a log."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        print(f"   {message or f'{progress:.0f} s'}", file=self._out, flush=True)

    def complete(self) -> None:
        """The wait is over; lines have nothing to complete."""


class Bar:
    """A bar that follows the reports, and the clock between them."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._out = out
        self._clock = clock
        self._progress, self._reported_at = 0.0, clock.monotonic()
        self._total, self._message = 1.0, ""
        self._is_complete = False

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._progress, self._reported_at = progress, self._clock.monotonic()
        self._total, self._message = total or self._total, message or ""
        self._draw()

    async def move(self) -> None:
        """Redraw until cancelled."""
        while True:
            await self._clock.sleep(_FRAME_SECONDS)
            self._draw()

    def complete(self) -> None:
        self._is_complete = True

    def close(self) -> None:
        """Leave the bar as it is."""
        self._draw()
        print(file=self._out, flush=True)

    def _draw(self) -> None:
        waited = self._progress + self._clock.monotonic() - self._reported_at
        share = 1.0 if self._is_complete else min(1.0, waited / self._total)
        width = min(shutil.get_terminal_size().columns, _MAX_COLUMNS) - 1  # the last column would start a new line
        line = f"   |{'#' * int(share * _BAR_COLUMNS):{_BAR_COLUMNS}}| {self._message}"[:width]
        print(f"\r{line:{width}}", end="", file=self._out, flush=True)
