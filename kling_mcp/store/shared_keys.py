"""Random keys that all replicas share: made once, stored with the state. They are not Kling's API keys."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp.store import Store, Transaction

KEY_BYTES = 32


async def shared_key(store: Store, name: str) -> bytes:
    """The key with this name, 32 bytes; made now if there is none.

    Raises:
        StorageError: the state cannot be read, or a new key cannot be written.
    """

    def find(tx: Transaction) -> bytes | None:
        rows = tx.fetch("SELECT value FROM keys WHERE name = ?", name)
        return bytes.fromhex(rows[0]["value"]) if rows else None

    def make(tx: Transaction) -> bytes:
        """Another replica may have been faster."""
        if (found := find(tx)) is not None:
            return found
        made = secrets.token_bytes(KEY_BYTES)
        tx.execute("INSERT INTO keys (name, value) VALUES (?, ?)", name, made.hex())
        return made

    found = await store.run(find, write=False)
    if found is not None:
        return found
    return await store.run(make, write=True)
