"""How long a server takes to start: ours, a bare server on the same SDK, and servers that others wrote.

    python benchmarks/start.py [--rounds 30] [--quick]

From just before the process is started to the line with the answer, spoken in bare JSON over stdin and stdout. All
take turns, each round in another order; the first two rounds are dropped (files into memory, bytecode onto disk).
The process is killed when `tools/list` is there, so its processor time and memory are those of the start alone.
Ratios are to the bare server, round by round; processor time is steadier than the clock where others use the computer.
The bare server has one tool with the fields of our `get_element`, and shares our environment, which holds what an
installation holds and no more. Each of the others has the newest version that the package index gives this Python.
Brackets hold the distance between the quartiles.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measuring.contestants import Contestant, floor, ours, own_environment, peers
from measuring.conversation import HANDSHAKE, NEWEST, Conversation, NoAnswerError
from measuring.report import Spread, load, ratio, table, take_turns

MARKS = {"python alone": "pass", "import mcp.server": "import mcp.server"}


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds to the first answer and to `tools/list`; of processor time; megabytes at most."""

    first: float
    tools: float
    cpu: float
    peak_mb: float


Reader = Callable[[], Start]


def handshake(contestant: Contestant) -> Start:
    """As clients of the older protocol start a server."""
    with contestant.start() as conversation:
        _, first = conversation.hello()
        _, tools = conversation.tools()
        return _reading(conversation, first, tools)


def newest(contestant: Contestant) -> Start:
    """As clients of the newest protocol do."""
    with contestant.start() as conversation:
        _, first = conversation.ask_newest("server/discover")
        _, tools = conversation.tools(newest=True)
        return _reading(conversation, first, tools)


def mark(python: Path, work: str) -> Start:
    """Something that every server does first."""
    with Conversation([str(python), "-c", f"{work}\nprint(flush=True)\ninput()"]) as conversation:
        conversation.line()
        moment = conversation.moment()
        return _reading(conversation, moment, moment)


def _reading(conversation: Conversation, first: float, tools: float) -> Start:
    cost = conversation.end()
    return Start(first * 1000, tools * 1000, cost.cpu * 1000, cost.peak_mb)


def speaks_newest(contestant: Contestant) -> bool:
    """Whether the contestant knows the newest protocol."""
    try:
        newest(contestant)
    except NoAnswerError:
        return False
    return True


def show(first: str, readings: dict[str, list[Start]], bare: str, sdks: dict[str, str]) -> None:
    """One table."""
    titles = ("ms", "SDK", first, "tools/list", "/ bare", "CPU", "/ bare", "MB")
    rows = []
    for name, starts in readings.items():
        listed, spent = (ratio(each(starts), each(readings[bare])) for each in (_tools, _cpu))
        rows.append(
            (
                name,
                sdks.get(name, ""),
                Spread.of(start.first for start in starts).cell(),
                Spread.of(_tools(starts)).cell() if name in sdks else "",
                listed.cell(2),
                Spread.of(_cpu(starts)).cell(),
                spent.cell(2),
                f"{Spread.of(start.peak_mb for start in starts).median:.0f}",
            )
        )
    print(table(titles, rows), flush=True)


def _tools(starts: list[Start]) -> list[float]:
    return [start.tools for start in starts]


def _cpu(starts: list[Start]) -> list[float]:
    return [start.cpu for start in starts]


def main() -> None:
    """Both tables, from the same rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="one round, no other servers, nothing is installed")
    options = parser.parse_args()
    folder = own_environment(quick=options.quick)
    with tempfile.TemporaryDirectory() as state:
        others, absent = ([], []) if options.quick else peers(Path(state))
        bare = floor(folder)
        servers = [bare, ours(folder, Path(state)), *others]
        modern = [server for server in servers if speaks_newest(server)]
        readers: dict[str, Reader] = {name: partial(mark, folder / "python", work) for name, work in MARKS.items()}
        readers |= {server.name: partial(handshake, server) for server in servers}
        readers |= {f"{server.name}, newest": partial(newest, server) for server in modern}
        rounds, warm_up = (1, 0) if options.quick else (options.rounds, 2)
        readings = take_turns(readers, rounds, warm_up=warm_up)
    sdks = {server.name: server.sdk for server in servers}
    print(f"{rounds} rounds, {load()}\n\nprotocol {HANDSHAKE}, with its handshake")
    show("initialize", {name: readings[name] for name in [*MARKS, *sdks]}, bare.name, sdks)
    print(f"\nprotocol {NEWEST}, without one")
    show("server/discover", {server.name: readings[f"{server.name}, newest"] for server in modern}, bare.name, sdks)
    print("\n".join(["", *absent]))


if __name__ == "__main__":
    main()
