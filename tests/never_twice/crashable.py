"""A server process that can die at any await point, with nothing of its own getting a last word.

`Process` is the real `Runtime`. Its seams to the outside (the store's file, the network, the clock's sleep) ask a
`Fate` before and after each use. Once the process is dead, every seam refuses with `CrashError`, so clean-up code
that still runs in this interpreter changes nothing, as if the process had been killed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.tasks.intent import make_intent
from kling_mcp.tasks.submit import SubmitRequest
from kling_mcp.voices import preflight
from never_twice.wishes import GenerationDraft, VoiceDraft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_mcp.elements.create import Creation
    from kling_mcp.elements.draft import ElementDraft
    from kling_mcp.generation.generator import Generation
    from kling_mcp.store import Transaction
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.submit import Submission
    from never_twice.wishes import Draft

T = TypeVar("T")

# Where the simulated Kling keeps results; only the vendor's own hosts are followed.
FILES = "https://v1.klingai.com"
PAIR: dict[str, Any] = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}


class CrashError(BaseException):
    """The process is dead. No code of ours may catch it."""


def is_crash(error: BaseException) -> bool:
    """Whether this is the process's death and nothing else, task groups around it or not."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_crash(inner) for inner in error.exceptions)
    return isinstance(error, CrashError)


class Fate:
    """Decides at every seam whether the process lives on. This one never kills by itself."""

    def __init__(self) -> None:
        self.is_dead = False

    async def meet(self, where: str) -> None:
        """Pass a seam.

        Raises:
            CrashError: the process is dead.
        """
        await self.decide(where)
        if self.is_dead:
            raise CrashError(where)

    async def decide(self, where: str) -> None:
        """Set `is_dead`, or wait, or do nothing."""


class DiesAtStep(Fate):
    """Kills the process at its n-th seam, counted from 1; 0 never does. `met` lists the seams so far."""

    def __init__(self, step: int = 0) -> None:
        super().__init__()
        self._step = step
        self.met: list[str] = []

    async def decide(self, where: str) -> None:
        self.met.append(where)
        if len(self.met) == self._step:
            self.is_dead = True


class MortalStore(SqliteStore):
    """The real store; the process may die before a transaction and after it."""

    def __init__(self, folder: Path | None, clock: VirtualClock, fate: Fate) -> None:
        super().__init__(folder, clock)
        self._fate = fate

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        kind = "writing" if write else "reading"
        await self._fate.meet(f"before {kind}")
        result = await super().run(work, write=write)
        if write:
            await self._fate.meet(f"after {kind}")
        return result


class MortalTransport(httpx.AsyncBaseTransport):
    """The simulated network; the process may die before a request leaves and after its reply came."""

    def __init__(self, kling: SimulatorTransport, fate: Fate) -> None:
        self._kling = kling
        self._fate = fate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._fate.meet(f"before {request.method}")
        response = await self._kling.handle_async_request(request)
        await self._fate.meet(f"after {request.method}")
        return response


class MortalClock(VirtualClock):
    """The virtual clock; the process may die asleep."""

    def __init__(self, fate: Fate, boot: str = "a-computer", error: float = 0.0) -> None:
        super().__init__(boot=boot, error=error)
        self._fate = fate

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self._fate.is_dead:
            raise CrashError("asleep")


class Process(Runtime):
    """One server process on a shared folder, in front of a shared Kling. It may read pictures beside the folder."""

    def __init__(
        self,
        folder: Path,
        world: World,
        faults: Faults,
        *,
        owner: str,
        fate: Fate | None = None,
        max_creates: int = 3,
        api_key: str = API_KEY,
        boot: str = "a-computer",
        clock_error: float = 0.0,
        hosting: HostingSettings | None = None,
        has_pair: bool = False,
    ) -> None:
        """`boot` names the start of its computer, and `clock_error` is what is wrong with its wall clock."""
        self.fate = fate or Fate()
        self._mortal_clock = clock = MortalClock(self.fate, boot, clock_error)
        super().__init__(
            Settings(
                **(PAIR if has_pair else {"api_key": api_key}),
                base_url="https://kling.invalid",
                state_dir=folder,
                media_dirs=(folder.parent,),
                max_creates=max_creates,
                hosting=hosting or HostingSettings(),
                output_dir=folder / "results",
            ),
            clock=clock,
            make_transport=lambda: MortalTransport(SimulatorTransport(world, faults), self.fate),
            owner=owner,
        )
        self._store = MortalStore(folder, clock, self.fate)

    def step_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._mortal_clock.error += seconds

    async def create(
        self, draft: ElementDraft, *, patience: float = 45.0, allow_duplicate_name: bool = False
    ) -> Creation:
        """What the creating tools do."""
        creator = self.own_account().creator
        return await creator.create(draft, allow_duplicate_name=allow_duplicate_name, timeout=patience)

    async def make(
        self, draft: Draft, *, patience: float = 45.0, allow_duplicate_name: bool = False
    ) -> Submission[Any]:
        """Make whatever the draft asks for; a voice under a caller's own id with nothing but the core around it."""
        if isinstance(draft, GenerationDraft):
            generator = self.own_account().generator
            return await generator.submit(await generator.prepare(draft), timeout=patience)
        if not isinstance(draft, VoiceDraft):
            return await self.create(draft, patience=patience, allow_duplicate_name=allow_duplicate_name)
        account = self.own_account()
        if not draft.external_task_id:
            creator = account.voice_creator
            wanted = preflight.VoiceDraft(draft.voice_name, draft.voice_url)
            return await creator.submit(await creator.prepare(wanted), timeout=patience)
        body = {"voice_name": draft.voice_name, "voice_url": draft.voice_url}

        async def make_body(_: JournalEntry) -> dict[str, object]:
            return dict(body)

        content = [draft.voice_name, draft.voice_url]
        caller_id = draft.external_task_id
        intent = make_intent("voice", account.client.account, content, label=draft.voice_name, caller_id=caller_id)
        deadline = self.clock.monotonic() + patience
        return await account.voice_tasks.submitter.submit(
            SubmitRequest(intent=intent, make_body=make_body, deadline=deadline)
        )

    async def film(self, draft: GenerationDraft, *, patience: float = 1000.0) -> Generation:
        """What the paid tools do once a person has agreed: make it, wait, and save it."""
        generator = self.own_account().generator
        return await generator.generate_and_wait(await generator.prepare(draft), wait_seconds=patience)

    async def die_while_creating(self, draft: Draft, *, after: float) -> None:
        """Ask for an element, and be killed `after` seconds, at whatever the call is waiting for then."""
        call = asyncio.ensure_future(self.make(draft))
        await asyncio.sleep(after)
        self.fate.is_dead = True
        await self.in_flight.aclose(0)
        call.cancel()
        try:
            await call
        except asyncio.CancelledError:
            return
        except BaseException as death:
            if not is_crash(death):
                raise


class Processes:
    """Starts processes on one folder, and closes what they held open."""

    def __init__(self, folder: Path, world: World, faults: Faults) -> None:
        self.folder = folder
        self.world = world
        self.faults = faults
        self._started: list[Process] = []

    def start(self, **options: Any) -> Process:
        """One more process, on a computer of its own: only its lease tells the others whether it lives."""
        owner = f"computer-{len(self._started)}:1"
        process = Process(self.folder, self.world, self.faults, **{"owner": owner, **options})
        self._started.append(process)
        return process

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._started:
            await process.aclose()
