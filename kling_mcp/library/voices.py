"""The voices that an element can have: Kling's and the account's own. Read in full, cached for a limited time.

These lists hold only voices for elements; speech and lip-sync voices are separate (voice-catalogues).
There are few, so they are kept and searched in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import anyio
from anyio import to_thread

from kling_mcp.errors import AuthError, ClockError, KlingError
from kling_mcp.library.folding import name_key
from kling_mcp.library.from_kling import MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS, capped, link
from kling_mcp.library.records import ElementStatus, Source
from kling_mcp.library.spelling import distance, errors_allowed
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import VoiceTask
    from kling_mcp.concurrency.clock import Clock

    ReadPage = Callable[[int, int], Awaitable[list[VoiceTask]]]

PAGE_SIZE = 1000  # fact: voice-page
MAX_PAGES = 20
VOICES_TTL_SECONDS: dict[Source, float] = {"custom": 60.0, "preset": 3600.0}
RETRY_SECONDS = 10.0
MAX_WORDS = 12
Match = Literal["all", "similar", "some", "none"]
CHOOSABLE: tuple[ElementStatus, ...] = ("ready", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryVoice:
    """One voice; texts as Kling gave them, capped. `trial_url` is an https link or ""."""

    source: Source
    voice_id: str
    voice_name: str = ""
    trial_url: str = ""
    owned_by: str = ""
    status: ElementStatus = "ready"


@dataclass(frozen=True, slots=True)
class VoiceHits:
    """All matching voices, best first. `failures` are the lists that could not be read, and why.

    `match` says how much of the text the best ones match: all of it, all with a typo, some words, none. With none,
    every voice is a hit.
    """

    voices: list[LibraryVoice]
    failures: dict[Source, KlingError]
    match: Match = "all"


@dataclass(slots=True)
class _CachedList:
    voices: list[LibraryVoice]
    read_at: float
    failure: KlingError | None = None


class VoiceCatalogue:
    """The voices of one account."""

    def __init__(self, client: KlingClient, clock: Clock) -> None:
        self._clock = clock
        self._read_page: dict[Source, ReadPage] = {
            "custom": client.list_voices,
            "preset": client.list_preset_voices,
        }
        self._lists: dict[Source, _CachedList] = {}
        self._lock = anyio.Lock()

    async def search(self, text: str, sources: Sequence[Source]) -> VoiceHits:
        """The voices with this id or with words of their names; own ones before official ones.

        Kling knows only names of voices (voice-record), so a description in other words matches nothing: then all of
        them are listed, unless an id was asked for.

        Deleted and failed voices are left out: they cannot be used.

        Raises:
            AuthError, ClockError: the credentials are not accepted.
            KlingError: no list could be read, now or ever.
        """
        lists = {source: await self._cached_list(source) for source in sources}
        failures = {source: known.failure for source, known in lists.items() if known.failure is not None}
        if len(failures) == len(lists) and not any(known.voices for known in lists.values()):
            raise next(iter(failures.values()))
        voices = [voice for known in lists.values() for voice in known.voices if voice.status in CHOOSABLE]
        # In a thread: an account may have thousands, whose names are long.
        hits, match = await to_thread.run_sync(_matching, voices, as_shown(text))
        if match == "none" and not text.strip().isdecimal():
            hits = voices
        return VoiceHits(hits, failures, match)

    def own_age(self) -> float:
        """How many seconds ago the account's own voices were read; infinite if they are to be read anew."""
        known = self._lists.get("custom")
        return math.inf if known is None else self._clock.monotonic() - known.read_at

    async def own_with_name(self, name: str) -> list[LibraryVoice]:
        """The account's own voices with this name, as it is shown, that can be used or will be.

        Raises:
            KlingError: their list could not be read just now.
        """
        known = await self._cached_list("custom")
        if known.failure is not None:
            raise known.failure
        shown = as_shown(name)
        return [each for each in known.voices if each.status in CHOOSABLE and as_shown(each.voice_name) == shown]

    def invalidate(self) -> None:
        """The account's own voices changed: read them at the next question."""
        if known := self._lists.get("custom"):
            known.read_at = -math.inf

    async def _cached_list(self, source: Source) -> _CachedList:
        """The cached list, read again if it is old; concurrent callers share one read."""
        async with self._lock:
            known = self._lists.get(source)
            now = self._clock.monotonic()
            if known is None or now - known.read_at >= (RETRY_SECONDS if known.failure else VOICES_TTL_SECONDS[source]):
                try:
                    known = _CachedList(await self._read(source), now)
                except (AuthError, ClockError):
                    raise
                except KlingError as error:
                    known = _CachedList(known.voices if known else [], now, error)
                self._lists[source] = known
            return known

    async def _read(self, source: Source) -> list[LibraryVoice]:
        voices: dict[str, LibraryVoice] = {}
        for page_num in range(1, MAX_PAGES + 1):
            page = await self._read_page[source](page_num, PAGE_SIZE)
            for task in page:
                voices.update((voice.voice_id, voice) for voice in voices_of(task, source))
            if len(page) < PAGE_SIZE:
                break
        return list(voices.values())


def voices_of(task: VoiceTask, source: Source) -> list[LibraryVoice]:
    """The voices of a record. Official ones are ready, whatever their empty task fields say (presets-thin)."""
    status: ElementStatus = "ready" if source == "preset" or task.task_status == "succeed" else "pending"
    if task.task_status == "failed":
        status = "failed"
    return [
        LibraryVoice(
            source=source,
            voice_id=capped(voice.voice_id, MAX_ID_CHARACTERS),
            voice_name=capped(voice.voice_name, MAX_NAME_CHARACTERS),
            trial_url=link(voice.trial_url),
            owned_by=capped(voice.owned_by, MAX_ID_CHARACTERS),
            status="deleted" if voice.is_deleted else status,
        )
        for voice in task.voices
    ]


def _matching(voices: list[LibraryVoice], text: str) -> tuple[list[LibraryVoice], Match]:
    """The matches, best first, and how much of the text they match."""
    if not text:
        return voices, "all"
    key = name_key(text)
    ranked = [(rank, voice) for voice in voices if (rank := _rank(voice, text, key)) is not None]
    if ranked:
        return [voice for _, voice in sorted(ranked, key=lambda pair: pair[0])], "all"
    return _matching_in_part(voices, key.split()[:MAX_WORDS])


def _rank(voice: LibraryVoice, text: str, key: str) -> int | None:
    """0 for the id or the exact name, 1 for the folded name, 2 for its prefix, 3 for its words, otherwise None."""
    its_key = name_key(voice.voice_name)
    if text in {voice.voice_id, as_shown(voice.voice_name)}:
        return 0
    if its_key == key:
        return 1
    if its_key.startswith(key):
        return 2
    its_words = its_key.split()
    is_there = all(any(word.startswith(wanted) for word in its_words) for wanted in key.split())
    return 3 if is_there else None


def _matching_in_part(voices: list[LibraryVoice], wanted: list[str]) -> tuple[list[LibraryVoice], Match]:
    """The voices with most of the words, as written or else with a typo."""
    words = {voice.voice_id: set(name_key(voice.voice_name).split()) for voice in voices}
    vocabulary = set().union(*words.values())
    meant = [known for word in wanted if (known := _known(word, vocabulary))]
    counted = [(sum(bool(known & words[voice.voice_id]) for known in meant), voice) for voice in voices]
    most = max((count for count, _ in counted), default=0)
    if most == len(wanted):
        return [voice for count, voice in counted if count == most], "similar"
    found = sorted((pair for pair in counted if pair[0]), key=lambda pair: -pair[0])
    return [voice for _, voice in found], "some" if found else "none"


def _known(wanted: str, vocabulary: set[str]) -> set[str]:
    """The words that begin like this one, otherwise those that differ by a typo. A letter alone is no beginning."""
    if len(wanted) == 1 and wanted.isascii():
        return vocabulary & {wanted}
    beginning = {word for word in vocabulary if word.startswith(wanted)}
    errors = errors_allowed(wanted)
    return beginning or {word for word in vocabulary if errors and distance(wanted, word, errors) <= errors}
