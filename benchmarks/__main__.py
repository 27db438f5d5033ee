"""Runs the benchmarks one after the other, shows their tables, and keeps each as a dated file in `results/`.

    python benchmarks [NAME ...] [--again] [--quick]

A kept file says on which computer and by which method its figures came about. Each benchmark can be run alone, too.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from measuring.report import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
ORDER = ("context", "start", "first_call", "calls", "waiting", "store", "hosting", "lookup")  # others follow


def names() -> list[str]:
    """Every benchmark, the short ones first."""
    found = {path.stem for path in HERE.glob("*.py")} - {"__main__"}
    return [*(name for name in ORDER if name in found), *sorted(found - set(ORDER))]


def run(name: str, options: Sequence[str]) -> tuple[int, str]:
    """One benchmark in a process of its own, shown while it runs: its exit code and what it printed."""
    command = [sys.executable, str(HERE / f"{name}.py"), *options]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environ()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def keep(name: str, mark: str, said: str) -> Path:
    """Write what a benchmark said, below the computer and the method."""
    today = datetime.now(UTC).date()
    method = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text("utf-8"))) or ""
    path = RESULTS / f"{name}-{today}{mark}.txt"
    path.write_text("\n".join([f"{name}, {today}", *machine(), "", method, "", said.rstrip(), ""]), "utf-8")
    return path


def _environ() -> dict[str, str]:
    """Without the settings of whoever runs this: they must not decide the outcome."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}


def main() -> int:
    """All of them, or those that are named. 1 where one failed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--again", action="store_true", help="keep the files beside those of the first run of the day")
    parser.add_argument("--quick", action="store_true", help="whether they work at all; keeps no files")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    failed = []
    for name in options.names or names():
        print(f"== {name}", flush=True)
        code, said = run(name, ["--quick"] if options.quick else [])
        if code:
            failed.append(name)
        elif not options.quick:
            print(f"kept as {keep(name, '-again' if options.again else '', said).relative_to(HERE.parent)}\n")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
