"""Waits for tasks of one account and kind: many tasks, few requests, early answers.

Reads only. `rounds` polls, for one kind or for several that one request shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.tasks.rounds import Rounds, TaskSnapshot
from kling_mcp.tasks.route import T
from kling_mcp.tasks.schedule import PollSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.rounds import Watched
    from kling_mcp.tasks.route import TaskRoute

LAST_LOOK_SECONDS = 2.0  # before a wait runs out
FIRST_POLL_SECONDS = 10.0  # a first poll of an unknown task may take this long, even with wait_seconds=0


class Poller(Generic[T]):
    """Waits for tasks of one account and kind. Use it from one event loop."""

    def __init__(
        self,
        route: TaskRoute[T],
        clock: Clock,
        schedule: PollSchedule | None = None,
        *,
        shutdown: Shutdown | None = None,
        rounds: Rounds[T] | None = None,
    ) -> None:
        """Once `shutdown` has started, waits end as if their time had run out.

        `rounds` are those of kinds that are read by the same requests; otherwise this kind has its own.
        """
        self._clock = clock
        self._schedule = schedule or PollSchedule()
        self._shutdown = shutdown or Shutdown()
        self._rounds = rounds or Rounds(route, clock)

    async def wait(
        self, names: Iterable[str], seconds: float, *, known: Mapping[str, T] | None = None, until_first: bool = False
    ) -> dict[str, TaskSnapshot[T]]:
        """Poll until every task is final or `seconds` have passed; with `until_first`, until one of them is.

        Args:
            names: task ids or external task ids.
            known: tasks as Kling just described them, by name; these are not polled first.

        An unknown task is polled at once, even if `seconds` is 0.
        Permanent errors are part of the result, so that the results of the other tasks are not lost.
        """
        deadline = self._clock.monotonic() + seconds
        rounds = self._rounds
        watched = [rounds.join(name, self._schedule, (known or {}).get(name)) for name in dict.fromkeys(names)]
        try:
            if not all(item.snapshot.is_seen for item in watched):
                with self._shutdown.move_on_after(seconds if seconds > 0 else FIRST_POLL_SECONDS):
                    await rounds.until(lambda: all(item.snapshot.is_seen for item in watched))
            enough = any if until_first else all
            await self._until(lambda: enough(item.snapshot.is_final for item in watched), deadline, watched)
        finally:
            for item in watched:
                rounds.leave(item)
        return {item.name: item.snapshot for item in watched}

    async def _until(self, done: Callable[[], bool], deadline: float, watched: Sequence[Watched[T]]) -> None:
        """Poll until `done` or `deadline`; a wait that runs out ends with a look, so that it tells what is so."""
        for end in (deadline - LAST_LOOK_SECONDS, deadline):
            left = end - self._clock.monotonic()
            if done() or left <= 0:
                continue
            if end == deadline:
                self._rounds.hasten(watched)
            with self._shutdown.move_on_after(left):
                await self._rounds.until(done)

    def reads_with(self, other: Poller[Any]) -> bool:
        """Whether the same requests show the tasks of both."""
        return self._rounds is other._rounds

    def usual_seconds(self) -> tuple[float, float]:
        """How long most tasks of this kind take: half of them end between these two."""
        return self._schedule.usual()

    def notify(self, name: str) -> None:
        """Poll this task now: a change was announced."""
        self._rounds.notify(name)
