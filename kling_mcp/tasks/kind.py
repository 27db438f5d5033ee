"""One kind of task of one account, wired: its route with look-up, poller and submitter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic

from kling_mcp.tasks.lookup import TaskLookup
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.route import T, TaskRoute
from kling_mcp.tasks.send import AttemptRunner
from kling_mcp.tasks.slot_queue import SlotQueue
from kling_mcp.tasks.submit import Submission, Submitter

if TYPE_CHECKING:
    from kling_mcp.api.throttle import CreateGate
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.tasks.in_flight import InFlight
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.rounds import Rounds
    from kling_mcp.tasks.schedule import PollSchedule
    from kling_mcp.tasks.slots import Ceilings


@dataclass(frozen=True, slots=True)
class TaskKind(Generic[T]):
    """Everything that the core needs for one kind."""

    route: TaskRoute[T]
    lookup: TaskLookup[T]
    poller: Poller[T]
    submitter: Submitter[T]
    slots: SlotQueue[T]

    @property
    def name(self) -> str:
        """Same as `TaskRoute.kind`."""
        return self.route.kind

    async def wait(self, submission: Submission[T], seconds: float) -> Submission[T]:
        """The submission with its task as it is after at most `seconds`; a wait that runs out is no error."""
        task = submission.task
        if task.is_final or seconds <= 0:
            return submission
        snapshot = (await self.poller.wait([task.task_id], seconds, known={task.task_id: task}))[task.task_id]
        warnings = submission.warnings
        if snapshot.last_poll_error:
            warnings = (*warnings, f"The last poll of the task failed: {snapshot.last_poll_error.message}")
        return replace(submission, task=snapshot.task or task, warnings=warnings)


def make_kind(
    route: TaskRoute[T],
    journal: Journal,
    gate: CreateGate,
    clock: Clock,
    *,
    schedule: PollSchedule,
    in_flight: InFlight,
    shutdown: Shutdown,
    ceilings: Ceilings,
    rounds: Rounds[T] | None = None,
) -> TaskKind[T]:
    """Wire one kind. `gate` and `schedule` are per kind, `ceilings` per account, `rounds` as in `Poller`."""
    lookup = TaskLookup(route, journal, clock)
    poller = Poller(route, clock, schedule, shutdown=shutdown, rounds=rounds)
    slots = SlotQueue(journal, poller, ceilings, clock)
    runner = AttemptRunner(route, journal, lookup, gate, slots, clock, shutdown)
    return TaskKind(route, lookup, poller, Submitter(runner, in_flight), slots)
