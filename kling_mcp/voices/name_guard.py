"""Which own voices have a name: a second Narrator could not be told from the first, and would be paid for.

Kling has no look-up by name, so the list of voices answers. It also shows if the Narrator that is there is the very
one that is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kling_mcp.elements.earlier_task import ids_of_attempts
from kling_mcp.errors import (
    AccountError,
    AuthError,
    ClockError,
    ConnectionFailedError,
    KlingError,
    NameTakenError,
)
from kling_mcp.sanitize import quote
from kling_mcp.tasks.entry import OVER, JournalEntry, end_state
from kling_mcp.tasks.intent import external_id_of
from kling_mcp.tasks.namesakes import Namesakes, on_their_way

if TYPE_CHECKING:
    from kling_mcp.api.models import VoiceTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.voices import LibraryVoice, VoiceCatalogue
    from kling_mcp.tasks.intent import Intent
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.send import Attempt

_TOLD_AT_ONCE = (ConnectionFailedError, AuthError, ClockError, AccountError)


class VoiceNameGuard:
    """The names of one account's own voices, at most as old as the list of `VoiceCatalogue`."""

    def __init__(self, voices: VoiceCatalogue, journal: Journal, kind: TaskKind[VoiceTask], clock: Clock) -> None:
        self._voices = voices
        self._kind = kind
        self._namesakes = Namesakes(journal, kind.route, clock)

    async def look(self, intent: Intent) -> bool:
        """Before anybody is asked to pay: whether Kling has a voice for this very request already.

        Raises:
            NameTakenError: another voice, ready or on its way, has the name.
            KlingError: the credentials are not accepted, or Kling cannot be reached.
        """
        try:
            return await self._find(_entry_for(intent)) is not None
        except (*_TOLD_AT_ONCE, NameTakenError):
            raise
        except KlingError:
            return False  # `check` says so

    async def check(self, attempt: Attempt) -> VoiceTask | None:
        """Refuse a second voice of the same name; the task, if Kling already has one for this very request.

        Raises:
            NameTakenError: another voice, ready or on its way, has the name.
            KlingError: the credentials are not accepted, or Kling cannot be reached.
        """
        try:
            return await self._find(attempt.entry)
        except (*_TOLD_AT_ONCE, NameTakenError):
            raise
        except KlingError as error:
            attempt.warnings.append(f"It could not be checked whether another voice has this name: {error.message}")
            return None

    async def _find(self, entry: JournalEntry) -> VoiceTask | None:
        others = await self._namesakes.of(entry)
        if self._namesakes.ended_within(others, self._voices.own_age()):
            self._voices.invalidate()
        ready = await self._voices.own_with_name(entry.label)
        coming = on_their_way(others, entry)
        earlier = await self._find_earlier(entry) if ready else None
        if earlier is None and (ready or coming):
            raise _name_taken(entry.label, [*map(_describe, ready), *coming])
        return earlier

    async def _find_earlier(self, entry: JournalEntry) -> VoiceTask | None:
        """The task of this attempt or of a later one that has neither failed nor been deleted. fact: voice-lookup"""
        for external_task_id in ids_of_attempts(entry):
            task = await self._kind.lookup.by_external_id(external_task_id)
            if task is None:
                return None
            if end_state(task) not in OVER:
                return task
        return None


def _entry_for(intent: Intent) -> JournalEntry:
    """An entry as the request would get it, after everything that is there."""
    return JournalEntry(
        account="",
        external_task_id=external_id_of(intent, 1),
        kind=intent.kind,
        key=intent.key,
        attempt=1,
        content_hash=intent.content_hash,
        label=intent.label,
        state="claimed",
        created_at=math.inf,
    )


def _describe(voice: LibraryVoice) -> str:
    return f"voice_id={voice.voice_id}, {voice.status}"


def _name_taken(name: str, taken: list[str]) -> NameTakenError:
    return NameTakenError(
        f"A voice named {quote(name, 40)} already exists: {'; '.join(taken[:10])}.",
        candidates=taken,
        advice="Nothing was paid. Use that one, choose another name, or delete it first with delete_voice.",
    )
