"""What the journal writes down: wishes, entries, and how an entry goes from one state to the next.

A wish (the same account, texts and pictures, or the caller's own external_task_id) has one entry per attempt:

    claimed ── sending ── accepted ── ready | failed | deleted
                  │  └─── refused      Kling said that nothing was done: the entry may be sent again
                  └────── unclear      the reply was lost: look before sending again

Whoever works on an entry holds its lease and renews it; a lease that ran out means that its holder died.
A holder that was only slow (a laptop that slept) may find that another call has taken over: it may then write
what it knows of the task, but not send.

Pure: nothing is stored, sent or timed here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kling_mcp.api.limits import MAX_EXTERNAL_TASK_ID_CHARACTERS
from kling_mcp.errors import Problem
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from kling_mcp.api.models import ElementTask

LEASE_SECONDS = 10.0
# How long a request may be at work at Kling after nobody was left to hear the answer: a crash, or a caller who left.
SETTLES_AFTER_DESERTION = 30.0
UNFINISHED = ("claimed", "sending", "unclear", "accepted")
OVER = ("failed", "deleted")
UNSENT = ("claimed", "refused")


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants created. `intent` is its identity, `digest` its content, `named` the caller's own id."""

    key: str
    content_hash: str
    label: str
    reference_type: str
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One attempt at a wish, as the journal knows it. Times are seconds since 1970."""

    account: str
    external_task_id: str
    key: str
    attempt: int
    content_hash: str
    label: str
    reference_type: str
    state: str
    task_id: str = ""
    result_ids: str = ""
    detail: str = ""
    owner: str = ""
    lease_until: float = 0.0
    sent_at: float = 0.0
    settles_at: float = 0.0
    created_at: float = 0.0
    updated_at: float = 0.0


def has_other_content(entry: JournalEntry, wish: Intent, *, is_held: bool) -> bool:
    """An id of ours has one content; a caller's own may change it while nothing stands, or may yet stand, under it."""
    if entry.content_hash == wish.content_hash:
        return False
    is_ours = entry.key == entry.content_hash
    was_ever_lost = entry.settles_at > 0
    return is_ours or is_held or not (entry.state in OVER or (entry.state in UNSENT and not was_ever_lost))


def reset_for(entry: JournalEntry, wish: Intent, arrival: float) -> JournalEntry:
    """Nothing was sent under this id, so it may stand for something else now, and comes after all others."""
    return replace(
        entry,
        state="claimed",
        content_hash=wish.content_hash,
        label=wish.label,
        reference_type=wish.reference_type,
        created_at=arrival,
    )


def mark_abandoned(entry: JournalEntry) -> JournalEntry:
    """What is left by a holder that died while its request was at work."""
    if entry.state != "sending":
        return entry
    last_sign = max(entry.sent_at, entry.lease_until - LEASE_SECONDS)
    return mark_unclear(entry, "its call ended without a word", last_sign + SETTLES_AFTER_DESERTION)


def mark_unclear(entry: JournalEntry, detail: str, settles_at: float) -> JournalEntry:
    """The reply was lost. Before `settles_at` the request may still be at work at Kling."""
    return replace(entry, state="unclear", settles_at=settles_at, detail=detail)


def names_other_content(entry: JournalEntry, task: ElementTask) -> bool:
    """Whether a caller's own id names a task that visibly makes something else."""
    is_ours = entry.key == entry.content_hash
    return not is_ours and bool(task.elements) and task.elements[0].element_name != entry.label


def external_id_conflict(entry: JournalEntry) -> Problem:
    """For a caller's own external_task_id that was used for another creation."""
    return Problem(
        "external_task_id",
        f"stands already for another creation, the element {quote(entry.label, 40)}",
        quote(entry.external_task_id, 64),
        "leave external_task_id empty, or choose one that was never used",
    )


def external_id_of(wish: Intent, attempt: int) -> str:
    """The id that Kling is given: the caller's own, or one that follows from the wish."""
    base = wish.caller_id or f"kmcp-{wish.key[:28]}"
    ending = "" if attempt == 1 else f"-{attempt}"
    return base[: MAX_EXTERNAL_TASK_ID_CHARACTERS - len(ending)] + ending


def end_state(task: ElementTask) -> str:
    """`ready`, `failed`, `deleted`, or "" while the task runs."""
    if not task.is_final:
        return ""
    if task.task_status == "failed":
        return "failed"
    return "deleted" if all(element.is_deleted for element in task.elements) else "ready"
