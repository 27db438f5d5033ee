"""How long a slow disk holds up everything else: our store, and the same transactions on the event loop.

    python benchmarks/store.py [--callers 100] [--commit-ms 20 0] [--rounds 10] [--quick]

A burst of callers, all at once, each of whom writes down a creation as a real one does: it is claimed, it is about to
be sent, it was accepted; each a transaction of its own, with Kling's answer (50 ms) before the last. Beside them a
heartbeat wants to wake up every 5 ms, as every other request, progress message and lease of the same process does.
How late it wakes up is how long the event loop stood still.

The disk is made slow from outside, with nothing of ours replaced: each connection that sqlite3 opens is given a trace
function, which SQLite calls where it begins a statement. For the COMMIT of a transaction that writes it sleeps, in the
thread that commits, without the interpreter's lock and with the file's lock held, as fsync does. The file is in memory
where the machine has a place for that (/dev/shm), so that the disk is as slow as it is said to be and not slower.

"on the loop" is how the store worked before: the same class, file and statements, and `run` calls them on the loop.
"no store" is the floor: the callers wait in line for as long as a slow commit takes, and nothing is written; its
stalls are those of the machine. Contestants take turns in each round. Figures are medians of the rounds, with the
distance of the quartiles in brackets; stall is the latest beat of a round, p99 is of all its beats.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from measuring.report import Spread, ratio, table, take_turns

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.store import Row, Store, Transaction

T = TypeVar("T")

BEAT_SECONDS = 0.005
KLING_SECONDS = 0.05
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - holds a directory of our own


class StoreOnTheLoop(SqliteStore):
    """The store as it was: every transaction runs where it is asked for."""

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        return self._attempt(work, write=write)


class NoStore:
    """Takes as long as the disk, and writes nothing."""

    was_damaged = is_new = False

    def __init__(self, disk: SlowDisk) -> None:
        self._disk = disk
        self._turn = anyio.Lock()

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        async with self._turn:
            if write:
                await anyio.sleep(self._disk.seconds)
        return work(_Nothing())

    def close(self) -> None:
        """There is nothing to close."""


class _Nothing:
    def fetch(self, sql: str, *parameters: object) -> list[Row]:
        del sql, parameters
        return []

    def execute(self, sql: str, *parameters: object) -> int:
        del sql, parameters
        return 1


class SlowDisk:
    """Makes every commit that writes take longer, on each connection that is opened from now on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        connect = sqlite3.connect

        def slow_connect(*args: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **options)
            connection.set_trace_callback(self._watch())
            return connection

        setattr(sqlite3, "connect", slow_connect)  # noqa: B010 - as a statement it would need the type of every form

    def _watch(self) -> Callable[[str], None]:
        """What one connection calls at the beginning of each statement."""
        is_writing = False

        def begin(statement: str) -> None:
            nonlocal is_writing
            if statement.startswith("BEGIN"):
                is_writing = statement == "BEGIN IMMEDIATE"
            elif statement == "COMMIT" and is_writing:
                time.sleep(self.seconds)

        return begin


@dataclass(frozen=True, slots=True)
class Burst:
    """What one burst was like, in milliseconds."""

    total: float
    stall: float
    p99: float


async def one_creation(store: Store, number: int) -> None:
    """Three transactions, and Kling's answer before the last."""
    name = f"creation {number}"
    content = "x" * 300  # as long as an entry of the journal
    await store.run(lambda tx: tx.execute("INSERT INTO keys VALUES (?, ?)", name, f"claimed {content}"), write=True)
    await store.run(lambda tx: _update(tx, name, f"sending {content}"), write=True)
    await anyio.sleep(KLING_SECONDS)
    await store.run(lambda tx: _update(tx, name, f"accepted {content}"), write=True)


def _update(tx: Transaction, name: str, value: str) -> int:
    return tx.execute("UPDATE keys SET value = ? WHERE name = ?", value, name)


async def beat(late: list[float]) -> None:
    """Note how late each beat comes, in milliseconds."""
    while True:
        due = time.perf_counter() + BEAT_SECONDS
        await anyio.sleep(BEAT_SECONDS)
        late.append((time.perf_counter() - due) * 1000)


async def burst(make_store: Callable[[Path], Store], callers: int) -> Burst:
    """All callers at once, on a new file that is open already."""
    late: list[float] = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, closing(make_store(Path(folder))) as store:
        await store.run(lambda tx: tx.fetch("SELECT name FROM keys"), write=False)
        async with anyio.create_task_group() as everything:
            everything.start_soon(beat, late)
            await anyio.sleep(10 * BEAT_SECONDS)
            began = time.perf_counter()
            async with anyio.create_task_group() as group:
                for number in range(callers):
                    group.start_soon(one_creation, store, number)
            total = (time.perf_counter() - began) * 1000
            await anyio.sleep(2 * BEAT_SECONDS)  # the beat that was held up at last
            everything.cancel_scope.cancel()
        written = await store.run(
            lambda tx: tx.fetch("SELECT name FROM keys WHERE value LIKE 'accepted%'"), write=False
        )
        assert len(written) == callers or isinstance(store, NoStore)
    return Burst(total, max(late), statistics.quantiles(late, n=100, method="inclusive")[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=100)
    parser.add_argument(
        "--commit-ms", type=float, nargs="+", default=[20.0, 0.0], help="how much longer a commit takes"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="one round with five callers")
    options = parser.parse_args()
    warm_up = 1
    if options.quick:
        options.callers, options.rounds, warm_up = 5, 1, 0
    disk, clock = SlowDisk(), SystemClock()
    makers: dict[str, Callable[[Path], Store]] = {
        "ours": lambda folder: SqliteStore(folder, clock),
        "on the loop": lambda folder: StoreOnTheLoop(folder, clock),
        "no store": lambda _: NoStore(disk),
    }
    rows: list[list[object]] = []
    for milliseconds in options.commit_ms:
        disk.seconds = milliseconds / 1000
        runs = {name: partial(anyio.run, burst, maker, options.callers) for name, maker in makers.items()}
        readings = take_turns(runs, options.rounds, warm_up=warm_up)
        label = f"{options.callers} callers, {milliseconds:g} ms"
        rows.extend([label, name, *_cells(bursts)] for name, bursts in readings.items())
        ours = readings.pop("ours")
        rows.extend([label, f"ours : {name}", *_ratios(ours, bursts)] for name, bursts in readings.items())
    print(table(("burst, commit takes longer by", "store", "total ms", "stall ms", "p99 late ms"), rows))


def _cells(bursts: list[Burst]) -> list[str]:
    return [
        Spread.of(one.total for one in bursts).cell(),
        Spread.of(one.stall for one in bursts).cell(1),
        Spread.of(one.p99 for one in bursts).cell(1),
    ]


def _ratios(ours: list[Burst], others: list[Burst]) -> list[str]:
    return [
        ratio([one.total for one in ours], [one.total for one in others]).cell(2),
        ratio([one.stall for one in ours], [one.stall for one in others]).cell(3),
        ratio([one.p99 for one in ours], [one.p99 for one in others]).cell(3),
    ]


if __name__ == "__main__":
    main()
