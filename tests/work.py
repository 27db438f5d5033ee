"""Counts work instead of measuring time, so that a bound holds on a busy machine, too."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_CALLS = frozenset({"call", "c_call"})


@dataclass(slots=True)
class Work:
    """`calls`: calls of functions so far, whether written in Python or in C."""

    calls: int = 0


@contextmanager
def counted_work() -> Iterator[Work]:
    """Count the calls that this thread makes in the block.

    One call may read a text once, so what is bounded by this is how often a text is read, and what is done for each
    of its parts.
    """
    work = Work()

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        work.calls += event in _CALLS

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield work
    finally:
        sys.setprofile(before)
