"""The shots of a plan: what each is, with which settings, and as few lines as say it all."""

from __future__ import annotations

import os
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from kling_mcp.generation.shots import parse_shots
from kling_mcp.generation.video_rules import DEFAULT_RATIO, DEFAULT_SECONDS
from kling_mcp.production.check_shots import draft_of
from kling_mcp.production.mentions import ALWAYS_WITH_SOUND, text_of
from kling_mcp.sanitize import clean, identifier, quote_prose
from kling_mcp.server.views.files import FileRow, file_row
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kling_mcp.production.decide import ShotDecision
    from kling_mcp.production.model import Shot
    from kling_mcp.production.plan import Plan
    from kling_mcp.results.saver import SavedFile

PlannedAction = Literal["render", "reuse", "unchanged", "left_out"]

_NAME, _WHY, _PROMPT, _PATH = 60, 400, 160, 1000
_ALL_PROMPTS, _MIN_PROMPT, _MAX_PROMPT = 2_000, 40, 120  # characters of the text of a plan
_MAX_LINES = 100
_MAX_FILES = 100
_SOUND = {"off": "silent", "native": "native sound", "original": "sound of the video"}


class PlannedShot(View):
    """One take of a shot.

    `action` is what applying does: `render` it, also where it waits for elements that are made first; `reuse` a video
    that was paid before; leave it `unchanged`; or `left_out`, because it cannot be rendered.
    `units` is text such as `3` or `3 to 4.5`; "" if nothing is paid for it.
    `settings` are model, shape, length, size and sound; `prompt` is shortened.
    `files` are those of an unchanged take.
    """

    shot: str
    take: int
    action: PlannedAction
    units: str
    why: str
    settings: str
    prompt: str
    files: list[FileRow]


def planned_shot(each: ShotDecision, plan: Plan, files: Sequence[SavedFile] = ()) -> PlannedShot:
    """A take as callers see it."""
    shot = plan.sheet.shots[each.shot_id]
    return PlannedShot(
        shot=clean(each.shot_id, _NAME),
        take=each.take,
        action=action_of(each),
        units=each.estimate.units if each.costs and each.estimate else "",
        why=clean(each.why, _WHY),
        settings=", ".join(settings_of(shot)),
        prompt=clean(text_of(shot), _PROMPT),
        files=[file_row(file) for file in files],
    )


def action_of(each: ShotDecision) -> PlannedAction:
    """What applying does with a take, in a word."""
    if each.action == "unchanged":
        return "unchanged"
    if each.is_stuck:
        return "left_out"
    return "reuse" if each.is_paid else "render"


def settings_of(shot: Shot) -> tuple[str, ...]:
    """Model, shape, length, size and sound, in words."""
    draft = draft_of(shot)
    shape, seconds = shot.aspect_ratio or DEFAULT_RATIO, f"{shot.duration or DEFAULT_SECONDS} s"
    if shot.shots:
        cuts, _ = parse_shots(shot.shots)
        seconds = f"{sum(cut.seconds for cut in cuts)} s in {len(cuts)} cuts"
    if draft.has_base_video:
        shape, seconds = "shape of the video", "length of the video"
    elif shot.first_frame:
        shape = "shape of the first frame"
    sound = "with sound" if shot.model in ALWAYS_WITH_SOUND else _SOUND[shot.audio]
    return (clean(shot.model, _NAME), shape, seconds, shot.resolution, sound)


def settings_line(rows: Iterable[PlannedShot]) -> str:
    """The settings of what is paid for: those that most takes have, and of the others what differs."""
    parts = {
        (row.shot, row.take): (*row.settings.split(", "), f"{row.units} units")
        for row in rows
        if row.action == "render"
    }
    if not parts:
        return ""
    usual, count = Counter(parts.values()).most_common(1)[0]
    if count == len(parts):
        return f"all: {', '.join(usual)}" + (" each" if count > 1 else "")
    others: dict[str, list[str]] = {}
    for (shot, _), own in parts.items():
        if own != usual:
            differs = ", ".join(part for part, most in zip(own, usual, strict=True) if part != most)
            ids = others.setdefault(differs, [])
            if shot not in ids:
                ids.append(shot)
    return "; ".join([f"all: {', '.join(usual)} each", *(f"{_some(ids)}: {told}" for told, ids in others.items())])


def shot_lines(rows: Sequence[PlannedShot]) -> list[str]:
    """A line for each shot that is rendered, reused or left out, and a few for those that are there."""
    work = [row for row in rows if row.action != "unchanged"]
    grouped = [list(takes) for _, takes in groupby(work, key=lambda row: (row.shot, row.action, row.why))]
    most = max(_MIN_PROMPT, min(_MAX_PROMPT, _ALL_PROMPTS // max(1, len(grouped))))
    lines = [_line(takes, most) for takes in grouped[:_MAX_LINES]]
    if len(grouped) > _MAX_LINES:
        lines.append(f"and {len(grouped) - _MAX_LINES} more shots")
    return lines + _unchanged_lines([row for row in rows if row.action == "unchanged"])


def _line(takes: Sequence[PlannedShot], most: int) -> str:
    row = takes[0]
    verb = "leave out" if row.action == "left_out" else row.action
    told = f"{verb} {identifier(row.shot, _NAME)}{_takes(takes)}{f' ({row.why})' if row.why else ''}"
    return f"{told}: {quote_prose(row.prompt, most)}" if row.prompt else told


def _takes(takes: Sequence[PlannedShot]) -> str:
    numbers = [row.take for row in takes]
    if numbers == [1]:
        return ""
    return f" take {numbers[0]}" if len(numbers) == 1 else f" takes {numbers[0]} to {numbers[-1]}"


def _unchanged_lines(rows: Sequence[PlannedShot]) -> list[str]:
    if not rows:
        return []
    files = [file for row in rows for file in row.files]
    return [f"unchanged {_some(list(dict.fromkeys(row.shot for row in rows)))}", *file_lines(files)]


def file_lines(files: Sequence[FileRow]) -> list[str]:
    """Files by folder, and links of those that are not on the disk."""
    folders: dict[str, list[str]] = {}
    for file in files[:_MAX_FILES]:
        folder, name = os.path.split(file.path)
        folders.setdefault(folder, []).append(identifier(name, 200) if name else f"not saved: {file.url}")
    lines = [
        f"files in {clean(folder, _PATH)}: {', '.join(names)}" if folder else "\n".join(names)
        for folder, names in folders.items()
    ]
    return [*lines, f"and {len(files) - _MAX_FILES} more files"] if len(files) > _MAX_FILES else lines


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(identifier(shot, _NAME) for shot in ids[:_MAX_LINES])
    return f"{shown} and {len(ids) - _MAX_LINES} more" if len(ids) > _MAX_LINES else shown
