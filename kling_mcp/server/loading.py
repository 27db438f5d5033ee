"""Loading modules without a cost that brings nothing."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Process:
    is_ours = False  # whether nobody else's program runs in it


def own_the_process() -> None:
    """From now on what was loaded stays for good, so that collections skip it; a program may not want that."""
    _Process.is_ours = True


@contextmanager
def collector_rests() -> Iterator[None]:
    """Collect no garbage while modules load in the block: almost nothing created then becomes garbage."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if _Process.is_ours:
            gc.freeze()
        gc.enable()
