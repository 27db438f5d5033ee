"""Shows a wait: as a moving bar at a terminal, as plain lines in a log."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO

import anyio
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.shared.dispatcher import ProgressFnT

    from kling_mcp.clock import Clock

_FRAME_SECONDS = 0.1
_BAR = "   {bar:30} {desc}"


@asynccontextmanager
async def showing_progress(out: TextIO, clock: Clock) -> AsyncIterator[ProgressFnT]:
    """A progress callback for one tool call, shown on `out` while the block runs."""
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
            bar.end()


class _Lines:
    """One line for each report: nothing that a log could not hold."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        print(f"   {message or f'{progress:.0f} s'}", file=self._out, flush=True)


class _Bar:
    """A bar that follows the reports; between two of them it goes on by the clock."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._clock = clock
        self._progress, self._reported_at = 0.0, clock.monotonic()
        self._bar = tqdm(total=1.0, file=out, bar_format=_BAR, desc="")

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._progress, self._reported_at = progress, self._clock.monotonic()
        self._bar.total = total or self._bar.total
        self._bar.set_description_str(message or "", refresh=False)
        self._draw()

    async def move(self) -> None:
        """Redraw until cancelled."""
        while True:
            await self._clock.sleep(_FRAME_SECONDS)
            self._draw()

    def end(self) -> None:
        """Leave the bar where the wait ended: full, as nothing is waited for any more."""
        self._bar.n = self._bar.total
        self._bar.close()

    def _draw(self) -> None:
        waited = self._progress + self._clock.monotonic() - self._reported_at
        self._bar.n = min(waited, self._bar.total)
        self._bar.refresh()
