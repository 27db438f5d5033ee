"""Which ready elements carry a name: the guard against making a second Mia.

Kling has no look-up by name (no-search), so the own list is read and kept for a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from kling_mcp.api.client import KlingClient
    from kling_mcp.clock import Clock

PAGE_SIZE = 500
MOST_PAGES = 1000
FRESH_SECONDS = 60.0


class NameBook:
    """The names of the account's own ready elements, at most `FRESH_SECONDS` old.

    `read_at_wall` is when the reading began, in seconds since 1970.
    """

    def __init__(self, client: KlingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ids: dict[str, list[str]] = {}
        self._read_at: float | None = None
        self.read_at_wall = 0.0
        self._lock = anyio.Lock()

    def forget(self) -> None:
        """Read again at the next question: something was created or deleted."""
        self._read_at = None

    async def ready_elements(self, name: str) -> list[str]:
        """The ids of the ready elements of exactly this name. One reading serves all who ask meanwhile.

        Raises:
            KlingError: the list could not be read to its end.
        """
        async with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at > FRESH_SECONDS:
                began = self._clock.wall()
                self._ids = await self._read()
                self._read_at, self.read_at_wall = now, began
        return self._ids.get(name, [])

    async def _read(self) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {}
        for page_num in range(1, MOST_PAGES + 1):
            page = await self._client.list_elements(page_num, PAGE_SIZE)
            for task in page:
                for element in task.elements:
                    if not element.is_deleted:
                        ids.setdefault(element.element_name, []).append(element.element_id)
            if len(page) < PAGE_SIZE:
                break
        return ids
