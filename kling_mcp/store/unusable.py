"""The state of a server that has no place for it: every use says why.

Look-ups at Kling go on without state; nothing is created, because a creation that is not recorded could happen twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kling_mcp.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.errors import Details
    from kling_mcp.store import Transaction

T = TypeVar("T")


class UnusableStore:
    """See `Store`; `reason` is a sentence that names the variable, `details` what to do."""

    was_damaged = is_new = False

    def __init__(self, reason: str, details: Details) -> None:
        self._reason = reason
        self._details: Details = {**details, "kind": "bad_input", "retry": "never"}

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """Always raises StorageError."""
        raise StorageError(self._reason, **self._details)

    def close(self) -> None:
        """Nothing is open."""
