"""The addresses that Kling calls when one of our tasks changes, and which task an address belongs to.

An address names its request and contains a code that only this server and its replicas can compute. It cannot be
guessed, and a wrong code is refused without reading the journal.
Reads the state and sends nothing; `api.webhooks` reads the callback's body.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from kling_mcp.errors import StorageError
from kling_mcp.store.shared_keys import shared_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.store import Row, Store, Transaction

CALLBACKS = "/callbacks/kling"
KEY_NAME = "callbacks"
_MAX_PATH_CHARACTERS = 300
_CODE_BYTES = 24


class CallbackUrls:
    """Makes and reads callback addresses."""

    def __init__(self, open_store: Callable[[], Store], public_url: str) -> None:
        """Nothing is opened here. Without a `public_url` requests carry no address."""
        self._open_store = open_store
        self._public_url = public_url
        self._key = b""

    @property
    def is_enabled(self) -> bool:
        """Whether Kling is asked to call back."""
        return bool(self._public_url)

    async def url_for(self, external_task_id: str) -> str:
        """The address that Kling should call when this task changes.

        "" if callbacks are off, or the state cannot be used just now: a creation goes on without one, since waits also
        poll.
        """
        if not self._public_url:
            return ""
        name = base64.urlsafe_b64encode(external_task_id.encode()).decode().rstrip("=")
        try:
            code = await self._code(external_task_id)
        except StorageError:
            return ""
        return f"{self._public_url}{CALLBACKS}/{name}.{code}"

    async def waiters_for(self, part: str, task_id: str = "") -> set[tuple[str, str]]:
        """(account, name) of every wait that such an address concerns; empty for a forged address.

        Args:
            part: what follows `CALLBACKS/` in the address.
            task_id: from the callback, for a request whose reply is not recorded yet.

        Raises:
            StorageError: the state cannot be read.
        """
        name, _, code = part.partition(".")
        try:
            external_task_id = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        except (binascii.Error, ValueError):
            return set()
        wanted = await self._code(external_task_id)
        if len(part) > _MAX_PATH_CHARACTERS or not hmac.compare_digest(code.encode(), wanted.encode()):
            return set()
        found: set[tuple[str, str]] = set()
        for row in await self._entries(external_task_id):
            found |= {(row["account"], external_task_id), (row["account"], row["task_id"] or task_id)}
        return {(account, waited_for) for account, waited_for in found if waited_for}

    async def _entries(self, external_task_id: str) -> list[Row]:
        """Usually one; two accounts may have chosen the same id, and then the waits of both are notified."""

        def work(tx: Transaction) -> list[Row]:
            return tx.fetch("SELECT account, task_id FROM tasks WHERE external_task_id = ?", external_task_id)

        return await self._open_store().run(work, write=False)

    async def _code(self, external_task_id: str) -> str:
        if not self._key:
            self._key = await shared_key(self._open_store(), KEY_NAME)
        code = hmac.digest(self._key, f"kling-mcp callback 1 {external_task_id}".encode(), "sha256")[:_CODE_BYTES]
        return base64.urlsafe_b64encode(code).decode()
