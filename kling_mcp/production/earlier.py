"""What of a sheet was made before: its elements, and the files of its takes. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import KlingError
from kling_mcp.generation.history import Wanted
from kling_mcp.production.outcome import EntryOutcome
from kling_mcp.results.sidecar import Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.account import Account
    from kling_mcp.production.decide import ShotDecision
    from kling_mcp.production.plan import Plan
    from kling_mcp.results.saver import SavedFile

_GONE = "It was made before; no file is on this computer, and Kling shows no link to it any more."


async def outcomes_of_earlier(account: Account, plan: Plan) -> list[EntryOutcome]:
    """What this plan leaves as it is, as what became of it: in the order of the sheet, with the files of each take.

    A file that is not on the disk has its link, while Kling lists it.
    """
    cast = [
        EntryOutcome(kind="element", name=each.name, status="ready", element_id=each.element_id, was_paid=True)
        for each in plan.cast
        if each.action == "unchanged"
    ]
    takes = [each for each in plan.shots if each.action == "unchanged"]
    tasks = {plan.lock.shots[each.shot_id][each.take].task_id for each in takes}
    files = await _files_of(account, tasks) if tasks else {}
    return cast + [_outcome_of(each, plan, files) for each in takes]


def _outcome_of(take: ShotDecision, plan: Plan, files: Mapping[str, tuple[SavedFile, ...]]) -> EntryOutcome:
    locked = plan.lock.shots[take.shot_id][take.take]
    found = files.get(locked.task_id, ())
    return EntryOutcome(
        kind="shot",
        name=take.shot_id,
        take=take.take,
        status="ready",
        reason="" if found else _GONE,
        task_id=locked.task_id,
        external_task_id=locked.external_task_id,
        files=found,
        units="0",
        was_paid=True,
    )


async def _files_of(account: Account, tasks: set[str]) -> dict[str, tuple[SavedFile, ...]]:
    """The files of these tasks; Kling is asked only for those that are not on the disk."""
    ids = sorted(tasks)
    rows = await account.generator.saver.look([((), Description(kind="video", task_id=task_id)) for task_id in ids])
    found = {task_id: tuple(files) for task_id, files in zip(ids, rows, strict=True) if files}
    if len(found) == len(ids):
        return found
    try:
        past = await account.generations.find(Wanted(product="video"))
    except KlingError:
        return found
    ours = await account.generations.with_files([one for one in past.generations if one.task_id in tasks])
    linked = {one.task_id: one.files for one in ours if one.files}
    return {**linked, **found}
