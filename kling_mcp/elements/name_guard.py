"""Which elements have a name: prevents an accidental second Mia.

Kling has no look-up by name (fact: no-search), so the library's index answers, refreshed if it is older than a
minute. It also shows if the Mia that is there is the very one that is asked for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.elements.earlier_task import EarlierTasks
from kling_mcp.errors import (
    AccountError,
    AuthError,
    ClockError,
    ConnectionFailedError,
    KlingError,
    LimitError,
    NameTakenError,
    StorageError,
)
from kling_mcp.library.resolve import describe_candidate
from kling_mcp.sanitize import quote
from kling_mcp.tasks.namesakes import Namesakes, on_their_way

if TYPE_CHECKING:
    from kling_mcp.api.models import ElementTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.send import Attempt

NAMES_TTL_SECONDS = 60.0


class NameGuard:
    """The names of the account's own elements, at most `NAMES_TTL_SECONDS` old.

    `read_at` is when reading the names began, by the wall clock of then.
    """

    def __init__(self, library: Library, journal: Journal, kind: TaskKind[ElementTask], clock: Clock) -> None:
        self._library = library
        self._namesakes = Namesakes(journal, kind.route, clock)
        self._earlier = EarlierTasks(kind, library.catalogue)
        self._clock = clock
        self.read_at = 0.0

    async def check(self, attempt: Attempt) -> ElementTask | None:
        """Refuse a second element of the same name; the task, if Kling already has one for this very request.

        Raises:
            NameTakenError: another element, ready or on its way, has the name.
            KlingError: the names, or the task of this request, could not be read.
        """
        entry = attempt.entry
        try:
            coming = await self._coming(entry)
            ready = await self.ready_elements(entry.label)
        except (ConnectionFailedError, AuthError, ClockError, AccountError):
            raise
        except KlingError as error:
            attempt.warnings.append(f"It could not be checked whether another element has this name: {error.message}")
            return None
        # Kling is asked only about a namesake that may be this request's: the list does not show its external id.
        earlier = await self._earlier.find(entry, ask=any(not element.external_task_id for element in ready))
        if earlier is None and (ready or coming):
            raise _name_taken(entry.label, [*map(describe_candidate, ready), *coming])
        return earlier

    async def find_earlier(self, attempt: Attempt) -> ElementTask | None:
        """The task of this very request, if the index knows it and the journal does not; names are not compared.

        Raises:
            KlingError: the task could not be read.
        """
        with suppress(StorageError):  # without an index, Kling's refusal of a used id remains
            return await self._earlier.find(attempt.entry, ask=False)
        return None

    async def _coming(self, entry: JournalEntry) -> list[str]:
        """Tasks of elements on their way; later calls do not count."""
        others = await self._namesakes.of(entry)
        if self._namesakes.ended_within(others, self._clock.wall() - self.read_at):
            self._library.invalidate()
        return on_their_way(others, entry)

    async def ready_elements(self, name: str) -> list[LibraryElement]:
        """The elements with this name, as it is shown, that are not deleted.

        Raises:
            KlingError: the list could not be read to its end.
        """
        (status,) = await self._library.refresh(("custom",), head_age=NAMES_TTL_SECONDS)
        if status.failure is not None:
            raise status.failure
        if status.is_first_reading:
            raise LimitError("The library is large and still being read.", kind="busy")
        self.read_at = status.progress.first_page_at
        return [
            record
            for record in await self._library.catalogue.with_name(name)
            if record.source == "custom" and record.element_id and record.status != "deleted"
        ]


def _name_taken(name: str, taken: list[str]) -> NameTakenError:
    return NameTakenError(
        f"An element named {quote(name, 40)} already exists: {'; '.join(taken[:10])}.",
        candidates=taken,
        advice="Use that one, choose another name, or pass allow_duplicate_name=true to create a second one.",
    )
