"""`wait_for_tasks`: wait, within bounds, for tasks of any kind that were submitted earlier, and save what they made."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from pydantic import Field

from kling_mcp.errors import NotFoundError, StorageError
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.results.links import LIFETIME_SECONDS
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments, require_exact_ids
from kling_mcp.server.gallery import RESULTS_URI
from kling_mcp.server.gallery.results import results_data
from kling_mcp.server.tool import READS, Answer, Ending, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._expected_time import expected_time
from kling_mcp.server.views.collected import FIND_TASKS, CollectedTaskView, collected_view
from kling_mcp.server.views.result_blocks import result_blocks
from kling_mcp.server.views.tasks import MAX_ID_CHARACTERS, next_wait, task_text
from kling_mcp.server.views.view import View
from kling_mcp.settings import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.account import Account
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.tasks.collector import CollectedTask
    from kling_mcp.tasks.entry import JournalEntry


_MAX_IDS = 20


class WaitArguments(ToolArguments):
    """Which tasks, how long to wait, and where results go."""

    ids: list[str] = Field(default_factory=list, description="Task or external task ids")
    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)
    save_as: str = ""


class WaitView(View):
    """The state of each task."""

    SHOWN = ("tasks", "pending")

    tasks: list[CollectedTaskView]
    pending: int
    next_step: str


@tool(
    "wait_for_tasks",
    title="Wait for tasks",
    annotations=READS,
    arguments=WaitArguments,
    view=WaitView,
    page_uri=RESULTS_URI,
    search_hint="progress download resume",
    is_long=True,
)
async def wait_for_tasks(arguments: WaitArguments, call: ToolContext) -> Answer:
    """Wait for tasks of any kind, also of other chats; saves finished videos and images. No ids: all unfinished."""
    require_exact_ids("ids", arguments.ids)
    seconds = call.wait_seconds(arguments)
    account, started = call.account, call.clock.monotonic()
    await account.generator.saver.require_save_as(arguments.save_as)
    collected: list[CollectedTask] = []
    async with call.report_progress(lambda: _progress(account, collected), seconds):
        collected = await account.collector.resolve(arguments.ids)
        await call.bind_tasks(*(item.external_task_id or item.name for item in collected))
        await account.collector.wait(collected, max(0.0, seconds - (call.clock.monotonic() - started)))
        _require_one(collected)
        await account.record_results(item.snapshot.task for item in collected if item.snapshot.task)
        entries = await _entries(account, collected)
        left = seconds - (call.clock.monotonic() - started)
        files = await _save(account, collected, entries, arguments.save_as, left)
    waited = call.clock.monotonic() - started
    tasks = [
        collected_view(
            item,
            _shown_kind(account, item),
            waited,
            refusal=await account.refusals.facts_on(item.snapshot.task) if item.snapshot.task else (),
            files=its_files,
            units_estimated=_units(item, entries),
        )
        for item, its_files in zip(collected, files, strict=True)
    ]
    pending = [(item, view) for item, view in zip(collected, tasks, strict=True) if not item.snapshot.is_final]
    names = [view.task_id or (item.name if item.standing == "sending" else "") for item, view in pending]
    names += [
        view.task_id for view, rows in zip(tasks, files, strict=True) if any(row.may_be_saved_later for row in rows)
    ]
    names = [name for name in names if name]
    view = WaitView(tasks=tasks, pending=len(pending), next_step=await _next_step(tasks, names, call))
    ending = Ending(tuple(names), has_failed=any(task.task_status == "failed" or not task.kind for task in tasks))
    all_files = [file for rows in files for file in rows]
    for_page = await _page_data(account, collected, all_files) if call.caller.shows_pages else None
    return Answer(view, _text(view), await result_blocks(all_files, call), for_page, ending)


def _require_one(collected: Sequence[CollectedTask]) -> None:
    """Raises KlingError if nothing is known of any of them."""
    errors = [item.snapshot.error for item in collected]
    if not collected or not all(errors):
        return
    if all(item.is_unknown for item in collected):
        names = ", ".join(quote(item.name, MAX_ID_CHARACTERS) for item in collected)
        raise NotFoundError(f"Kling knows no task {names}.", advice=FIND_TASKS)
    raise next(error for error in errors if error)


async def _page_data(
    account: Account, collected: Sequence[CollectedTask], files: Sequence[SavedFile]
) -> dict[str, object]:
    made = [
        (item.snapshot.task.task_id, GenerationMemo.from_journal(item.memo))
        for item in collected
        if item.snapshot.task and item.kind in account.generator.kinds
    ]
    return await results_data(made, files, saves=account.generator.saver.saves)


async def _entries(account: Account, collected: Sequence[CollectedTask]) -> Mapping[str, JournalEntry]:
    """What the journal knows of them, by task id."""
    task_ids = [item.snapshot.task.task_id for item in collected if item.snapshot.task]
    with suppress(StorageError):
        return await account.journal.by_task_ids(task_ids)
    return {}


async def _save(
    account: Account,
    collected: Sequence[CollectedTask],
    entries: Mapping[str, JournalEntry],
    save_as: str,
    seconds: float,
) -> list[Sequence[SavedFile]]:
    """The files of each task, all saved together."""
    files: list[Sequence[SavedFile]] = [()] * len(collected)

    async def save(place: int, item: CollectedTask) -> None:
        task, product = item.snapshot.task, account.generator.kinds[item.kind].route.product
        if task is not None:
            entry = entries.get(task.task_id)
            files[place] = await account.generator.save_known(
                task, entry, "image" if product == "image" else "video", save_as=save_as, seconds=seconds
            )

    async with anyio.create_task_group() as group:
        for place, item in enumerate(collected):
            if item.kind in account.generator.kinds:
                group.start_soon(save, place, item)
    return files


def _shown_kind(account: Account, item: CollectedTask) -> str:
    """What callers call its kind. A task that was made elsewhere is what its results are, as soon as it has some."""
    if item.is_unknown:
        return ""
    kind = account.generator.kinds.get(item.kind)
    if kind is None:
        return item.kind
    task = item.snapshot.task
    return (task.product if task else "") or kind.route.shown_kind


def _units(item: CollectedTask, entries: Mapping[str, JournalEntry]) -> str:
    entry = entries.get(item.snapshot.task.task_id) if item.snapshot.task else None
    return entry.units_estimated if entry else ""


def _progress(account: Account, collected: Sequence[CollectedTask]) -> str:
    count = len(collected)
    sent = next((item.sent for item in collected if item.sent), "")
    waiting = f"Waiting for {count or 'the'} task{'' if count == 1 else 's'} at Kling"
    if sent:
        return f"{waiting}: sending {sent}"
    expected = expected_time([kind for kind in account.kinds if kind.name in {item.kind for item in collected}])
    return f"{waiting}; {expected}" if expected else waiting


async def _next_step(tasks: list[CollectedTaskView], names: list[str], call: ToolContext) -> str:
    """What to do next; without any task, what was made while there was no folder can be saved now."""
    if tasks:
        return next_wait(names)
    unsaved = await call.account.generations.unsaved(call.clock.wall() - LIFETIME_SECONDS)
    if not unsaved:
        return "Nothing is unfinished; find_elements and find_generations show what exists."
    what = "1 finished generation has" if len(unsaved) == 1 else f"{len(unsaved)} finished generations have"
    step = next_wait(unsaved[:_MAX_IDS], ".")
    return f"Nothing is unfinished, but {what} no file in the output folder. To save: {step[0].lower()}{step[1:]}"


def _text(view: WaitView) -> str:
    ready = sum(bool(task.element_ids or task.voice_id or task.files) for task in view.tasks)
    failed = sum(task.task_status == "failed" for task in view.tasks)
    head = f"{ready} ready, {failed} failed, pending={view.pending}."
    return "\n\n".join(part for part in [head, *map(task_text, view.tasks), view.next_step] if part)
