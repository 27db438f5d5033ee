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

# Files with tests that wait in real time, for programs most of all. Half of the workers begin with them.
WAITING = (
    "never_twice/test_kill.py",
    "never_twice/test_kill_while_filming.py",
    "never_twice/test_slow_network.py",
    "postgres",
    "production/test_kill.py",
    "commands/test_call.py",
    "commands/test_call_help.py",
    "commands/test_call_process.py",
    "commands/test_completion.py",
    "commands/test_page.py",
    "commands/test_sandbox.py",
    "docs/test_commands.py",
    "hosting/test_serving.py",
    "portability/test_console.py",
    "portability/test_poor_system.py",
    "requests/test_requests_agent.py",
    "server/test_stdin.py",
    "test_demo.py",
    "test_faulty_settings.py",
)

# Files with a test that keeps a processor busy for seconds. The other half begins with them.
BUSY = (
    "never_twice",
    "production/test_crashes.py",
    "hosting/test_same_server.py",
    "hosting/test_tenants.py",
    "requests/test_requests_replay.py",
    "tasks/test_slots_learned.py",
    "soak",
)

# What reads the files of the repository as syntax. One worker runs them all and parses each file once, unless others
# are out of work.
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
    *READING,
    # Whole stories, thousands of times.
    "docs",
    "fuzz",
    "hosting/test_tenants.py",
    "never_twice",
    "portability/test_console.py",
    "portability/test_poor_system.py",
    "postgres/test_balancer.py",
    "postgres/test_replicas.py",
    "production/test_crashes.py",
    "production/test_kill.py",
    "release",
    "requests",
    "soak",
    "tasks/test_slots_learned.py",
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


def is_waiting(path: Path) -> bool:
    """Whether a file has tests that take long and need little of a processor."""
    return _is_among(WAITING, path)


def is_busy(path: Path) -> bool:
    """Whether a file has tests that take long and need a processor all the time."""
    return _is_among(BUSY, path) and not is_waiting(path)


def is_reading(path: Path) -> bool:
    """Whether a file of tests reads many files."""
    return _is_among(READING, path)


def dealt(waiting: list[T], busy: list[T], others: list[T], workers: int) -> list[T]:
    """All of these in the order in which half of so many workers begin with those that wait, the others with busy ones.

    So no processor is idle while workers wait. Workers get even pieces of the whole, one after the other, and exchange
    what is left at the ends of theirs.
    """
    half = max(1, workers // 2)
    shares = [waiting[number::half] for number in range(half)]
    shares += [busy[number :: workers - half] for number in range(workers - half)] or [busy]
    total, all_of_them, rest = len(waiting) + len(busy) + len(others), list[T](), list(others)
    for number, share in enumerate(shares):
        more = max(0, (total - len(all_of_them)) // (len(shares) - number) - len(share))
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
