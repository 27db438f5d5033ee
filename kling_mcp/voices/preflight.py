"""Checks a request for a voice before anything is sent, and reports every problem at once.

Nothing is opened: what a recording holds is seen by Kling alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api import limits
from kling_mcp.api.ids import ROUNDED, is_rounded
from kling_mcp.elements import text_rules
from kling_mcp.errors import InputError, Problem
from kling_mcp.generation.prices import Estimate, estimate_voice
from kling_mcp.library.records import VOICE
from kling_mcp.media.inputs import Findings, check_voice_link
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from kling_mcp.tasks.entry import JournalEntry

_MAX_VIDEO_ID_CHARACTERS = 64  # ours; the ids seen have 18 or 19 digits
_ONE = "must be given, or else video_id: exactly one of the two"


@dataclass(frozen=True, slots=True)
class VoiceDraft:
    """What a caller asks for; "" means not given.

    Attributes:
        voice_url: a link to the recording.
        video_id: the id of a clip with sound, or of the task that made it from here.
    """

    voice_name: str
    voice_url: str = ""
    video_id: str = ""


@dataclass(frozen=True, slots=True)
class PreparedVoice:
    """A valid request. `warnings` are sentences for the caller."""

    voice_name: str
    voice_url: str
    video_id: str
    estimate: Estimate
    warnings: tuple[str, ...] = ()

    def body(self) -> dict[str, object]:
        """The body as Kling takes it, without its external id. fact: voice-create"""
        source = {"voice_url": self.voice_url} if self.voice_url else {"video_id": self.video_id}
        return {"voice_name": self.voice_name, **source}


def prepare_voice(draft: VoiceDraft, clip: JournalEntry | None = None) -> PreparedVoice:
    """The request in the form that may be sent, with its price.

    Args:
        clip: what the journal knows of the video that `video_id` names.

    Raises:
        InputError: every problem.
    """
    found = Findings()
    name = found.take("", text_rules.check_name, draft.voice_name, "voice_name")
    found.warn(text_rules.warn_of_double_count("voice_name", name, limits.MAX_NAME_CHARACTERS))
    link, video_id = draft.voice_url.strip(), draft.video_id.strip()
    if bool(link) == bool(video_id):
        actual = "both" if link else "neither"
        found.refuse("voice_url", _ONE, actual, f"give a link to {limits.VOICE_RULE}, or the id of a clip with sound.")
    elif link:
        link = found.take("", check_voice_link, link, limits.VOICE_RULE)
    else:
        video_id = found.take("", _check_video_id, video_id, clip)
    if found.problems:
        raise InputError(found.problems)
    return PreparedVoice(name, link, video_id, estimate_voice(), tuple(found.warnings))


def _check_video_id(video_id: str, clip: JournalEntry | None) -> str:
    """The id of the clip itself. Raises InputError. fact: voice-from"""
    if is_rounded(video_id):
        raise InputError([Problem("video_id", "must be an id with all its digits", quote(video_id), ROUNDED)])
    if len(video_id) > _MAX_VIDEO_ID_CHARACTERS:
        raise InputError([Problem("video_id", "must be the id of a video", quote(video_id, 80), "give its id.")])
    if clip is None:
        return video_id
    if problem := _clip_problem(video_id, clip):
        raise InputError([problem])
    return clip.result_ids[0]


def _clip_problem(video_id: str, clip: JournalEntry) -> Problem | None:
    """Why a task that was made from here has no voice to take."""
    given = quote(video_id)
    if clip.product != "video" or clip.kind == VOICE:
        fix = "give the id of a clip with sound, or voice_url."
        return Problem("video_id", "must be the id of a clip, which this is not", given, fix)
    if clip.state != "ready" or not clip.result_ids:
        fix = "wait for it with wait_for_tasks, then repeat this call."
        return Problem("video_id", "must be a clip that is finished", given, fix)
    if '"audio": "off"' in clip.memo.get("settings", ""):
        fix = "make one with audio=native, or give voice_url."
        return Problem("video_id", "must be a clip with sound; this one was made without", given, fix)
    return None
