"""A store that opens only for a credential that Kling accepts.

State is keyed by the access key of a key pair, so that it survives a new secret key. If callers bring their own
credentials, half a pair must not be enough to read it, and an invented key must not leave anything behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kling_mcp.store import Store, Transaction

T = TypeVar("T")


class VerifiedStore:
    """See `Store`; `prove` raises Kling's error for a rejected credential, and remembers an accepted one."""

    def __init__(self, store: Store, prove: Callable[[], Awaitable[object]], *, for_reading: bool = True) -> None:
        """Without `for_reading`, only writes need the proof."""
        self._store = store
        self._prove = prove
        self._for_reading = for_reading

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """See `Store.run`.

        Raises:
            KlingError: the credential is not accepted, or Kling could not be asked.
        """
        if write or self._for_reading:
            await self._prove()
        return await self._store.run(work, write=write)

    @property
    def was_damaged(self) -> bool:
        """See `Store.was_damaged`."""
        return self._store.was_damaged

    @property
    def is_new(self) -> bool:
        """See `Store.is_new`."""
        return self._store.is_new

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()
