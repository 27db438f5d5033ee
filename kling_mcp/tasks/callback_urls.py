"""The addresses that Kling calls when a task of ours changes, and which task belongs to one.

An address names its request and carries a code that only this server, with all its replicas, can make. It cannot be
guessed, and a wrong code is refused without asking the journal.
It reads the state and sends nothing; `api.webhooks` reads what a callback says.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from kling_mcp.store.shared_keys import shared_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.store import Row, Store, Transaction

CALLBACKS = "/callbacks/kling"
KEY_NAME = "callbacks"
_MAX_PATH_CHARACTERS = 300
_CODE_BYTES = 24


class CallbackUrls:
    """Addresses for callbacks, made and read. Its methods may raise `StorageError`."""

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
        """Where Kling is asked to call when this task changes; "" where it is not asked."""
        if not self._public_url:
            return ""
        name = base64.urlsafe_b64encode(external_task_id.encode()).decode().rstrip("=")
        return f"{self._public_url}{CALLBACKS}/{name}.{await self._code(external_task_id)}"

    async def waiters_for(self, part: str, task_id: str = "") -> set[tuple[str, str]]:
        """(account, name) of every wait that such an address concerns; empty for a forged address.

        Args:
            part: what follows `CALLBACKS/` in the address.
            task_id: what the callback says, for a request whose answer is not recorded yet.
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
