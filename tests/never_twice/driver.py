"""Runs calls of several processes one await point at a time, in an order that somebody else chooses.

Every seam of a process (see `crashable`) parks its task until it is released, and virtual time stands still until it
is told to go on. So an interleaving is a list of plain choices, and the same choices are the same interleaving.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

import anyio
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.errors import KlingError
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.tasks.journal import RENEW_SECONDS
from never_twice.crashable import FILES, Fate, Process, is_crash
from never_twice.wishes import content_of, tasks_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from pathlib import Path

    from kling_mcp.simulator.records import AnyTask
    from kling_mcp.tasks.submit import Submission
    from never_twice.wishes import Draft

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SteppedLoop(VirtualLoop):
    """A virtual loop that is run until nothing can go on without time or a choice."""

    _ready: deque[asyncio.Handle]

    def run_until_quiet(self) -> None:
        """Run whatever can run now; time stands still."""
        self.run_until_complete(self._quiet())

    async def _quiet(self) -> None:
        while True:
            await asyncio.sleep(0)
            if not self._ready and not self.has_busy_threads():
                return

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """In the executor's thread, but to its end: which of two processes writes faster is no choice of a test."""
        assert executor is not None
        ended = executor.submit(func, *args)
        concurrent.futures.wait([ended])
        return asyncio.wrap_future(ended, loop=self)


@dataclass(slots=True)
class Parked:
    """One task at one seam, waiting to be released."""

    where: str
    gate: asyncio.Event = field(default_factory=asyncio.Event)


class Parking(Fate):
    """Parks every task that comes to a seam, until `is_free` or released one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.parked: list[Parked] = []
        self.is_free = False

    async def decide(self, where: str) -> None:
        if self.is_free or self.is_dead:
            return
        place = Parked(where)
        self.parked.append(place)
        try:
            await place.gate.wait()
        finally:
            if place in self.parked:
                self.parked.remove(place)

    def release(self, number: int = 0) -> None:
        """Let one parked task go on."""
        if self.parked:
            self.parked.pop(number % len(self.parked)).gate.set()


@dataclass(slots=True, eq=False)
class Computer:
    """A computer; `boot` names its start, and `clock_error` is what is wrong with its wall clock."""

    boot: str = field(default_factory=lambda: uuid.uuid4().hex)
    clock_error: float = 0.0


@dataclass(slots=True, eq=False)
class Call:
    """One creation call of somebody. `overlapped` says whether another call for the same content ran beside it."""

    draft: Draft
    task: asyncio.Task[Submission[Any]]
    fate: Parking
    overlapped: bool = False
    was_cancelled: bool = False

    @property
    def result(self) -> Submission[Any] | KlingError | None:
        """What the caller was told; None if the caller left or died with the process, or still waits."""
        if not self.task.done() or self.task.cancelled():
            return None
        error = self.task.exception()
        if error is None:
            return self.task.result()
        if isinstance(error, KlingError):
            return error
        assert self.fate.is_dead, error
        assert is_crash(error), error
        return None


class Theatre:
    """One Kling, one state folder, two processes on it, and the calls that they work on.

    The processes run on one computer, or on one each; every computer has a wall clock that may step.
    """

    def __init__(self, folder: Path, quirks: Quirks, *, computers: int = 1, has_pair: bool = False) -> None:
        """`has_pair`: with the older key pair, whose tasks are read on the route that made them."""
        self.has_pair = has_pair
        self.loop = SteppedLoop()
        clock = VirtualClock()
        self.folder = folder
        self.faults = Faults()
        self.world = World(
            lambda: clock.epoch + self.loop.time(),
            api_keys=[API_KEY],
            key_pairs={ACCESS_KEY: SECRET_KEY},
            quirks=quirks,
            files_origin=FILES,
        )
        self.processes: list[Process] = []
        self.fates: list[Parking] = []
        self.calls: list[Call] = []
        self._born = 0
        self._computers = [Computer() for _ in range(computers)]
        for _ in range(2):
            self._start_process()

    # ---- what may happen

    def make(self, place: int, draft: Draft, *, allow_duplicate_name: bool, patience: float) -> None:
        """A process is asked for an element or a voice."""
        process, fate = self.processes[place], self.fates[place]
        making = process.make(draft, allow_duplicate_name=allow_duplicate_name, patience=patience)
        call = Call(draft, self.loop.create_task(making), fate)
        for other in self.unanswered():
            if content_of(other.draft) == content_of(draft):
                call.overlapped = other.overlapped = True
        self.calls.append(call)
        self.loop.run_until_quiet()

    def step(self, place: int, number: int) -> None:
        """One parked task of a process goes on until it can go no further."""
        self.fates[place].release(number)
        self.loop.run_until_quiet()

    def run_on(self) -> None:
        """Everybody goes on, in turn, as far as it goes without time."""
        while any(fate.parked for fate in self.fates):
            for place in range(len(self.fates)):
                self.step(place, 0)

    def pass_time(self, seconds: float, *, stalling: bool) -> None:
        """Time passes. Unless `stalling`, nobody is kept from working while it does."""
        pause = seconds if stalling else RENEW_SECONDS / 2
        while seconds > 0:
            if not stalling:
                self.run_on()
            self._run(anyio.sleep(min(pause, seconds)))
            seconds -= pause
        self.loop.run_until_quiet()

    def step_clock(self, place: int, seconds: float) -> None:
        """Somebody sets the wall clock of a process's computer."""
        computer = self._computer_of(place)
        computer.clock_error += seconds
        for other, process in enumerate(self.processes):
            if self._computer_of(other) is computer:
                process.step_clock(seconds)

    def cancel(self, number: int) -> None:
        """A caller gives up."""
        waiting = self.unanswered()
        if waiting:
            call = waiting[number % len(waiting)]
            call.was_cancelled = True
            call.task.cancel()
            self.loop.run_until_quiet()

    def crash(self, place: int, *, restart: bool = False) -> None:
        """A process dies where it stands; another one starts in its place, perhaps after a restart of the computer."""
        fate = self.fates[place]
        fate.is_dead = True
        for call in self.calls:
            if call.fate is fate:
                call.task.cancel()
        self._run(self.processes[place].in_flight.aclose(0))
        self.loop.run_until_quiet()
        self._run(self.processes[place].aclose())
        if restart and len(self._computers) > 1:  # otherwise the other process would not live through it
            self._computer_of(place).boot = uuid.uuid4().hex
        self._start_process(place)

    # ---- what can be asked

    def unanswered(self) -> list[Call]:
        """The calls that still run."""
        return [call for call in self.calls if not call.task.done()]

    def tasks(self) -> list[AnyTask]:
        """Every task at Kling."""
        return tasks_at(self.world)

    def finish(self) -> None:
        """All misfortune ends, everybody who still waits is answered, and what was left on its way has arrived."""
        self.faults.clear()
        for _ in range(200):
            if not self.unanswered() and not any(process.in_flight.is_busy for process in self.processes):
                return
            self.pass_time(10, stalling=False)
        raise AssertionError(f"a call never ends: {self.unanswered()}")

    def ask(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end with nobody in its way."""
        for fate in self.fates:
            fate.is_free = True
        try:
            return self._run(work)
        finally:
            for fate in self.fates:
                fate.is_free = False

    def close(self) -> None:
        """End everything that this interpreter holds."""
        for fate in self.fates:
            fate.is_dead = True
        for call in self.unanswered():
            call.task.cancel()
        for process in self.processes:
            self._run(process.in_flight.aclose(0))
        self.loop.run_until_quiet()
        for process in self.processes:
            self._run(process.aclose())
        self._run(self.loop.shutdown_asyncgens())
        self.loop.close()

    # ---- inside

    def _computer_of(self, place: int) -> Computer:
        return self._computers[place % len(self._computers)]

    def _start_process(self, place: int | None = None) -> None:
        self._born += 1
        fate = Parking()
        computer = self._computer_of(len(self.processes) if place is None else place)
        options = {"fate": fate, "boot": computer.boot, "clock_error": computer.clock_error, "has_pair": self.has_pair}
        process = self._make_process(f"host-{self._born}", **options)
        if place is None:
            self.processes.append(process)
            self.fates.append(fate)
        else:
            self.processes[place], self.fates[place] = process, fate

    def _make_process(self, host: str, **options: Any) -> Process:
        return Process(self.folder, self.world, self.faults, owner=f"{host}:1", **options)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)
