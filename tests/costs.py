"""Which tests take long, how many run at once, and which are left out of the coverage: the one place that knows it.

`make slow` shows what takes long today.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import kling_mcp

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

TESTS = Path(__file__).parent

# Files with a test of several seconds. They begin first.
LONG = (
    "never_twice",
    "postgres",
    "production/test_crashes.py",
    "production/test_kill.py",
    "commands/test_call_process.py",
    "commands/test_page.py",
    "commands/test_sandbox.py",
    "docs/test_commands.py",
    "hosting/test_process.py",
    "hosting/test_same_server.py",
    "hosting/test_tenants.py",
    "portability",
    "requests",
    "test_demo.py",
    "soak",
)

# What reads the files of the repository as syntax. One worker runs them all and parses each file once, unless others are
# out of work.
READING = (
    "test_facts.py",
    "test_mutants.py",
    "test_patterns.py",
    "test_problem_rules.py",
    "test_references.py",
    "test_repository.py",
    "portability/test_source.py",
)

# Coverage doubles what a test takes. A line that only one of these reaches needs a test of its own, so it shall be seen
# as missing.
UNCOUNTED = (
    # Whole stories, thousands of times, or files that are read.
    "docs",
    "fuzz",
    "hosting/test_tenants.py",
    "never_twice",
    "portability/test_console.py",
    "portability/test_poor_system.py",
    "portability/test_source.py",
    "postgres/test_balancer.py",
    "postgres/test_replicas.py",
    "production/test_crashes.py",
    "production/test_kill.py",
    "release",
    "requests",
    "soak",
    "tasks/test_slots_learned.py",
    "test_facts.py",
    "test_mutants.py",
    "test_patterns.py",
    "test_problem_rules.py",
    "test_references.py",
    "test_repository.py",
    # What others reach as well: a run with `--cov-context=test` shows who does.
    "api/test_codes.py",
    "api/test_large_replies.py",
    "api/test_request_body.py",
    "commands/test_call_help.py",
    "commands/test_call_process.py",
    "connect/test_clients.py",
    "elements/test_delete.py",
    "elements/test_lost_state.py",
    "generation/test_any_request.py",
    "hosting/test_addresses.py",
    "hosting/test_process.py",
    "hosting/test_same_server.py",
    "hosting/test_security.py",
    "library/test_large_queries.py",
    "library/test_list_sync.py",
    "postgres/test_libraries.py",
    "production/test_export.py",
    "server/test_alike_names.py",
    "server/test_creating.py",
    "server/test_find_elements.py",
    "server/test_generate.py",
    "server/test_hidden_tools.py",
    "server/test_names_as_shown.py",
    "server/test_progress.py",
    "server/test_refusals.py",
    "server/test_schemas.py",
    "server/test_stdin.py",
    "server/test_stdio.py",
    "server/test_tool_errors.py",
    "tasks/test_poller_of_many.py",
    "tasks/test_schedule.py",
    "tasks/test_send.py",
    "test_packaging.py",
    "test_preloaded.py",
    "test_start.py",
    "test_wire.py",
)


def workers() -> int:
    """How many run tests at the same time: two for each processor, as many tests wait for programs; 0.4 GB each.

    Each collects all tests first, so where there are many processors, one for each does.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(processors, min(2 * processors, 8))


def is_long(path: Path) -> bool:
    """Whether a file of tests is among those that take long."""
    return _is_among(LONG, path)


def is_reading(path: Path) -> bool:
    """Whether a file of tests reads many files."""
    return _is_among(READING, path)


def dealt(first: list[T], others: list[T], workers: int) -> list[T]:
    """All of these in the order in which each of so many workers begins with its share of the first ones.

    Workers get even pieces of the whole, one after the other, and exchange what is left at the ends of theirs.
    """
    total, all_of_them, rest = len(first) + len(others), list[T](), list(others)
    for number in range(workers):
        share = first[number::workers]
        more = max(0, (total - len(all_of_them)) // (workers - number) - len(share))
        all_of_them += [*share, *rest[:more]]
        del rest[:more]
    return all_of_them + rest


def is_uncounted(path: Path) -> bool:
    """Whether coverage rests while the tests of a file run."""
    return _is_among(UNCOUNTED, path)


@functools.cache
def _is_among(names: tuple[str, ...], path: Path) -> bool:
    return any(path.is_relative_to(TESTS / name) for name in names)


@contextmanager
def coverage_rests(*, after_imports: bool = False) -> Iterator[None]:
    """Measure no coverage, neither here nor in programs that are started; `after_imports`: but of what modules define.

    The marker of pytest-cov would not do: a worker is measured twice, since it is a program that was started, too.
    """
    here, in_threads = sys.gettrace(), threading.gettrace()
    if here is None:
        yield
        return
    if after_imports:
        _import_the_package()
    in_programs = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_PROCESS_")}
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)
        os.environ.update(in_programs)


def _import_the_package() -> None:
    for module in pkgutil.walk_packages(kling_mcp.__path__, "kling_mcp."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
