"""Gathers what a sheet's plan depends on: pictures, library, voices and journal. Reads only; nothing is sent but reads.

Elements that the lock or the sheet names by id may have been deleted elsewhere, so Kling is asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.api.limits import IMAGE_REFER, VIDEO_REFER
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.errors import AmbiguousNameError, InputError, NotFoundError
from kling_mcp.library.index import EVERYWHERE
from kling_mcp.production.content import parts_of_element
from kling_mcp.production.model import SheetProblem
from kling_mcp.production.world import CastFacts, EarlierCreation
from kling_mcp.sanitize import as_shown, clean, quote
from kling_mcp.tasks.entry import UNFINISHED
from kling_mcp.tasks.intent import external_id_of

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.errors import Problem
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.voices import LibraryVoice
    from kling_mcp.production.model import CastEntry, Lock, Place, Sheet
    from kling_mcp.tasks.intent import Intent

# The arguments of a creation by the words of a cast entry.
_WORDS = {
    "element_name": "",
    "element_description": ".description",
    "frontal_image": ".front",
    "refer_images": ".others",
    "video_url": ".video",
    "element_voice_id": ".voice",
    "tags": ".tags",
    "reference_type": "",
}
_SHOWN_VOICES = 5


class Surveyor:
    """Surveys for one sheet of one account."""

    def __init__(self, account: Account, sheet: Sheet, lock: Lock) -> None:
        self._account = account
        self._library = account.library
        self._sheet = sheet
        self._lock = lock

    async def refresh(self) -> None:
        """Bring the library up to date, with what is asked by id.

        Raises:
            KlingError: no list could be read, now or ever.
        """
        locked = {entry.element_id for entry in self._lock.cast.values()}
        named = {entry.element_id for entry in self._sheet.cast.values()}
        for element_id in (locked | named) - {""}:
            self._library.doubt(element_id)
        await self._library.refresh()

    async def has_read_all(self) -> bool:
        """Whether what the library lacks does not exist."""
        return all(status.is_complete for status in await self._library.sync_status(EVERYWHERE))

    async def in_library(self, name: str) -> bool:
        """Whether a ready element has this name or id."""
        try:
            return (await self._library.match(name)).element.status == "ready"
        except AmbiguousNameError:
            return True
        except NotFoundError:
            return False

    async def kept(self) -> frozenset[str]:
        """The elements that were replaced earlier and still exist, as far as the library knows."""
        old = [each.element_id for element in self._lock.cast.values() for each in element.replaced]
        known = [await self._library.known_by_id(element_id) for element_id in old]
        return frozenset(found.element.element_id for found in known if found and found.element.status == "ready")

    async def facts_of(self, entry: CastEntry) -> CastFacts:
        """What is known of one entry.

        Raises:
            KlingError: the library or the voices could not be read.
        """
        locked = self._lock.cast.get(entry.name)
        if entry.is_adopted:
            return CastFacts(adopted=await self._record_of(entry.element_id))
        facts = CastFacts(
            locked=await self._record_of(locked.element_id) if locked and locked.element_id else None,
            namesakes=await self._namesakes(entry),
        )
        if entry.front is None and not entry.video:
            return facts
        voice_id, problems = await self._voice_of(entry)
        draft = draft_of(entry, voice_id)
        try:
            prepared, intent = await self._account.creator.check(draft)
        except InputError as error:
            problems += [_told(entry, problem) for problem in error.problems]
        if problems:
            return CastFacts(locked=facts.locked, namesakes=facts.namesakes, problems=tuple(problems))
        return CastFacts(
            draft=draft,
            made_from=parts_of_element(prepared),
            earlier=await self._earlier(intent),
            locked=facts.locked,
            namesakes=facts.namesakes,
        )

    async def _record_of(self, element_id: str) -> LibraryElement | None:
        """The record of this element id, asking Kling where it is unknown; another kind of id does not count."""
        try:
            record = (await self._library.match(element_id)).element
        except NotFoundError:
            return None
        return record if record.element_id == element_id else None

    async def _namesakes(self, entry: CastEntry) -> tuple[LibraryElement, ...]:
        """Ready elements with this name; official ones only where there is nothing to make an own one from."""
        own_only = entry.front is not None or bool(entry.video)
        found = {
            record.element_id: record
            for record in await self._library.catalogue.with_name(entry.name)
            if record.status == "ready" and record.element_id and not (own_only and record.source == "preset")
        }
        return tuple(found.values())

    async def _earlier(self, intent: Intent) -> EarlierCreation | None:
        """The creation of this very material that was sent before and has neither failed nor been deleted."""
        entry = await self._account.journal.latest(intent)
        if entry is None:
            return await self._listed(external_id_of(intent, 1))
        name = entry.external_task_id
        if entry.state in UNFINISHED and entry.state != "claimed":
            return EarlierCreation(external_task_id=name, task_id=entry.task_id)
        if entry.state != "ready" or not entry.result_ids:
            return None
        record = await self._record_of(entry.result_ids[0])
        if record is None or record.status != "ready":
            return None
        return EarlierCreation(external_task_id=name, task_id=entry.task_id, element_id=record.element_id)

    async def _listed(self, external_task_id: str) -> EarlierCreation | None:
        """The same where the journal does not know it: ids follow from the material."""
        for record in await self._library.catalogue.with_id(external_task_id):
            if record.external_task_id == external_task_id and record.status in {"ready", "pending"}:
                return EarlierCreation(
                    external_task_id=external_task_id, task_id=record.task_id, element_id=record.element_id
                )
        return None

    async def _voice_of(self, entry: CastEntry) -> tuple[str, list[str]]:
        """The id of the entry's voice, and what is wrong with it."""
        if not entry.voice:
            return "", []
        hits = await self._account.voices.search(entry.voice, EVERYWHERE)
        exact = [voice for voice in hits.voices if _is_called(voice, entry.voice)]
        if len(exact) == 1:
            return exact[0].voice_id, []
        if not exact and hits.failures and entry.voice.isdecimal():
            return entry.voice, []
        fix = "find_voices shows the voices there are."
        given = quote(entry.voice, 60)
        if exact:
            fix = "give the voice_id of the one that is meant."
            given += f", which {len(exact)} voices have: {', '.join(voice.voice_id for voice in exact[:_SHOWN_VOICES])}"
        rule = "must be the exact name or the id of one voice"
        return "", [str(SheetProblem(_where(entry, ".voice"), rule, given, fix, entry.place))]


async def survey_cast(surveyor: Surveyor, sheet: Sheet) -> dict[str, CastFacts]:
    """What is known of each entry.

    Raises:
        KlingError: the library or the voices could not be read.
    """
    await surveyor.refresh()
    return {name: await surveyor.facts_of(entry) for name, entry in sheet.cast.items()}


def draft_of(entry: CastEntry, voice_id: str) -> ElementDraft:
    """What an entry asks for."""
    return ElementDraft(
        element_name=entry.name,
        element_description=entry.description,
        reference_type=VIDEO_REFER if entry.video else IMAGE_REFER,
        frontal_image=entry.front.source if entry.front else "",
        refer_images=tuple(picture.source for picture in entry.others),
        video_url=entry.video,
        element_voice_id=voice_id,
        tags=entry.tags,
    )


def _is_called(voice: LibraryVoice, text: str) -> bool:
    return text == voice.voice_id or as_shown(text) == as_shown(voice.voice_name)


def _told(entry: CastEntry, problem: Problem) -> str:
    argument, bracket, index = problem.argument.partition("[")
    where = _where(entry, _WORDS.get(argument, f".{argument}") + bracket + index)
    return str(SheetProblem(where, problem.rule, problem.actual, problem.fix, _place_of(entry, argument, index)))


def _place_of(entry: CastEntry, argument: str, index: str) -> Place:
    """Where in the sheet the problem lies."""
    if argument == "frontal_image" and entry.front:
        return entry.front.place
    number = index.removesuffix("]")
    if argument == "refer_images" and number.isdecimal() and int(number) < len(entry.others):
        return entry.others[int(number)].place
    return entry.place


def _where(entry: CastEntry, part: str) -> str:
    return f"cast.{clean(entry.name, 40)}{part}"
