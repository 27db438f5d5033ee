"""What the first call of a process costs more than the second: what a start left to be loaded until it is needed.

    python benchmarks/first_call.py [--rounds 20] [--quick]

Each round starts each server anew, with an empty state folder, lists its tools and asks for the same element three
times, over stdio in the newest protocol; Kling is the simulator in a process of its own. Milliseconds are those of the
processor, of all threads of the server. The floor is a server on the MCP SDK with one tool that makes the same request
and hands Kling's answer on; it imports its HTTP client and reads the system's certificates before it is asked anything.
Brackets hold the distance between the quartiles.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from calls import META, Kling, arguments_of, environ_of, kling_running, processor_ms
from measuring.contestants import Contestant, own_environment
from measuring.report import Spread, load, ratio, table, take_turns

HERE = Path(__file__).resolve().parent
CALLS = 3
FLOOR = "SDK, one tool"


@dataclass(frozen=True, slots=True)
class Reading:
    """Milliseconds of processor time: until the tools were listed, and of each call."""

    start: float
    calls: list[float]

    @property
    def dearer(self) -> float:
        """The first call less the second."""
        return self.calls[0] - self.calls[1]

    @property
    def both(self) -> float:
        """Start and first call: what a chat with one call takes."""
        return self.start + self.calls[0]


def read(way: str, server: Contestant, kling: Kling) -> Reading:
    """One process, from its start to its last call."""
    tool, arguments = arguments_of(way, "get_element", kling.tasks[0])
    call: dict[str, Any] = {"name": tool, "arguments": arguments, "_meta": META}
    with server.start() as conversation:
        conversation.ask_newest("server/discover")
        conversation.tools(newest=True)
        spent = [processor_ms(conversation.pid)]
        for _ in range(CALLS):
            answer, _ = conversation.ask("tools/call", call)
            assert not answer.get("isError"), answer
            spent.append(processor_ms(conversation.pid))
    return Reading(spent[0], [after - before for before, after in itertools.pairwise(spent)])


def read_ours(command: str, kling: Kling) -> Reading:
    """Ours, with a state folder that nothing is in."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            name: text for name, text in environ_of(kling.url, Path(folder)).items() if name.startswith("KLING_")
        }
        return read("ours", Contestant("ours", (command,), environ), kling)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="one round, nothing is installed")
    options = parser.parse_args()
    folder = own_environment(quick=options.quick)
    rounds, warm_up = (1, 0) if options.quick else (options.rounds, 2)
    with kling_running() as kling:
        bare = Contestant(
            "SDK", (str(folder / "python"), str(HERE / "calls.py"), "--serve", "SDK", "--kling", kling.url)
        )
        readers: dict[str, Callable[[], Reading]] = {
            FLOOR: partial(read, "SDK", bare, kling),
            "kling-mcp": partial(read_ours, str(folder / "kling-mcp"), kling),
        }
        readings = take_turns(readers, rounds, warm_up=warm_up)
    rows = []
    for name, found in readings.items():
        figures = [[one.start for one in found], *([one.calls[place] for one in found] for place in range(CALLS))]
        figures.append([one.dearer for one in found])
        both = [one.both for one in found]
        cells = [Spread.of(values).cell(1) for values in [*figures, both]]
        rows.append([name, *cells, ratio(both, [one.both for one in readings[FLOOR]]).cell(2)])
    print(f"{rounds} rounds, {load()}")
    titles = ["ms of processor", "start", "first call", "second", "third", "first - second", "start + first", "/ SDK"]
    print(table(titles, rows), flush=True)


if __name__ == "__main__":
    main()
