"""`find_voices`: the voices that an element can be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.errors import InputError
from kling_mcp.sanitize import clean, quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._cursor import bad_cursor, make_cursor, read_cursor
from kling_mcp.server.views.view import View
from kling_mcp.server.views.voice_tasks import MAX_TRIAL_URL_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import Source
    from kling_mcp.library.voices import LibraryVoice, VoiceHits

_SOURCES: dict[str, tuple[Source, ...]] = {"custom": ("custom",), "preset": ("preset",), "all": ("custom", "preset")}
# What Kling shows of a voice is the fact voice-record.
_NAMES_ONLY = "Kling knows only names of voices, no gender, age, language or tone: let the person listen at trial_url."


class FindVoicesArguments(ToolArguments):
    """What to search for, and how much to return."""

    query: str = Field("", max_length=200, description="Words of the name, or an id")
    source: Literal["custom", "preset", "all"] = "all"
    limit: int = Field(20, ge=1, le=100)
    cursor: str = ""


class VoiceRow(View):
    """One voice."""

    voice_id: str
    voice_name: str
    owned_by: str
    trial_url: str
    source: Literal["custom", "preset"]
    status: Literal["ready", "pending", "failed", "deleted"]


class VoicesView(View):
    """One page of voices."""

    SHOWN = ("voices", "next_cursor")

    voices: list[VoiceRow]
    total: int
    next_cursor: str
    complete: bool
    notes: list[str]


@tool(
    "find_voices",
    title="Find voices",
    annotations=READS,
    arguments=FindVoicesArguments,
    view=VoicesView,
    search_hint="speech narrator",
)
async def find_voices(arguments: FindVoicesArguments, call: ToolContext) -> Answer:
    """Find a voice for element_voice_id by name or id; people can listen at trial_url. Speech and lip-sync voices
    do not fit."""
    hits = await call.account.voices.search(arguments.query, _SOURCES[arguments.source])
    rest = _after(hits.voices, arguments)
    page = rest[: arguments.limit]
    notes = [
        f"The {'official' if source == 'preset' else 'own'} voices could not be read just now. {failure.message}"
        for source, failure in hits.failures.items()
    ]
    if not arguments.cursor.strip():
        notes += _notes_on_hits(hits, arguments)
    view = VoicesView(
        voices=[_row(voice) for voice in page],
        total=len(hits.voices),
        next_cursor=make_cursor({"v": page[-1].voice_id}, _bound(arguments)) if len(rest) > len(page) else "",
        complete=not hits.failures,
        notes=notes,
    )
    return Answer(view, _text(view))


def _notes_on_hits(hits: VoiceHits, arguments: FindVoicesArguments) -> list[str]:
    asked = quote(arguments.query, 60)
    if not hits.voices and hits.match == "none":
        return [f"No usable voice has the id {asked}."]
    if not hits.voices and arguments.source == "custom" and not hits.failures:
        return ["This account has no voices of its own; source=preset shows Kling's."]
    match hits.match:
        case "similar":
            return [f"Nothing matches {asked} as written; these are similar."]
        case "some":
            return [f"No voice matches all of {asked}; these match some of its words, best first. {_NAMES_ONLY}"]
        case "none":
            return [f"No voice matches {asked}, so all are listed. {_NAMES_ONLY}"]
    return []


def _bound(arguments: FindVoicesArguments) -> dict[str, object]:
    return {"voices": arguments.query, "source": arguments.source}


def _after(voices: Sequence[LibraryVoice], arguments: FindVoicesArguments) -> Sequence[LibraryVoice]:
    """The voices after the one that the cursor names."""
    cursor = arguments.cursor.strip()
    if not cursor:
        return voices
    last = read_cursor(cursor, _bound(arguments)).get("v")
    for place, voice in enumerate(voices):
        if voice.voice_id == last:
            return voices[place + 1 :]
    raise InputError([bad_cursor(cursor, "must name a voice that is still in the list")])


def _row(voice: LibraryVoice) -> VoiceRow:
    return VoiceRow(
        voice_id=clean(voice.voice_id, 80),
        voice_name=clean(voice.voice_name, 60),
        owned_by=clean(voice.owned_by, 40),
        trial_url=voice.trial_url if len(voice.trial_url) <= MAX_TRIAL_URL_CHARACTERS else "",
        source=voice.source,
        status=voice.status,
    )


def _row_text(row: VoiceRow) -> str:
    facts = [
        f"voice_id={row.voice_id}",
        row.voice_name and f"name={quote(row.voice_name, 60)}",
        f"source={row.source}",
        f"status={row.status}",
        row.owned_by and f"owned_by={row.owned_by}",
        f"trial_url={row.trial_url or 'none'}",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)


def _text(view: VoicesView) -> str:
    shown = len(view.voices)
    of = f"{shown} of {view.total}" if shown != view.total else str(view.total)
    lines = [
        f"{of} voice{'' if view.total == 1 else 's'}; total={view.total} complete={str(view.complete).lower()}",
        *map(_row_text, view.voices),
        *(f"Note: {note}" for note in view.notes),
        f"More: call again with cursor={view.next_cursor}" if view.next_cursor else "",
    ]
    return "\n".join(line for line in lines if line)
