"""Changes the core in small ways, one at a time, and says which changes no test notices.

    python tools/mutants.py                            every mutant of the core; takes hours
    python tools/mutants.py --most 60                  a random sample; --seed repeats one
    python tools/mutants.py tasks/lookup.py            one module

A mutant that lives is a line that no test needs: write the test, or remove the line. Some are equal to the code, so
the aim is to look at each, not to have none. Mutmut runs here, too, but it spends half of its time on texts and
removes no calls.

Mutants are made in copies of the repository's files, never in the repository itself.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import queue
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CORE = [
    *sorted(path.relative_to(ROOT / "kling_mcp").as_posix() for path in (ROOT / "kling_mcp/tasks").glob("[!_]*.py")),
    "elements/create.py",
    "elements/name_guard.py",
]
TESTS = ["tests/tasks", "tests/elements", "tests/never_twice"]
# Tried before all of `TESTS`, because they know the module best; else the tests of the module's name.
NEAR = {
    "tasks/entry.py": ["tests/tasks/test_journal.py"],
    "elements/name_guard.py": ["tests/elements/test_create.py"],
    "tasks/submit.py": ["tests/elements/test_create.py"],
}
FOLDERS = ("kling_mcp", "tests", "tools", "docs", "pyproject.toml", "README.md")  # what the tests of the core need
TIME_OUT = 4.0  # times what the unchanged tests take

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPPOSITES: dict[type[ast.AST], Callable[[], Any]] = {
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change."""

    module: str  # below kling_mcp
    line: int
    change: str
    source: str


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = [(node, changed) for node in _code_in(tree) for changed in (*_changes_of(node), *_removals_of(node))]
    for node, changed in sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset)):
        before, after = ast.unparse(node), ast.unparse(changed)
        text = after if isinstance(changed, ast.stmt) else f"({after})"
        place = source.splitlines()[node.lineno - 1].strip()
        change = f"{before}  ->  {after}" + ("" if before == place else f"   in   {place}")
        yield Mutant(module, node.lineno, change, _replaced(source, node, text))


def _code_in(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Nodes that run: no annotations, no imports for type checkers, no f-strings, whose places Python 3.11 mistakes."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            is_typing = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or is_typing:
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _code_in(child)


def _changes_of(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                compared = copy.deepcopy(node)
                compared.ops[place] = COMPARISONS[type(operator)]()
                yield compared
        case ast.BoolOp() | ast.BinOp(op=ast.Add() | ast.Sub()) | ast.AugAssign(op=ast.Add() | ast.Sub()):
            changed = copy.deepcopy(node)
            changed.op = OPPOSITES[type(node.op)]()
            yield changed
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=0 | 1):
            yield ast.Constant(1 - node.value)  # type: ignore[operator] # a number: the pattern says so


def _removals_of(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield ast.Return(ast.Constant(None))
        case ast.Call(func=ast.Name(id="replace")):
            for keyword in node.keywords:
                yield ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])


def _replaced(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    """The source with another text in the place of a node; the places of `ast` count bytes."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
    return (b"".join(lines)[:begin] + text.encode() + b"".join(lines)[end:]).decode()


class Copy:
    """A copy of the repository's files, in which the tests run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None
        for name in FOLDERS:
            source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__", "node_modules", ".*")
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Let a module be the mutant for a while."""
        path = self._folder / "kling_mcp" / mutant.module
        original = path.read_text("utf-8")
        _write(path, mutant.source)
        try:
            yield
        finally:
            _write(path, original)

    def is_noticed(self, tests: list[str], seconds: float | None) -> bool:
        """Whether a test fails, or does not end."""
        command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        environment = {**os.environ, "PYTHONPATH": str(self._folder)}
        with subprocess.Popen(  # noqa: S603 - pytest, in our own interpreter
            [*command, "--hypothesis-seed=0"],
            cwd=self._folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as self._running:
            try:
                return self._running.wait(seconds) != 0
            except subprocess.TimeoutExpired:
                return True
            finally:
                self.stop()

    def stop(self) -> None:
        """End the tests that run, with all that they started."""
        if self._running is not None and self._running.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)


def _write(path: Path, source: str) -> None:
    """Write a module; its compiled file goes, because Python compares only sizes and whole seconds."""
    path.write_text(source, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def near_tests(module: str) -> list[str]:
    """The tests that know a module best, if any."""
    path = f"tests/{module.replace('/', '/test_')}"
    return NEAR.get(module, [path] if (ROOT / path).is_file() else [])


def sample(modules: list[str], most: int | None, seed: int) -> list[Mutant]:
    """The mutants to try, in the order of the code."""
    sources = {module: (ROOT / "kling_mcp" / module).read_text("utf-8") for module in modules}
    everything = [mutant for module, source in sources.items() for mutant in mutants_of(module, source)]
    if most is None or most >= len(everything):
        return everything
    chosen = set(random.Random(seed).sample(range(len(everything)), most))  # noqa: S311 - no secret
    return [mutant for place, mutant in enumerate(everything) if place in chosen]


def run(mutants: list[Mutant], jobs: int) -> list[Mutant]:
    """Those that no test notices; each is printed as soon as that is known.

    Raises:
        SystemExit: the tests fail without any mutant.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(jobs)]
        began = time.monotonic()
        if copies[0].is_noticed(TESTS, None):
            raise SystemExit("The tests fail without any mutant.")
        seconds = TIME_OUT * (time.monotonic() - began)
        free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for place in copies:
            free.put(place)

        def lives(mutant: Mutant) -> bool:
            place = free.get()
            near = near_tests(mutant.module)
            with place.changed(mutant):
                is_noticed = bool(near and place.is_noticed(near, seconds)) or place.is_noticed(TESTS, seconds)
            free.put(place)
            if not is_noticed:
                say(f"lives: kling_mcp/{mutant.module}:{mutant.line}: {mutant.change}")
            return not is_noticed

        with ThreadPoolExecutor(jobs) as pool:
            try:
                return [mutant for mutant, is_alive in zip(mutants, pool.map(lives, mutants), strict=True) if is_alive]
            except KeyboardInterrupt:  # those that wait are dropped by `map`
                for place in copies:
                    place.stop()
                raise


def say(line: str) -> None:
    """Print a line at once, for whoever watches or writes it to a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "modules", nargs="*", default=CORE, metavar="MODULE", help="as tasks/lookup.py; all of the core"
    )
    parser.add_argument("--most", type=int, help="try a random sample of so many")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(CORE):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(CORE)}")
    mutants = sample(options.modules, options.most, options.seed)
    of_sample = f" (--most {options.most} --seed {options.seed})" if options.most else ""
    say(f"{len(mutants)} mutants{of_sample}, {options.jobs} at a time; a mutant that lives takes longest.")
    alive = Counter(mutant.module for mutant in run(mutants, options.jobs))
    for module, number in Counter(mutant.module for mutant in mutants).items():
        say(f"{module}: {number - alive[module]} of {number} noticed")
    say(f"{alive.total()} of {len(mutants)} live.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
