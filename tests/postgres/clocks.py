"""Virtual time for code that asks for it in worker threads, where no event loop runs."""

from __future__ import annotations

import asyncio

from virtual_time import VirtualClock


class ThreadedClock(VirtualClock):
    """The virtual clock; in a thread it shows the time of the loop that asked last."""

    def __init__(self, epoch: float = 1_790_000_000.0) -> None:
        super().__init__(epoch)
        self._loop: asyncio.AbstractEventLoop | None = None

    def monotonic(self) -> float:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None:
                raise
        return self._loop.time()
