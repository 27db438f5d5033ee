"""The times of entries, whichever process wrote them and whatever its wall clock showed.

Each row says on which timeline its times are counted, and is read into the times of this process:

- Of this start of this computer: the seconds since the start are the same for all processes. Where the dates of the
  two differ, because the wall clock was corrected between them, the later one counts, since it may also be the
  seconds that are wrong (a computer that was set back to an earlier state).
- Of another computer, another start, or unknown: nothing relates the two, so a wait begins when this process first
  sees the row, and takes as long as it had yet to take when the row was written.

A wait that is read never takes longer than it could at most from the first look; a time in the future is no reason
to wait for it.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import Timeline
from kling_mcp.tasks.entry import COLUMNS, LEASE_SECONDS, LONGEST_SETTLING, UNFINISHED, JournalEntry

if TYPE_CHECKING:
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store import Row

ROW_COLUMNS = (*COLUMNS, "timeline")
MAX_LOOKS = 10_000


class EntryTimes:
    """Reads and writes rows for one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._here = str(clock.timeline)
        # When this process first saw a row as it is, for rows that others wrote.
        self._looks: dict[tuple[str, str], tuple[object, float]] = {}
        self._lock = threading.Lock()  # transactions run in threads

    @property
    def here(self) -> str:
        """The timeline of this process, as rows have it."""
        return self._here

    def to_row(self, entry: JournalEntry) -> dict[str, object]:
        """The values of the table's columns."""
        return {**entry.to_row(), "timeline": self._here}

    def read(self, row: Row) -> JournalEntry:
        """The entry of a row, in times of this process."""
        entry = JournalEntry.from_row(row)
        if row["timeline"] == self._here:
            return entry
        shift = self._shift(row["timeline"])
        first_seen = self._first_seen(entry, row["timeline"])

        def local(time: float, longest: float) -> float:
            """The end of a wait of at most `longest`, or an event (0), that this row dates at `time`."""
            latest = first_seen + min(max(0.0, time - entry.updated_at), longest)
            return latest if shift is None else min(max(time + shift, time), latest)

        return replace(
            entry,
            lease_until=entry.lease_until and local(entry.lease_until, LEASE_SECONDS),
            settles_at=entry.settles_at and local(entry.settles_at, LONGEST_SETTLING),
            sent_at=entry.sent_at and min(entry.sent_at + (shift or 0.0), first_seen),
            updated_at=local(entry.updated_at, 0.0),
        )

    def _shift(self, written: str) -> float | None:
        """What to add to times on that timeline; None if nothing relates it to ours."""
        theirs, ours = Timeline.parse(written), self._clock.timeline
        return ours.began - theirs.began if theirs and theirs.boot == ours.boot else None

    def _first_seen(self, entry: JournalEntry, timeline: str) -> float:
        now = self._clock.steady()
        if entry.state not in UNFINISHED and not entry.lease_until:
            return now  # nothing is waited for
        key = entry.account, entry.external_task_id
        seen = timeline, entry.updated_at, entry.lease_until
        with self._lock:
            what, first = self._looks.pop(key, (None, now))
            self._looks[key] = seen, first if what == seen else now  # the last seen come last
            if len(self._looks) > MAX_LOOKS:
                del self._looks[next(iter(self._looks))]
            return self._looks[key][1]
