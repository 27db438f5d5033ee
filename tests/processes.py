"""For tests that start this package as a process of its own, as clients and people do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 20.0  # until a test gives up; nothing should take it
ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "kling_mcp"]
# How a shell starts a job in the background: with SIGINT ignored.
AS_A_JOB = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]


def environ_with(**settings: str) -> dict[str, str]:
    """This process's environment without its Kling settings, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}
    found_by = [str(ROOT), *filter(None, [settings.pop("PYTHONPATH", ""), inherited.get("PYTHONPATH", "")])]
    return {**inherited, "PYTHONPATH": os.pathsep.join(found_by), **settings}


def uncounted(environ: dict[str, str]) -> dict[str, str]:
    """An environment without coverage: for a program that is killed with -9, which would leave half a data file, and
    for one whose lines other tests count."""
    return {name: value for name, value in environ.items() if not name.startswith("COV")}


async def until(has_happened: Callable[[], bool]) -> None:
    """Look at what another process or thread does, until it has done it."""
    with anyio.fail_after(SOON):
        while not has_happened():  # noqa: ASYNC110 - nobody there can set an event
            await anyio.sleep(0.01)
