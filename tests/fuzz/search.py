"""Guided search: inputs that reach code which no input has reached are kept and changed further.

    python -m fuzz.search --inputs 1000000 [--only sheets --only links] [--seed 7]
    python -m fuzz.search --only sheets --replay FILE

The inputs are shared out evenly among the targets, each of which runs in a process of its own; the first finding of a
target ends its search. The search itself is atheris, which is optional (`pip install --group fuzz`) and not to be had
for every platform; without it, the same targets get random changes of true examples, and a line says so. What is worth
keeping is kept in `.fuzz/`, and the next search begins with it. The exit code is 1 if something was found.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.targets import module_of, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.doors import Door

KEPT = Path(".fuzz")
MAX_INPUT, SECONDS_FOR_ONE, MAX_MEGABYTES = 20_000, 20, 3000
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_RATE = re.compile(r"stat::average_exec_per_sec:\s+(\d+)")
_COVERED = re.compile(r"cov: (\d+)")
_ARTIFACT = re.compile(r"Test unit written to (\S+)")
_TOLD = 6_000  # characters of what a finding said


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one search; `found` is what the finding said, "" for none."""

    name: str
    inputs: int
    seconds: float
    rate: float
    covered: str
    found: str = ""


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    options = _options(arguments)
    if options.worker:
        _work(options.worker, options.rest)
        return 0
    known = targets()
    chosen = {name: known[name] for name in options.only or known}
    if options.replay:
        next(iter(chosen.values())).run(options.replay.read_bytes())
        print("Nothing was found.")
        return 0
    if options.inputs < len(chosen):
        return 0
    is_guided = find_spec("atheris") is not None
    if not is_guided:
        print("left out: guided search: atheris is not installed; true examples are changed at random instead")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 2**31)
    share = options.inputs // len(chosen)
    print(f"{share:,} inputs for each of {len(chosen)} targets, seed {seed}", flush=True)
    search = _guided if is_guided else _unguided
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: _told(search(name, chosen[name], share, seed)), chosen))
    inputs, seconds = sum(one.inputs for one in results), sum(one.seconds for one in results)
    found = [one for one in results if one.found]
    print(f"{inputs:,} inputs in {seconds:,.0f} seconds of search, {len(found)} findings")
    for one in found:
        print(f"\n== {one.name}\n{one.found}")
    return 1 if found else 0


def _told(result: Result) -> Result:
    found = "  FOUND" if result.found else ""
    print(
        f"  {result.name:<24} {result.inputs:>10,} inputs {result.rate:>8,.0f}/s  covers {result.covered:>6}{found}",
        flush=True,
    )
    return result


def _unguided(name: str, door: Door, number: int, seed: int) -> Result:
    from fuzz.mutants import mutants  # noqa: PLC0415 - a worker imports nothing of this before it has its instruments

    began, done, found = time.monotonic(), 0, ""
    for data in mutants(door, number, f"{name} {seed}"):
        done += 1
        if found := _told_by(door, data):
            break
    seconds = time.monotonic() - began
    return Result(name, done, seconds, done / max(seconds, 0.001), "-", found)


def _guided(name: str, door: Door, number: int, seed: int) -> Result:
    corpus = KEPT / name.replace(" ", "-")
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        seeds, words = Path(place, "seeds"), Path(place, "words")
        seeds.mkdir()
        for order, data in enumerate(door.make_seeds()):
            (seeds / str(order)).write_bytes(data)
        words.write_text("\n".join(map(_word, door.words)), "ascii")
        command = [
            *(sys.executable, "-m", "fuzz.search", "--worker", f"{module_of(name)}/{name}"),
            *(f"-runs={number}", f"-seed={seed}", f"-max_len={MAX_INPUT}", f"-timeout={SECONDS_FOR_ONE}"),
            *(f"-rss_limit_mb={MAX_MEGABYTES}", f"-artifact_prefix={corpus}-", "-print_final_stats=1"),
            *([f"-dict={words}"] if door.words else []),
            *(str(corpus), str(seeds)),
        ]
        began = time.monotonic()
        ran = subprocess.run(command, capture_output=True, check=False)
        seconds = time.monotonic() - began
    said = (ran.stdout + ran.stderr).decode("utf-8", "replace")
    runs, rate, covered = (int((["0", *pattern.findall(said)])[-1]) for pattern in (_RUNS, _RATE, _COVERED))
    found = _finding(name, door, said) if ran.returncode else ""
    return Result(name, runs, seconds, rate or runs / seconds, str(covered), found)


def _finding(name: str, door: Door, said: str) -> str:
    """What the input that ended a search does here, or what the search said where it does nothing here."""
    artifact = _ARTIFACT.search(said)
    if artifact is None:
        return said[-_TOLD:]
    data = Path(artifact[1]).read_bytes()
    told = _told_by(door, data) or said[-_TOLD:]
    return f"{told}\nAgain: PYTHONPATH=tests python -m fuzz.search --only '{name}' --replay {artifact[1]}"


def _told_by(door: Door, data: bytes) -> str:
    """What this input does; "" for nothing wrong."""
    try:
        door.run(data)
    except Exception as error:  # noqa: BLE001 - any error is a finding
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        return f"{where}{type(error).__name__}: {error}\nof {data[:2000]!r}"
    return ""


def _word(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def _work(worker: str, rest: Sequence[str]) -> None:
    """Search in this process; libFuzzer ends it."""
    atheris: Any = import_module("atheris")  # optional, and without types
    module, _, name = worker.partition("/")
    with atheris.instrument_imports(include=["kling_mcp"], enable_loader_override=False):
        from fuzz.mutants import changed_value  # noqa: PLC0415 - under instruments

        door = targets(module)[name]

    def change(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.5:
            return changed_value(data, door.json_at, dice)[:most]
        changed: bytes = atheris.Mutate(data, most)
        return changed

    atheris.Setup([sys.argv[0], *rest], door.run, custom_mutator=change if door.json_at >= 0 else None)
    atheris.Fuzz()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz.search")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.worker:
        parser.error(f"unknown: {' '.join(rest)}")
    options.rest = rest
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
