"""Says to all replicas what has changed at Kling, so that they ask Kling again (LISTEN and NOTIFY).

A notification that is lost costs a moment: whatever it would have refreshed has a bounded age. Only the account's
fingerprint, the kind of the change and an id travel, and nothing that is heard is believed: it makes somebody ask
Kling.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import psycopg
from anyio import to_thread

from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.errors import StorageError
from kling_mcp.store.change import Change
from kling_mcp.store.postgres.errors import logged

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Iterable

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store.change import ChangeKind
    from kling_mcp.store.postgres.database import PostgresDatabase

logger = logging.getLogger(__name__)

CHANNEL = "kling_mcp_changes"
INITIAL_DELAY, MAX_DELAY = 0.5, 30.0
MAX_UNSENT = 1000
# The driver cannot wait on the event loop that Windows has.
IN_THREAD = sys.platform == "win32"
_LOOK_UP_SECONDS = 0.5
# A sender, an account's fingerprint, a kind, and an id of Kling's or of a caller; anything else is not said and not
# heard.
_PAYLOAD = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{8,64}) (callback|task|deletion) ([!-~]{1,128})")


class Notifications:
    """What this replica says to the others, and hears from them. Use it from one event loop."""

    def __init__(
        self, database: PostgresDatabase, clock: Clock, rng: random.Random, *, in_thread: bool = IN_THREAD
    ) -> None:
        """Nothing is opened here. `in_thread` listens without the event loop's help."""
        self._in_thread = in_thread
        self._database = database
        self._clock = clock
        self._rng = rng
        self._sender = secrets.token_hex(8)
        self._unsent: dict[Change, None] = {}
        self._has_unsent = anyio.Event()

    def say(self, change: Change) -> None:
        """Leave this to `send`, so that no call waits for the database. Of too many the oldest are forgotten."""
        if not _PAYLOAD.fullmatch(self._payload(change)):
            return
        self._unsent[change] = None
        if len(self._unsent) > MAX_UNSENT:
            del self._unsent[next(iter(self._unsent))]
        self._has_unsent.set()

    async def send(self) -> None:
        """Send what is said, for ever; what cannot be sent is tried again."""
        backoff = Backoff(INITIAL_DELAY, MAX_DELAY, self._rng)
        while True:
            await self._has_unsent.wait()
            # What is said while these are on their way is another change, even where it reads the same.
            changes, self._unsent, self._has_unsent = self._unsent, {}, anyio.Event()
            payloads = [self._payload(change) for change in changes]
            try:
                await self._database.run(partial(_notify, payloads=payloads), lock="notify")
            except StorageError:
                for change in [*changes, *self._unsent]:
                    self.say(change)
                await self._clock.sleep(backoff.next_delay())
            else:
                backoff.reset()

    async def listen(self) -> AsyncGenerator[Change | None, None]:
        """What the other replicas say, for ever: a lost connection is made again.

        Yields None whenever it begins to listen: what was said before then was not heard.
        """
        backoff = Backoff(INITIAL_DELAY, MAX_DELAY, self._rng)
        while True:
            try:
                async with aclosing(self._payloads_by_thread() if self._in_thread else self._payloads()) as payloads:
                    async for payload in payloads:
                        if payload is None:
                            backoff.reset()
                            yield None
                        elif change := self._heard(payload):
                            yield change
            except psycopg.Error as error:
                logger.warning("Notifications from other replicas are off for a moment: %s", logged(error))
            await self._clock.sleep(backoff.next_delay())

    async def _payloads(self) -> AsyncGenerator[str | None, None]:
        """What arrives on one connection, after a None when it listens. Raises psycopg.Error when it ends."""
        connection = await psycopg.AsyncConnection.connect("", **self._database.parameters, autocommit=True)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield None
            async for notice in connection.notifies():
                yield notice.payload
        finally:
            await connection.close()

    async def _payloads_by_thread(self) -> AsyncGenerator[str | None, None]:
        """The same; a thread waits, and looks up now and then, so that a shutdown needs no more than that."""
        connect = partial(psycopg.connect, "", **self._database.parameters, autocommit=True)
        connection = await to_thread.run_sync(connect)
        try:
            await to_thread.run_sync(connection.execute, f"LISTEN {CHANNEL}")
            yield None
            while True:
                for payload in await to_thread.run_sync(_wait, connection):
                    yield payload
        finally:
            connection.close()

    def _payload(self, change: Change) -> str:
        return f"{self._sender} {change.account} {change.kind} {change.subject_id}"

    def _heard(self, payload: str) -> Change | None:
        """The change; None for rubbish, and for what this replica said itself."""
        found = _PAYLOAD.fullmatch(payload)
        if found is None or found[1] == self._sender:
            return None
        return Change(found[2], cast("ChangeKind", found[3]), found[4])


def _wait(connection: psycopg.Connection[Any]) -> list[str]:
    return [notice.payload for notice in connection.notifies(timeout=_LOOK_UP_SECONDS, stop_after=1)]


def _notify(connection: psycopg.Connection[Any], payloads: Iterable[str]) -> None:
    """Within a transaction: it is heard when that is committed."""
    for payload in payloads:
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
