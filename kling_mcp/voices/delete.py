"""Deletes a voice by id, with its name as a safety check.

A voice's task is not asked for: the list shows every voice with its state (facts: voice-routes, voice-record).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import (
    AmbiguousNameError,
    InputError,
    KlingError,
    NotFoundError,
    Problem,
    ServerError,
    UnknownOutcomeError,
)
from kling_mcp.library.voices import PAGE_SIZE
from kling_mcp.sanitize import as_shown, clean, quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import Voice, VoiceTask

    ReadPage = Callable[[int, int], Awaitable[list[VoiceTask]]]

LAST_PAGE = 1000
_MAX_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class VoiceDeletion:
    """`sent` is False if the voice was already deleted."""

    voice_id: str
    voice_name: str
    sent: bool


async def delete_voice(client: KlingClient, voice_id: str, voice_name: str) -> VoiceDeletion:
    """Delete one of the account's own voices.

    Raises:
        NotFoundError, AmbiguousNameError: no own voice has this id; the candidates are those of this name.
        InputError: the name is not that voice's exact name, or the voice is official.
        UnknownOutcomeError, ServerError: the outcome is unknown, and the list does not show it as deleted yet.
    """
    voices = await _read_all(client.list_voices)
    voice = next((each for each, _ in voices if each.voice_id == voice_id), None)
    if voice is None:
        raise await _explain_absence(client, voices, voice_id, voice_name)
    if as_shown(voice.voice_name) != as_shown(voice_name):
        raise InputError([_wrong_name(voice, voice_name)], advice="Nothing was deleted.")
    if voice.is_deleted:
        return VoiceDeletion(voice_id, voice.voice_name, sent=False)
    try:
        await client.delete_voice(voice_id)
    except (UnknownOutcomeError, ServerError):
        if not await _is_gone(client, voice_id):
            raise
    return VoiceDeletion(voice_id, voice.voice_name, sent=True)


async def _read_all(read_page: ReadPage) -> list[tuple[Voice, VoiceTask]]:
    """Every voice of a list with its task. facts: list-no-total, voice-page"""
    found: list[tuple[Voice, VoiceTask]] = []
    for page_num in range(1, LAST_PAGE + 1):
        tasks = await read_page(page_num, PAGE_SIZE)
        found += [(voice, task) for task in tasks for voice in task.voices]
        if len(tasks) < PAGE_SIZE:
            break
    return found


async def _explain_absence(
    client: KlingClient, own: Sequence[tuple[Voice, VoiceTask]], voice_id: str, name: str
) -> KlingError:
    """Why there is nothing to delete: an official voice, another id, or no such voice."""
    official = await _read_all(client.list_preset_voices)
    if any(voice.voice_id == voice_id for voice, _ in official):
        rule = "must be a voice of your own, not an official one"
        return InputError(
            [Problem("voice_id", rule, quote(voice_id, 40), "leave it; it costs nothing")],
            advice="No deletion was sent.",
        )
    meant = [
        voice
        for voice, task in own
        if not voice.is_deleted
        and (voice_id in {task.task_id, task.external_task_id} or as_shown(voice.voice_name) == as_shown(name))
    ]
    candidates = [f"voice_id={clean(voice.voice_id, 80)}, {quote(voice.voice_name, 60)}" for voice in meant]
    told = "; ".join(candidates[:_MAX_CANDIDATES])
    if len(meant) > 1 and as_shown(voice_id) == as_shown(name):
        return AmbiguousNameError(
            f"{quote(name, 60)} is the name of {len(meant)} voices: {told}.",
            candidates=candidates,
            named=name,
            advice="Nothing was deleted. Give the id of the one you mean; if you cannot tell, ask the person.",
        )
    advice = "The id must be a voice_id, not a task_id and not a name; find_voices with source=custom shows it."
    if candidates:
        advice += f" These may be meant: {told}. If you cannot tell, ask the person."
    return NotFoundError(
        f"No voice of this account has the id {quote(voice_id, 40)}; nothing was deleted.",
        candidates=candidates,
        advice=advice,
    )


def _wrong_name(voice: Voice, given: str) -> Problem:
    return Problem(
        "voice_name",
        f"must be the exact name of voice {voice.voice_id}, which is {quote(voice.voice_name, 60)}",
        quote(given, 60),
        "check that this is the voice you mean, then give its exact name",
    )


async def _is_gone(client: KlingClient, voice_id: str) -> bool:
    """Whether the list shows the voice as deleted, or no longer shows it."""
    try:
        voices = await _read_all(client.list_voices)
    except KlingError:
        return False
    return all(voice.is_deleted for voice, _ in voices if voice.voice_id == voice_id)
