"""Generations of the past as callers see them: short rows, and notes on results that may be lost soon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.results.links import LIFETIME_SECONDS
from kling_mcp.sanitize import clean, identifier, quote, quote_prose
from kling_mcp.server.views.files import FileRow, file_row
from kling_mcp.server.views.tasks import next_wait
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.history import Found
    from kling_mcp.generation.past import Link, PastGeneration

SOON_SECONDS = 3 * 24 * 3600
_ID, _PROMPT, _NAME, _MESSAGE = 128, 200, 60, 200
_MAX_IDS = 20
_BYTES_A_ROW, _FEW_ROWS = 235, 20  # twenty rows of saved results with their frame stay below 5 kB
_PROMPTS = (_PROMPT, 80, 60, 40, 25)  # how much of each is shown, from generous to what nearly always fits


class PastGenerationRow(View):
    """One generation.

    Prompt, model, elements and take are known of those that were made here.
    `units` is Kling's figure, else the estimate; `files` are the results with a link or on the disk.
    """

    kind: Literal["video", "image"]
    task_id: str
    external_task_id: str
    status: Literal["ready", "pending", "failed", "unknown"]
    task_status_msg: str
    prompt: str
    model: str
    elements: list[str]
    take: int
    created_at: str
    units: str
    files: list[FileRow]


def past_row(past: PastGeneration) -> PastGenerationRow:
    """A generation as callers see it."""
    memo = past.memo
    return PastGenerationRow(
        kind=past.product,
        task_id=clean(past.task_id, _ID),
        external_task_id=clean(past.external_task_id, _ID),
        status=past.status,
        task_status_msg=clean(past.message, _MESSAGE) if past.status == "failed" else "",
        prompt=clean(memo.prompt, _PROMPT),
        model=clean(memo.model, _NAME),
        elements=[clean(name or element_id, _NAME) for element_id, name in memo.elements],
        take=memo.take,
        created_at=iso_utc(past.created_at),
        units=clean(past.units, 20),
        files=[file_row(file) for file in past.files],
    )


def past_lines(rows: Sequence[PastGenerationRow], now: float) -> list[str]:
    """The rows, each in a line and one for each of its results. `now` is in seconds since 1970.

    If that would be long, the folder of the files is named once and prompts are shortened. Links are always whole.
    """
    lines = [_past_text(row, now) for row in rows]
    folder = _folder_of(rows)
    for most in _PROMPTS:
        if sum(len(line.encode()) + 1 for line in lines) <= _BYTES_A_ROW * max(len(rows), _FEW_ROWS):
            break
        lines = [f"Files are in {quote(folder, 1000)}."] if folder else []
        lines += [_past_text(row, now, folder=folder, prompt=most) for row in rows]
    return lines


def _folder_of(rows: Sequence[PastGenerationRow]) -> str:
    """The folder that all files are in, or below; "" if there is none, or hardly any file."""
    folders = [os.path.dirname(file.path) for row in rows for file in row.files if file.path]  # noqa: PTH120 - text
    try:
        return os.path.commonpath(folders) if len(folders) > 1 else ""
    except ValueError:  # on two disks of Windows
        return ""


def _past_text(row: PastGenerationRow, now: float, *, folder: str = "", prompt: int = _PROMPT) -> str:
    facts = [
        row.kind,
        f"task_id={identifier(row.task_id)}" if row.task_id else f"external_task_id={identifier(row.external_task_id)}",
        f"status={row.status}",
        row.task_status_msg and f"task_status_msg={quote(row.task_status_msg, _MESSAGE)}",
        row.prompt and f"prompt={quote_prose(clean(row.prompt, prompt), _PROMPT)}",
        row.model and f"model={row.model}",
        row.elements and f"elements={', '.join(quote(name, _NAME) for name in row.elements)}",
        row.take > 1 and f"take={row.take}",
        row.units and f"units={identifier(row.units)} ({row.kind} units)",
        row.created_at and row.created_at[:10],
    ]
    lines = [" ".join(str(fact) for fact in facts if fact)]
    moment = iso_utc(round(now * 1000))
    return "\n".join([*lines, *(f"  {_file_text(file, moment, folder)}" for file in row.files)])


def _file_text(file: FileRow, now: str, folder: str) -> str:
    """A path says where it is, from `folder` if that is given; the link is told where there is no path."""
    ends = file.expires_at and f"link {'ended' if file.expires_at <= now else 'ends'} {file.expires_at[:10]}"
    path = os.path.relpath(file.path, folder) if file.path and folder else file.path
    where = f"path={quote(path, 1000)}" if path else f"not saved; url={file.url}"
    return "; ".join(fact for fact in (where, ends) if fact)


def notes_on_found(found: Found, now: float, *, saves: bool, why_not: str = "") -> list[str]:
    """What could not be read, and which results may be lost.

    Args:
        now: in seconds since 1970.
        why_not: why nothing is saved, as a sentence.
    """
    notes = [f"Not everything could be read: {error.message}" for error in found.errors]
    if found.known and not found.generations:
        notes.append(f"None of {found.known} fits; without query, element, kind and status all are listed.")
    if not found.is_whole and not notes:
        notes.append("There are more than can be read at once; narrow the search.")
    ended: list[PastGeneration] = []
    soon: list[PastGeneration] = []
    later: list[PastGeneration] = []
    for past in found.generations:
        if not (unsaved := past.unsaved(found.recorded)):
            if _is_forgotten(past, now) and past.task_id not in found.recorded:
                ended.append(past)
            continue
        group = ended if _ends_before(unsaved, now) else soon if _ends_before(unsaved, now + SOON_SECONDS) else later
        group.append(past)
    if soon:
        notes.append(f"The links of {_count(soon)} end within 3 days. {_rescue(soon, saves=saves)}")
    if (soon or later) and not saves and why_not:
        notes.append(why_not)
    if later and saves:
        notes.append(f"{_count(later)} not saved on this computer. {_rescue(later, saves=saves)}")
    if ended:
        notes.append(f"The links of {_count(ended)} ended and no file is on this computer, so nothing can save them.")
    return notes


def _ends_before(links: Sequence[Link], moment: float) -> bool:
    return any(0 < link.ends_at <= moment for link in links)


def _is_forgotten(past: PastGeneration, now: float) -> bool:
    """Kling lists no result of it any more."""
    return past.status == "ready" and not past.links and past.created_at / 1000 < now - LIFETIME_SECONDS


def _count(some: Sequence[PastGeneration]) -> str:
    return f"{len(some)} finished generation{'' if len(some) == 1 else 's'}"


def _rescue(some: Sequence[PastGeneration], *, saves: bool) -> str:
    if not saves:
        return "Open their links before; this server saves nothing (KLING_MCP_OUTPUT_DIR, KLING_MCP_READ_ONLY)."
    return next_wait([past.task_id for past in some[:_MAX_IDS]], " to save them.")
