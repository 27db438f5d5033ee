"""The campaign on the command line: `make soak`, or `python -m soak` with `tests` on the path.

    --seed 7        the same wishes, ills and kills again; by default a new one
    --wishes 500    how many, at each place
    --first 3001    begin at this wish: the rest of a campaign that was interrupted, on new state
    --quick         a short one, for CI: few faults after which servers have to wait, and more kills
    --place folder  or `postgres`, or `both`, the default

The exit code says whether the promise was kept. A server process and Kling's replies race with each other, so a seed
repeats what is asked and what goes wrong, but not the moment at which it does.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import random
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from postgres.server import Server, why_not

from soak.campaign import Outcome, Plan, report, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUICK_WISHES, QUICK_SLOW, QUICK_KILL_SECONDS = 150, 2, (1.5, 3.0)

say = functools.partial(print, flush=True)  # at once, also into a pipe


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where nothing was made twice, lost, or paid for and not kept."""
    options = _options(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**31)
    say(f"Seed {seed}; to repeat this: make soak SEED={seed} WISHES={options.wishes}")
    held = True
    for place in ("folder", "postgres"):
        if options.place not in {place, "both"}:
            continue
        if place == "postgres" and (reason := why_not()):
            say(f"left out: two replicas on one database: {reason}")
            continue
        with _state_url(place) as url:
            outcome = _play(_plan(options, seed, url))
        held &= outcome.verdict.holds
        if outcome.was_interrupted:
            return 1
    return 0 if held else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--wishes", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=96)
    parser.add_argument("--place", choices=("folder", "postgres", "both"), default="both")
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace, seed: int, state_url: str) -> Plan:
    plan = Plan(seed=seed, first=options.first, last=options.wishes, at_once=options.at_once, state_url=state_url)
    if not options.quick:
        return plan
    return replace(plan, last=min(plan.last, QUICK_WISHES), most_slow=QUICK_SLOW, kill_seconds=QUICK_KILL_SECONDS)


def _play(plan: Plan) -> Outcome:
    """Run it, say what came of it, and keep its files if something was found."""
    room = Path(tempfile.mkdtemp(prefix="kmcp-soak-"))
    outcome = asyncio.run(run(plan, room, say))
    for line in report(outcome):
        say(line)
    if outcome.was_interrupted:
        say(f"Interrupted. The rest: make soak SEED={plan.seed} WISHES={plan.last} FIRST={_first_missing(outcome)}")
    if outcome.verdict.holds:
        shutil.rmtree(room, ignore_errors=True)
    else:
        say(f"  Everything that it left is in {room}")
    return outcome


def _first_missing(outcome: Outcome) -> int:
    answered = {wish.number for wish in outcome.wishes}
    return next(number for number in range(outcome.plan.first, outcome.plan.last + 2) if number not in answered)


@contextmanager
def _state_url(place: str) -> Iterator[str]:
    """The address of a new database, or "" for a folder."""
    if place == "folder":
        yield ""
        return
    server = Server.begin()
    try:
        yield server.url(server.new_database())
    finally:
        server.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
