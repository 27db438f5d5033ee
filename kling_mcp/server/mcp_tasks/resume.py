"""Follows a call that another process began: an earlier one, or one that shares the state.

Nothing is created here: Kling and the journal are only asked for the outcome.
Each body answers like the tool whose call it follows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kling_mcp.elements.create import Creation
from kling_mcp.elements.voice_check import voice_warnings
from kling_mcp.errors import KlingError, NotFoundError, StorageError, UnknownOutcomeError
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.mcp_tasks.background_call import BackgroundCall
from kling_mcp.server.mcp_tasks.current import current_background_call
from kling_mcp.server.tool import CREATES, PAYS, READS, Answer, ToolSpec, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools.create_element_and_wait import create_element_and_wait
from kling_mcp.server.tools.create_voice import create_voice
from kling_mcp.server.tools.generate_image import generate_image
from kling_mcp.server.tools.generate_video import generate_video
from kling_mcp.server.tools.wait_for_tasks import WaitArguments, WaitView, wait_for_tasks
from kling_mcp.server.views.generations import GenerationView, followed_view, generation_text
from kling_mcp.server.views.tasks import (
    TaskView,
    creation_view,
    next_step_for,
    next_wait,
    task_text,
)
from kling_mcp.server.views.voice_tasks import VoiceTaskView, voice_view
from kling_mcp.tasks.collector import NEVER_ARRIVED
from kling_mcp.tasks.submit import raise_if_failed

if TYPE_CHECKING:
    from kling_mcp.server.mcp_tasks.handles import Handle
    from kling_mcp.tasks.collector import CollectedTask
    from kling_mcp.tasks.stored_error import StoredError

LOOK_AGAIN_SECONDS = 3.0
# A queued call renews its lease every few seconds; a computer that slept gets this long to wake up.
ABANDONED_SECONDS = 60.0


class NoArguments(ToolArguments):
    """The handle says it all."""


@tool(
    create_element_and_wait.name,
    title=create_element_and_wait.title,
    annotations=CREATES,
    arguments=NoArguments,
    view=TaskView,
)
async def follow_creation(_: NoArguments, call: ToolContext) -> Answer:
    """Wait for a creation that another process sent."""
    run = _the_run()
    item, task, warnings = await _follow(run, call)
    warnings += voice_warnings(task, item.memo.get("voice_id", ""))
    creation = Creation(task, item.external_task_id, "recovered", tuple(warnings), run.age)
    view = creation_view(creation, "; do not create it again.")
    return Answer(view, task_text(view))


@tool(create_voice.name, title=create_voice.title, annotations=PAYS, arguments=NoArguments, view=VoiceTaskView)
async def follow_voice(_: NoArguments, call: ToolContext) -> Answer:
    """Wait for a voice that another process paid for."""
    run = _the_run()
    item, task, warnings = await _follow(run, call)
    entry = None
    with suppress(StorageError):
        entry = await call.account.journal.find(task.task_id)
    view = voice_view(
        task,
        voice_name=item.label,
        units_estimated=entry.units_estimated if entry else "",
        external_task_id=item.external_task_id,
        outcome="recovered",
        waited_seconds=run.age,
        warnings=warnings,
        next_step=next_step_for(task, running=next_wait([task.task_id])),
    )
    return Answer(view, task_text(view))


async def _follow(run: BackgroundCall, call: ToolContext) -> tuple[CollectedTask, Any, list[str]]:
    """The creation, its task when the wait ended, and what is to be said of the wait.

    Raises:
        KlingError: it failed, or was not found.
    """
    async with call.report_progress(lambda: "Following a creation at Kling", run.seconds_left()):
        item = await _find_creation(run, call)
        if item.label:
            run.set_message(lambda: f"Creating {quote(item.label, 40)} at Kling")
        await call.account.collector.wait([item], run.seconds_left())
    task, error = item.snapshot.task, item.snapshot.last_poll_error
    if task is None:
        raise item.snapshot.error or error or _still_unknown(item.external_task_id or item.name)
    raise_if_failed(task, item.external_task_id, await call.account.refusals.facts_on(task))
    return item, task, [f"The last poll of the task failed: {error.message}"] if error else []


@tool(
    wait_for_tasks.name,
    title=wait_for_tasks.title,
    annotations=READS,
    arguments=NoArguments,
    view=WaitView,
)
async def follow_wait(_: NoArguments, call: ToolContext) -> Answer:
    """Wait for the tasks that another process waited for."""
    run = _the_run()
    async with call.report_progress(lambda: "Waiting for tasks at Kling", run.seconds_left()):
        names = await _names_of(run, call)
    return await wait_for_tasks.handler(WaitArguments.model_validate({"ids": list(names)}), call)


async def _follow_generation(_: NoArguments, call: ToolContext) -> Answer:
    """Wait for a generation that another process paid for, and save it."""
    run = _the_run()
    async with call.report_progress(lambda: "Following a generation at Kling", run.seconds_left()):
        item = await _find_creation(run, call)
        run.set_message(lambda: f"Making {quote(item.label, 40)} at Kling")
        await call.account.collector.wait([item], run.seconds_left())
        task, error = item.snapshot.task, item.snapshot.last_poll_error
        if task is None:
            raise item.snapshot.error or error or _still_unknown(item.external_task_id or item.name)
        raise_if_failed(task, item.external_task_id)
        entry = await call.account.journal.find(task.task_id)
        if entry is None:
            raise _still_unknown(item.external_task_id or item.name)
        files = await call.account.generator.save_known(
            task, entry, "image" if entry.product == "image" else "video", seconds=run.seconds_left()
        )
    view = followed_view(entry, task, files, waited_seconds=run.age)
    return Answer(view, generation_text(view))


def _follower_of(paid: ToolSpec) -> ToolSpec:
    declare = tool(paid.name, title=paid.title, annotations=PAYS, arguments=NoArguments, view=GenerationView)
    return declare(_follow_generation)


# For each tool that may become a task (`extension.LONG_CALLS`), the body that follows its call.
FOLLOWERS: dict[str, ToolSpec] = {
    spec.name: spec
    for spec in (
        follow_creation,
        follow_voice,
        follow_wait,
        _follower_of(generate_video),
        _follower_of(generate_image),
    )
}


def _the_run() -> BackgroundCall:
    run = current_background_call()
    assert run is not None  # noqa: S101 - the extension calls these bodies only within a background call
    return run


async def _names_of(run: BackgroundCall, call: ToolContext) -> tuple[str, ...]:
    """The creations that the handle is about, once the process that runs the call knows them.

    Raises:
        KlingError: the call ended with an error, or too early.
    """
    while True:
        handle = await _latest(run)
        if handle.error and handle.error.kind != "task_failed":  # Kling still has its details
            raise _ended_before(handle.error)
        if handle.names:
            return handle.names
        if handle.status != "working" or run.handles.is_orphan(handle) or not run.seconds_left():
            raise _never_begun()
        await call.clock.sleep(LOOK_AGAIN_SECONDS)


async def _find_creation(run: BackgroundCall, call: ToolContext) -> CollectedTask:
    """The creation, as soon as Kling shows it.

    Raises:
        KlingError: it was refused, never sent, or not found before the task ran out of time.
    """
    account = call.account
    while True:
        # The newest: after a failed task, a new attempt has another id.
        name = (await _names_of(run, call))[-1]
        entry = None
        with suppress(StorageError):  # Kling can be asked without the journal
            entry = await account.journal.find(name)
        if entry is not None and entry.state == "refused":
            # Kling's refusals have a code; a request that never arrived has none.
            raise _ended_before(entry.error) if entry.error and entry.error.code else _never_arrived()
        if entry is None or entry.state != "claimed":
            [item] = await account.collector.resolve([name])
            if item.standing != "lost":
                return item
        elif run.handles.is_orphan(run.handle) or entry.lease_until + ABANDONED_SECONDS < call.clock.steady():
            raise _never_begun()
        if not run.seconds_left():
            raise _still_unknown(name)
        await call.clock.sleep(LOOK_AGAIN_SECONDS)


async def _latest(run: BackgroundCall) -> Handle:
    """The current handle; the last known one if it cannot be read."""
    with suppress(StorageError):
        run.handle = await run.handles.find(run.handle.handle_id) or run.handle
    return run.handle


def _never_begun() -> KlingError:
    return KlingError(
        "The server stopped before this call sent anything to Kling.",
        kind="busy",
        retry="now",
        advice="Call the tool again with the same arguments.",
    )


def _never_arrived() -> NotFoundError:
    return NotFoundError("This creation never reached Kling.", advice=NEVER_ARRIVED)


def _still_unknown(name: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        "The server stopped while sending the creation, and Kling does not show its task.",
        external_task_id=name,
        advice="Repeat the same create call to settle it; nothing is created twice.",
    )


def _ended_before(error: StoredError) -> KlingError:
    """The error that ended the call; only its fields were kept."""
    return error.to_error(
        "This call failed before the server restarted; its full text is no longer available.",
        advice="Call the tool again with the same arguments to read it; nothing is created twice.",
    )
