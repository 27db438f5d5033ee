"""Tells all replicas that a task has changed, so that whoever waits for it looks now (LISTEN and NOTIFY).

A word that is lost costs a moment: waits look by themselves, too. Only the account's fingerprint and the task's id
travel, and nothing that is heard is believed: it makes somebody ask Kling.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import psycopg

from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.store.postgres.errors import logged

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store.postgres.database import PostgresDatabase

logger = logging.getLogger(__name__)

CHANNEL = "kling_mcp_wake"
INITIAL_DELAY, MAX_DELAY = 0.5, 30.0
# An account's fingerprint and an id of Kling's or of a caller; anything else is not said and not heard.
_WORD = re.compile(r"([0-9a-f]{8,64}) ([!-~]{1,128})")


def notify(connection: psycopg.Connection[Any], account: str, task_id: str) -> None:
    """Say, within a transaction, that this task has changed; it is heard when the transaction is committed."""
    word = f"{account} {task_id}"
    if _WORD.fullmatch(word):
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, word))


async def listen(database: PostgresDatabase, clock: Clock, rng: random.Random) -> AsyncGenerator[tuple[str, str], None]:
    """The words of all replicas, this one's included, for ever: a lost connection is made again.

    Yields ("", "") whenever it begins to listen: what was said before then was not heard.
    """
    backoff = Backoff(INITIAL_DELAY, MAX_DELAY, rng)
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect("", **database.parameters, autocommit=True)
            try:
                await connection.execute(f"LISTEN {CHANNEL}")
                backoff.reset()
                yield "", ""
                async for notice in connection.notifies():
                    if word := _WORD.fullmatch(notice.payload):
                        yield word[1], word[2]
            finally:
                await connection.close()
        except psycopg.Error as error:
            logger.warning("Wake-ups from other replicas are off for a moment: %s", logged(error))
        await clock.sleep(backoff.next_delay())
