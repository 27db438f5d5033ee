"""What the journal records: entries, and how an entry goes from one state to the next.

A request (see `intent`) has one entry per attempt:

    claimed ── sending ── accepted ── ready | failed | deleted
                  │  └─── refused      nothing was done at Kling: the entry may be sent again
                  └────── unclear      the reply was lost: look it up before sending again

The call that works on an entry holds its lease and renews it; an expired lease means that its holder died.
A holder that was only slow (a laptop that slept) may find that another call has taken over: it may then record what
it knows about the task, but not send.

Pure: nothing is stored, sent or timed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from kling_mcp.errors import Problem
from kling_mcp.sanitize import as_shown, quote
from kling_mcp.tasks.budget import Cost, units_of
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from kling_mcp.api.models import KlingTask
    from kling_mcp.tasks.intent import Intent

State = Literal["claimed", "sending", "unclear", "accepted", "refused", "ready", "failed", "deleted"]
EndState = Literal["ready", "failed", "deleted", ""]

LEASE_SECONDS = 10.0
# How long after the last sign of it a request may still be in progress at Kling: after its process is gone, after the
# connection broke, and after Kling did not answer in time.
SETTLES_AFTER_ABANDONMENT = 30.0
SETTLES_AFTER_BREAK = 10.0
SETTLES_AFTER_SILENCE = 60.0
LONGEST_SETTLING = max(SETTLES_AFTER_ABANDONMENT, SETTLES_AFTER_BREAK, SETTLES_AFTER_SILENCE)
UNFINISHED: tuple[State, ...] = ("claimed", "sending", "unclear", "accepted")
OVER: tuple[State, ...] = ("failed", "deleted")
UNSENT: tuple[State, ...] = ("claimed", "refused")
ASK_FIRST = "Ask the person before trying again; what Kling refused may be a picture, the name or the description."
_MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One attempt at a request, as recorded in the journal.

    Times are seconds since 1970 on this process's timeline (`entry_times` translates them); only `created_at`, which
    puts entries in order, is the same for all processes.

    Attributes:
        kind, key, content_hash, label, memo: as in `Intent`.
        reason: why the entry is in its state, for people; "" if there is nothing to explain.
        error: the error behind the state, or None.
        owner: the process and call that hold the lease.
        product, units_estimated: what it may cost: units of a product type, as text. Both are "" if nothing, and the
            units alone if that is not known.
        slot_group, slots: what its task holds until it ends, as in `SlotUse`; "" and 0 if nothing.
        units_deducted: what Kling says that it cost, "" if that is unknown.
        settles_at: until when an unanswered request may still be in progress; 0 if there never was one.
    """

    account: str
    external_task_id: str
    kind: str
    key: str
    attempt: int
    content_hash: str
    label: str
    state: State
    task_id: str = ""
    result_ids: tuple[str, ...] = ()
    reason: str = ""
    error: StoredError | None = None
    memo: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    lease_until: float = 0.0
    sent_at: float = 0.0
    settles_at: float = 0.0
    created_at: float = 0.0
    updated_at: float = 0.0
    product: str = ""
    units_estimated: str = ""
    units_deducted: str = ""
    slot_group: str = ""
    slots: int = 0

    @property
    def has_caller_id(self) -> bool:
        """Whether the caller chose its external task id."""
        return self.key != self.content_hash

    @property
    def cost(self) -> Cost | None:
        """What it may cost; None if nothing."""
        units = units_of(self.units_estimated)
        return Cost(self.product, units, is_known=self.units_estimated != "") if self.product else None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> JournalEntry:
        """An entry as `to_row` wrote it; its times count as those of the process that wrote it."""
        ids = tuple(part for part in row["result_ids"].split(",") if part)
        error = StoredError.from_json(row["error"])
        read = {column: row[column] for column in COLUMNS}
        return cls(**{**read, "result_ids": ids, "error": error, "memo": _read_memo(row["memo"])})

    def to_row(self) -> dict[str, object]:
        """The values of the table's columns."""
        row: dict[str, object] = {column: getattr(self, column) for column in COLUMNS}
        row["result_ids"] = ",".join(self.result_ids)
        row["error"] = self.error.to_json() if self.error else ""
        row["memo"] = json.dumps(self.memo, ensure_ascii=False) if self.memo else ""
        row["reason"] = self.reason[:_MAX_REASON_CHARACTERS]
        return row


COLUMNS = tuple(column.name for column in fields(JournalEntry))


def _read_memo(text: str) -> Mapping[str, str]:
    try:
        memo = json.loads(text or "{}")
    except ValueError:  # a damaged file; no decision depends on the memo
        memo = {}
    return memo if isinstance(memo, dict) else {}


def has_other_content(entry: JournalEntry, intent: Intent, *, is_held: bool) -> bool:
    """Our ids have one content each; a caller's own may get another while nothing can exist under it."""
    if entry.content_hash == intent.content_hash:
        return False
    was_ever_lost = entry.settles_at > 0
    is_free = entry.state in OVER or (entry.state in UNSENT and not was_ever_lost)
    return not entry.has_caller_id or is_held or not is_free


def reset_for(entry: JournalEntry, intent: Intent, arrival: float) -> JournalEntry:
    """Nothing was sent under this id, so it may get new content, and a place behind all others."""
    return replace(
        entry,
        state="claimed",
        kind=intent.kind,
        content_hash=intent.content_hash,
        label=intent.label,
        memo=intent.memo,
        product=intent.product,
        units_estimated=intent.units_estimated,
        slot_group=intent.slot_group,
        slots=intent.slots,
        created_at=arrival,
    )


def mark_abandoned(entry: JournalEntry) -> JournalEntry:
    """The entry of a holder that died while its request was in progress."""
    if entry.state != "sending":
        return entry
    last_sign = max(entry.sent_at, entry.lease_until - LEASE_SECONDS)
    return mark_unclear(entry, last_sign + SETTLES_AFTER_ABANDONMENT, "its call ended without a result")


def mark_unclear(
    entry: JournalEntry, settles_at: float, reason: str = "", error: StoredError | None = None
) -> JournalEntry:
    """The reply was lost. Until `settles_at` the request may still be in progress at Kling."""
    return replace(entry, state="unclear", settles_at=settles_at, reason=reason, error=error)


def names_other_content(entry: JournalEntry, task: KlingTask) -> bool:
    """Whether a caller's own id belongs to a task that visibly makes something else."""
    return entry.has_caller_id and bool(task.result_names) and as_shown(task.result_names[0]) != as_shown(entry.label)


def external_id_conflict(entry: JournalEntry) -> Problem:
    """The problem of a caller's own external_task_id that was used for something else."""
    return Problem(
        "external_task_id",
        f"must not be in use for something else; it is the id of the {entry.kind} {quote(entry.label, 40)}",
        quote(entry.external_task_id, 64),
        "leave external_task_id empty, or choose one that was not used before",
    )


def end_state(task: KlingTask) -> EndState:
    """How the task ended, or "" while it runs."""
    if not task.is_final:
        return ""
    if task.task_status == "failed":
        return "failed"
    return "deleted" if task.is_deleted else "ready"


def tells_cost(task: KlingTask, entry: JournalEntry) -> bool:
    """Whether a read of an ended task says more of what it cost than the journal knows."""
    return bool(task.units_deducted) and task.units_deducted != entry.units_deducted
