"""Which elements have a name: the guard against creating a second Mia.

Kling has no look-up by name (no-search), so the library's index answers, refreshed if it is older than a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import LimitError

if TYPE_CHECKING:
    from kling_mcp.api.models import ElementTask
    from kling_mcp.library.index import Asked, Library

NAMES_TTL_SECONDS = 60.0


class NameGuard:
    """The names of the account's own elements, at most `NAMES_TTL_SECONDS` old.

    `read_at_wall` is when the reading began, in seconds since 1970.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self.read_at_wall = 0.0

    def invalidate(self) -> None:
        """Refresh at the next question: something was created or deleted."""
        self._library.invalidate()

    async def remember(self, task: ElementTask, asked: Asked) -> None:
        """Note the task of a creation from this server. Never fails."""
        await self._library.record_results([task], asked)

    async def ready_elements(self, name: str) -> list[str]:
        """The ids of the elements with exactly this name that are not deleted.

        Raises:
            KlingError: the list could not be read to its end.
        """
        (condition,) = await self._library.refresh(("custom",), head_age=NAMES_TTL_SECONDS)
        if condition.failure is not None:
            raise condition.failure
        if condition.is_first_reading:
            raise LimitError("The library is large and still being read.", kind="busy")
        self.read_at_wall = condition.progress.first_page_at
        return [
            record.element_id
            for record in await self._library.catalogue.with_name(name)
            if record.source == "custom" and record.element_id and record.status != "deleted"
        ]
