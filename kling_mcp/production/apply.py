"""Carries a plan out: every entry through the core, several at a time, each recorded in the lock as soon as it is made.

Whatever happens on the way, the same plan goes on where it was: what was sent is in the journal, and the identity of a
request follows from its content. Nothing is deleted here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import anyio

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import KlingError, StillSendingError, UnknownOutcomeError
from kling_mcp.production.content import hash_of
from kling_mcp.production.decide import CastDecision, ShotDecision
from kling_mcp.production.model import LockedElement, LockedShot
from kling_mcp.production.outcome import EntryOutcome
from kling_mcp.production.survey_shots import ShotSurveyor
from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.elements.create import Creation
    from kling_mcp.generation.generator import Generation
    from kling_mcp.production.lock_keeper import LockKeeper
    from kling_mcp.production.outcome import EntryKind
    from kling_mcp.production.plan import Plan
    from kling_mcp.production.world import ShotFacts

AT_ONCE = 3
_NAME = 40

OnChange = Callable[["Progress"], None]


@dataclass(slots=True)
class Progress:
    """How far it is: what is being made now, by name, and how many entries are over, of how many."""

    total: int
    over: int = 0
    making: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        names = ", ".join(self.making[:AT_ONCE])
        return f"{self.over} of {self.total} done" + (f"; making {names}" if names else "")


class Applier:
    """One run of one plan. Use it once."""

    def __init__(
        self,
        account: Account,
        plan: Plan,
        lock: LockKeeper,
        clock: Clock,
        *,
        wait_seconds: float,
        on_change: OnChange | None = None,
    ) -> None:
        """
        Args:
            wait_seconds: seconds in total; what is not ready then goes on at Kling. 0 starts a few entries.
            on_change: told whenever the progress changes.
        """
        self._account = account
        self._plan = plan
        self._lock = lock
        self._clock = clock
        self._deadline = clock.monotonic() + wait_seconds
        self._on_change = on_change
        self._places = anyio.Semaphore(AT_ONCE)
        self._cast = {each.name: each for each in plan.counted_on}
        self._settled = {each.name: anyio.Event() for each in plan.cast_work}
        self._outcomes: dict[tuple[EntryKind, str, int], EntryOutcome] = {}
        self.progress = Progress(len(plan.cast_work) + len(plan.shot_work))

    async def run(self) -> list[EntryOutcome]:
        """What became of each entry, in the order of the sheet; an entry that fails does not stop the others."""
        # What is under way comes first: it holds a slot at Kling already.
        entries = sorted(self._plan.cast_work, key=lambda each: not each.begun)
        takes = sorted(self._plan.shot_work, key=lambda each: not each.is_paid)
        async with anyio.create_task_group() as group:
            for entry in entries:
                group.start_soon(self._make_entry, entry)
            for take in takes:
                group.start_soon(self._make_take, take)
        cast = [self._outcomes["element", each.name, 0] for each in self._plan.cast_work]
        return cast + [self._outcomes["shot", each.shot_id, each.take] for each in self._plan.shot_work]

    # --- elements

    async def _make_entry(self, decision: CastDecision) -> None:
        blank = EntryOutcome(kind="element", name=decision.name, status="not_started")
        try:
            if decision.action == "adopt":
                outcome = await self._told(blank, lambda: self._adopt(decision, blank))
            else:
                outcome = await self._within_a_place(
                    blank, clean(decision.name, _NAME), lambda: self._create(decision, blank)
                )
            self._outcomes["element", decision.name, 0] = outcome
            if outcome.status == "ready":
                self._cast[decision.name] = replace(decision, action="unchanged", element_id=outcome.element_id)
        finally:
            self._settled[decision.name].set()
        self._is_over()

    async def _adopt(self, decision: CastDecision, blank: EntryOutcome) -> EntryOutcome:
        known = await self._account.library.known_by_id(decision.element_id)
        record = known.element if known else None
        element = LockedElement(
            element_id=decision.element_id,
            element_name=record.element_name if record else decision.name,
            task_id=record.task_id if record else "",
            external_task_id=record.external_task_id if record else "",
            content=decision.content,
            made_from=decision.made_from,
            made_at=iso_utc(record.created_at_ms) if record else "",
        )
        await self._lock.put_element(decision.name, element)
        return replace(blank, status="ready", element_id=decision.element_id, task_id=element.task_id)

    async def _create(self, decision: CastDecision, blank: EntryOutcome) -> EntryOutcome:
        draft = self._plan.cast_facts[decision.name].draft
        assert draft is not None  # noqa: S101 - decided so
        creation = await self._account.creator.create_and_wait(
            draft,
            # The one that is replaced has the same name, and is kept.
            allow_duplicate_name=decision.action == "replace",
            wait_seconds=self._time_left(),
        )
        made = replace(
            blank,
            task_id=creation.task.task_id,
            external_task_id=creation.external_task_id,
            units=creation.task.units_deducted,
            warnings=creation.warnings,
        )
        if not creation.task.is_final:
            return replace(made, status="pending", reason="Kling is making it.")
        if creation.task.is_deleted or not creation.task.result_ids:
            return replace(made, status="failed", reason="Kling made it, and shows no element now: it was deleted.")
        element = self._locked(decision, creation)
        await self._lock.put_element(decision.name, element)
        return replace(made, status="ready", element_id=element.element_id)

    def _locked(self, decision: CastDecision, creation: Creation) -> LockedElement:
        task = creation.task
        return LockedElement(
            element_id=task.result_ids[0],
            element_name=decision.name,
            task_id=task.task_id,
            external_task_id=creation.external_task_id,
            content=decision.content,
            made_from=decision.made_from,
            made_at=iso_utc(task.updated_at or task.created_at),
        )

    # --- shots

    async def _make_take(self, decision: ShotDecision) -> None:
        blank = EntryOutcome(kind="shot", name=decision.shot_id, take=decision.take, status="not_started")
        label = clean(decision.shot_id, _NAME)
        outcome = await self._when_cast_is_ready(decision, blank)
        if outcome is None:
            outcome = await self._within_a_place(blank, label, lambda: self._render(decision, blank))
        self._outcomes["shot", decision.shot_id, decision.take] = outcome
        self._is_over()

    async def _when_cast_is_ready(self, decision: ShotDecision, blank: EntryOutcome) -> EntryOutcome | None:
        """None as soon as every element is there; otherwise why the shot cannot start now."""
        for name in decision.waits_for:
            if name in self._settled:
                await self._settled[name].wait()
            if not self._cast[name].usable_id:
                came = self._outcomes.get(("element", name, 0))
                has_failed = came is not None and came.status == "failed"
                why = "which failed" if has_failed else "which is not ready yet"
                return replace(blank, reason=f"It waits for {clean(name, _NAME)}, {why}.")
        return None

    async def _render(self, decision: ShotDecision, blank: EntryOutcome) -> EntryOutcome:
        shot = self._plan.sheet.shots[decision.shot_id]
        surveyor = ShotSurveyor(self._account, self._plan.sheet, self._cast)
        facts = await surveyor.facts_of(shot)
        if decision.take not in facts.made_from or facts.problems or facts.lost:
            return replace(blank, status="failed", reason="; ".join(facts.problems) or decision.why, can_repeat=False)
        request = await surveyor.request(shot, decision.take)
        made = await self._account.generator.generate_and_wait(request, wait_seconds=self._time_left())
        # Of two entries with one video, the one that sent it paid.
        was_paid = made.outcome == "already_submitted" or (made.outcome == "recovered" and decision.is_paid)
        outcome = replace(
            blank,
            task_id=made.task.task_id,
            external_task_id=made.external_task_id,
            files=made.files,
            units="0" if was_paid else made.task.units_deducted,
            estimate=None if was_paid else request.prepared.estimate,
            was_paid=was_paid,
            warnings=made.warnings,
        )
        if not made.task.is_final:
            return replace(outcome, status="pending", reason="Kling is making it.")
        if any(file.may_be_saved_later for file in made.files):
            return replace(outcome, status="pending", reason="It is made and paid for, and not saved yet.")
        await self._lock.put_take(decision.shot_id, decision.take, self._locked_take(facts, decision, made))
        return replace(outcome, status="ready")

    def _locked_take(self, facts: ShotFacts, decision: ShotDecision, made: Generation) -> LockedShot:
        parts, task = facts.made_from[decision.take], made.task
        return LockedShot(
            task_id=task.task_id,
            external_task_id=made.external_task_id,
            content=hash_of(parts),
            made_from=parts,
            files=tuple(self._below_output(file.path) for file in made.files if file.path),
            units=task.units_deducted,
            element_ids=dict(facts.elements),
            made_at=iso_utc(task.updated_at or task.created_at),
        )

    def _below_output(self, path: str) -> str:
        folder = self._account.generator.saver.folder
        below = PurePath(path)
        return below.relative_to(folder).as_posix() if folder and below.is_relative_to(folder) else path

    # --- both

    async def _within_a_place(
        self, blank: EntryOutcome, label: str, make: Callable[[], Awaitable[EntryOutcome]]
    ) -> EntryOutcome:
        """Make an entry as soon as there is a place; what does not get one in time is not started."""
        if not await self._has_place():
            return replace(blank, reason="Its turn did not come in this call.")
        self.progress.making.append(label)
        self._tell()
        try:
            return await self._told(blank, make)
        finally:
            self.progress.making.remove(label)
            self._places.release()

    async def _told(self, blank: EntryOutcome, make: Callable[[], Awaitable[EntryOutcome]]) -> EntryOutcome:
        """What became of it, whether it fails or not."""
        try:
            return await make()
        except KlingError as error:
            return _failed(blank, error)

    async def _has_place(self) -> bool:
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(max(0.0, self._time_left())):
                await self._places.acquire()
                return True
            return False
        return True

    def _time_left(self) -> float:
        return max(0.0, self._deadline - self._clock.monotonic())

    def _is_over(self) -> None:
        self.progress.over += 1
        self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change(self.progress)


def _failed(blank: EntryOutcome, error: KlingError) -> EntryOutcome:
    """What an error leaves: something that may be under way, nothing yet, or a failure."""
    told = replace(
        blank,
        reason=" ".join(filter(None, [error.message, error.advice])),
        task_id=getattr(error, "task_id", ""),
        external_task_id=getattr(error, "external_task_id", ""),
    )
    if isinstance(error, StillSendingError | UnknownOutcomeError) or error.created == "maybe":
        return replace(told, status="pending")
    if error.created == "no" and error.retry == "later":
        return replace(told, status="not_started")
    return replace(told, status="failed", can_repeat=error.retry != "never")
