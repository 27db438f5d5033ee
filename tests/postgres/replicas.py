"""Replicas: server processes that share a database and nothing else, and that can die at any await point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from helpers import API_KEY
from never_twice.crashable import PAIR, Fate, MortalClock, MortalTransport, Process
from never_twice.driver import Theatre

from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, Quirks, SimulatorTransport, World
from kling_mcp.store.postgres.store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_mcp.store import Transaction

T = TypeVar("T")


class MortalPostgresStore(PostgresStore):
    """The real store; the process may die before a transaction and after it. What is not committed is as before."""

    def __init__(self, url: str, clock: MortalClock, fate: Fate) -> None:
        super().__init__(url, clock)
        self._fate = fate

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        kind = "writing" if write else "reading"
        await self._fate.meet(f"before {kind}")
        result = await super().run(work, write=write)
        if write:
            await self._fate.meet(f"after {kind}")
        return result


class Replica(Process):
    """One server process on a computer of its own, in front of the same Kling as the others."""

    def __init__(
        self,
        url: str,
        folder: Path,
        world: World,
        faults: Faults,
        *,
        owner: str,
        fate: Fate | None = None,
        boot: str = "",
        clock_error: float = 0.0,
        has_pair: bool = False,
    ) -> None:
        """`folder` is the replica's own: its index of the library lies there."""
        self.fate = fate or Fate()
        self._mortal_clock = clock = MortalClock(self.fate, boot or owner, clock_error)
        Runtime.__init__(
            self,
            Settings(
                **(PAIR if has_pair else {"api_key": API_KEY}),
                base_url="https://kling.invalid",
                state_url=url,
                state_dir=folder,
                output_dir=folder / "results",
                media_dirs=(),
                thumbnails=False,
            ),
            clock=clock,
            make_transport=lambda: MortalTransport(SimulatorTransport(world, faults), self.fate),
            owner=owner,
        )
        self._store = self._shared = MortalPostgresStore(url, clock, self.fate)


class SharedTheatre(Theatre):
    """The proof's stage, with two replicas instead of two processes on one folder."""

    def __init__(self, url: str, folder: Path, quirks: Quirks) -> None:
        self._url = url
        self._room = folder
        super().__init__(folder, quirks, computers=2)

    def _make_process(self, host: str, **options: Any) -> Process:
        return Replica(self._url, self._room / host, self.world, self.faults, owner=f"{host}:1", **options)
