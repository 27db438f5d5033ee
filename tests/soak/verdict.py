"""Judges a campaign by Kling's own books and by the disk, not by what the servers say."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from soak.callers import Answer
    from soak.wishes import Wish


@dataclass(slots=True)
class Verdict:
    """What is wrong, a line for each case; all empty where the promise was kept."""

    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)
    saved_twice: list[str] = field(default_factory=list)
    misbilled: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.as_counts().values())

    def as_counts(self) -> dict[str, int]:
        """How many cases there are of each."""
        return {
            "made twice": len(self.twice),
            "lost": len(self.lost),
            "paid for and not on the disk": len(self.unsaved),
            "on the disk twice": len(self.saved_twice),
            "billed otherwise than once": len(self.misbilled),
            "made without a wish": len(self.unasked),
            "defects in the logs": len(self.defects),
        }

    def findings(self) -> list[str]:
        """All lines."""
        found = [*self.twice, *self.lost, *self.unsaved, *self.saved_twice]
        return [*found, *self.misbilled, *self.unasked, *self.defects]


def judge(
    answered: Sequence[tuple[Wish, Answer]],
    books: Mapping[str, Any],
    output: Path,
    logs: Sequence[Path],
    *,
    was_interrupted: bool = False,
) -> Verdict:
    """Compare wishes and answers with the books, the output folder and what the servers wrote to stderr.

    After an interruption Kling also knows wishes that were not answered.
    """
    verdict = Verdict()
    made: dict[str, list[Mapping[str, Any]]] = {}
    for task in books["tasks"]:
        made.setdefault(task["content"], []).append(task)
    on_disk = _digests(output)
    for wish, answer in answered:
        tasks = made.pop(wish.content, [])
        _judge_one(wish, answer, tasks, verdict)
        for task in tasks:
            _judge_money(wish, task, on_disk, verdict)
    if not was_interrupted:
        verdict.unasked += [f"{content}: {[task['task_id'] for task in tasks]}" for content, tasks in made.items()]
    for log in logs:
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        verdict.defects += [line for line in text.splitlines() if "Traceback" in line or "bug in kling-mcp" in line]
    return verdict


def _judge_one(wish: Wish, answer: Answer, tasks: Sequence[Mapping[str, Any]], verdict: Verdict) -> None:
    name = f"{wish.kind} {wish.number}"
    ids = [f"{task['task_id']} ({task['external_task_id']})" for task in tasks]
    if len(tasks) > 1:
        verdict.twice.append(f"{name}: made as {', '.join(ids)}")
    if answer.refusal:
        verdict.lost.append(f"{name}: {answer.refusal} (made: {ids})")
    elif answer.task_id not in {task["task_id"] for task in tasks}:
        verdict.lost.append(f"{name}: answered with {answer.task_id}, made as {ids}")


def _judge_money(wish: Wish, task: Mapping[str, Any], on_disk: Counter[str], verdict: Verdict) -> None:
    name = f"{wish.kind} {wish.number}, task {task['task_id']}"
    if [Decimal(units) for units in task["bills"]] != [wish.units]:  # fact: ledger-lists-elements
        verdict.misbilled.append(f"{name}: {task['bills']} instead of {wish.units}")
    for place, digest in enumerate(task["files"], start=1):
        if not on_disk[digest]:
            verdict.unsaved.append(f"{name}: result {place} is on no disk")
        elif on_disk[digest] > 1:
            verdict.saved_twice.append(f"{name}: result {place} is there {on_disk[digest]} times")


def _digests(folder: Path) -> Counter[str]:
    """How often each content lies in a folder, records and unfinished parts left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files if not path.name.startswith("."))
