"""`get_element`: one creation and its outcome, by any id or by the element's exact name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.elements.voice_check import voice_warnings
from kling_mcp.errors import AmbiguousNameError, InputError, KlingError, NotFoundError, Problem, StorageError
from kling_mcp.library.records import ELEMENT, VOICE
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.tasks import FoundTaskView, TaskView, next_step_for, record_view, task_text, task_view
from kling_mcp.tasks.entry import UNFINISHED

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.api.models import ElementTask
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.resolve import MatchedBy
    from kling_mcp.tasks.entry import JournalEntry

TASK_ID_DIGITS = (18, 19)  # fact: task-id-digits
OUR_IDS = "kmcp-"


class GetElementArguments(ToolArguments):
    """Which one."""

    id: str = Field(description="Any id, or the exact name")


@tool(
    "get_element",
    title="Get one element",
    annotations=READS,
    arguments=GetElementArguments,
    view=FoundTaskView,
    search_hint="character status info",
)
async def get_element(arguments: GetElementArguments, call: ToolContext) -> Answer:
    """Look up one element by any id or exact name, with its task state. To wait: wait_for_tasks; to search:
    find_elements."""
    wanted = arguments.id.strip()
    if not wanted:
        raise InputError([Problem("id", "must be an element's id or exact name", "an empty text", "give one of them")])
    view, matched_by = await _look_up(call.account, wanted)
    found = FoundTaskView(**dict(view), matched_by=matched_by)
    return Answer(found, task_text(found))


async def _look_up(account: Account, wanted: str) -> tuple[TaskView, MatchedBy]:
    """Anything that looks like a task id goes to Kling at once; everything else is tried in the library first.

    Raises:
        NotFoundError, AmbiguousNameError: with similar names, or with the candidates.
    """
    looks_like_task = wanted.startswith(OUR_IDS) or (wanted.isdecimal() and len(wanted) in TASK_ID_DIGITS)
    if looks_like_task and (task := await _task_at_kling(account, wanted)):
        return await _told(account, task), _kind_of(task, wanted)
    try:
        match = await account.library.match(wanted)
    except AmbiguousNameError:
        raise
    except KlingError as failure:
        # The list may not show the caller's own id of a task (empty-while-running), or not be readable at all.
        entry = await _entry_of_journal(account, wanted)
        task = await _task_at_kling(account, entry.task_id) if entry and entry.task_id else None
        if task is None and not looks_like_task:
            task = await _task_at_kling(account, wanted)
        if task is None and (kind := await _other_kind(account, wanted)):
            raise _no_element(wanted, kind) from None
        if task is None:
            raise (_not_settled(entry) if entry and entry.state in UNFINISHED else failure) from None
        return await _told(account, task), _kind_of(task, wanted, entry)
    return await _matched(account, match.element), match.matched_by


async def _matched(account: Account, record: LibraryElement) -> TaskView:
    """The current task of a record; the record itself for an official element, or if Kling does not answer."""
    if record.source == "preset" or not record.task_id:  # fact: presets-thin
        return record_view(record)
    try:
        task = await account.client.get_task(record.task_id)
    except KlingError as failure:
        if not record.element_id:
            raise
        return record_view(record, warnings=[f"The latest look-up failed: {failure.message}"])
    return await _told(account, task)


async def _task_at_kling(account: Account, wanted: str) -> ElementTask | None:
    """By task id or external task id. facts: query-takes-task-id, query-external-id"""
    try:
        return await account.client.get_task(wanted)
    except NotFoundError:
        return None


async def _entry_of_journal(account: Account, wanted: str) -> JournalEntry | None:
    """A creation sent by this server, by an id of its task or by its name, if only one under way has it."""
    with suppress(StorageError):
        found = await account.journal.find(wanted)
        named = [found] if found else await account.journal.named(wanted)
        if len(named) == 1 and named[0].kind == ELEMENT:
            return named[0]
    return None


async def _other_kind(account: Account, wanted: str) -> str:
    """`video`, `image` or `voice` if this is an id of one; "" if it is not, or if that cannot be learned."""
    with suppress(KlingError):
        if entry := await account.journal.find(wanted):
            return entry.kind if entry.kind == VOICE else entry.product
    for kind in account.generator.kinds.values():
        if kind.route.get_many is not None and (wanted.isdecimal() or wanted.startswith(OUR_IDS)):
            with suppress(KlingError):
                return next((task.product or kind.route.product for task in await kind.route.get_many([wanted])), "")
    return ""


def _no_element(wanted: str, kind: str) -> NotFoundError:
    what = {"video": "a video", VOICE: "a voice"}.get(kind, "a picture")
    return NotFoundError(
        f"{quote(wanted, 128)} is the id of {what}, not of an element.",
        advice=f"Call wait_for_tasks with ids=[{quote(wanted, 128)}] to see what became of it.",
    )


def _not_settled(entry: JournalEntry) -> KlingError:
    return NotFoundError(
        f"Kling does not show {quote(entry.label, 60)} yet: its creation was begun here, and the outcome is not known.",
        retry="later",
        advice=f"Do not create it again; call wait_for_tasks with ids=[{quote(entry.external_task_id, 128)}].",
    )


async def _told(account: Account, task: ElementTask) -> TaskView:
    submitted = (await account.record_results([task])).get(task.task_id)
    voices = voice_warnings(task, submitted.voice_id) if submitted else []
    return task_view(
        task,
        warnings=[*await account.refusals.facts_on(task), *voices],
        submitted=submitted,
        next_step=next_step_for(task, running=f"Call get_element with id={quote(task.task_id)} again later."),
    )


def _kind_of(task: ElementTask, wanted: str, entry: JournalEntry | None = None) -> MatchedBy:
    """What was given for a task that Kling or the journal found."""
    if task.task_id == wanted:
        return "task_id"
    return "external_task_id" if entry is None or entry.external_task_id == wanted else "element_name"
