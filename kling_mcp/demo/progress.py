"""Shows a wait: as a progress bar on a terminal, as plain lines in a log."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import anyio
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kling_mcp.concurrency.clock import Clock

_FRAME_SECONDS = 0.1
_WIDEST = 100
_BAR = "   |{bar:30}| {desc}"


class WaitDisplay(Protocol):
    """A progress callback for one tool call."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...

    def complete(self) -> None:
        """The wait is over."""
        ...


@asynccontextmanager
async def showing_wait(out: TextIO, clock: Clock) -> AsyncIterator[WaitDisplay]:
    """Show progress on `out` while the block runs."""
    if not out.isatty():
        yield _Lines(out)
        return
    bar = _Bar(out, clock)
    async with anyio.create_task_group() as group:
        group.start_soon(bar.move)
        try:
            yield bar
        finally:
            group.cancel_scope.cancel()
            bar.close()


class _Lines:
    """One plain line per report, suitable for a log."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        print(f"   {message or f'{progress:.0f} s'}", file=self._out, flush=True)

    def complete(self) -> None:
        pass


class _Bar:
    """A bar that follows the reports, and the clock between them."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._clock = clock
        self._progress, self._reported_at = 0.0, clock.monotonic()
        self._total = 1.0
        # Some terminals report zero columns and rows; tqdm would then draw nothing.
        columns, rows = shutil.get_terminal_size()
        self._bar = tqdm(total=self._total, file=out, bar_format=_BAR, desc="", ncols=min(columns, _WIDEST), nrows=rows)

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._progress, self._reported_at = progress, self._clock.monotonic()
        self._bar.total = self._total = total or self._total
        self._bar.set_description_str(message or "", refresh=False)
        self._draw()

    async def move(self) -> None:
        """Redraw until cancelled."""
        while True:
            await self._clock.sleep(_FRAME_SECONDS)
            self._draw()

    def complete(self) -> None:
        self._bar.n = self._total

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.refresh()
        self._bar.close()

    def _draw(self) -> None:
        waited = self._progress + self._clock.monotonic() - self._reported_at
        self._bar.n = min(waited, self._total)
        self._bar.refresh()
