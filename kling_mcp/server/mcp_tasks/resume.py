"""Follows a call that an earlier process, or another one on the same state, began.

The creation itself is never repeated here: Kling and the journal are only asked what became of it.
Each body answers in the words of the tool whose call it follows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.errors import KlingError, NotFoundError, StorageError, UnknownOutcomeError
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.mcp_tasks.background_call import BackgroundCall, current_background_call
from kling_mcp.server.tool import CREATES, READS, Answer, ToolSpec, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools.create_element_and_wait import create_element_and_wait
from kling_mcp.server.tools.wait_for_elements import WaitArguments, WaitView, wait_for_elements
from kling_mcp.server.views.tasks import TaskView, next_step_for, raise_if_failed, shown_id, task_text, task_view
from kling_mcp.tasks.collector import NEVER_ARRIVED

if TYPE_CHECKING:
    from kling_mcp.errors import Created
    from kling_mcp.server.mcp_tasks.handles import Handle
    from kling_mcp.tasks.collector import CollectedTask

LOOK_AGAIN_SECONDS = 3.0
# Whoever queues renews its lease every few seconds; a computer that slept gets this long to wake up.
DESERTED_SECONDS = 60.0

_CREATED: dict[str, Created] = {"no": "no", "yes": "yes"}


class NoArguments(ToolArguments):
    """The handle says everything."""


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
    async with call.report_progress(lambda: "Following a creation at Kling", run.seconds_left()):
        item = await _find_creation(run, call)
        if item.label:
            run.set_message(lambda: f"Creating {quote(item.label, 40)} at Kling")
        await call.account.collector.wait([item], run.seconds_left())
    task = item.snapshot.task
    if task is None:
        raise item.snapshot.error or item.snapshot.last_poll_error or _still_unknown(item.external_task_id or item.name)
    raise_if_failed(task, item.external_task_id)
    trouble = item.snapshot.last_poll_error
    view = task_view(
        task,
        external_task_id=item.external_task_id,
        outcome="recovered",
        waited_seconds=run.age,
        warnings=[f"The last look at the task failed: {trouble.message}"] if trouble else [],
        next_step=next_step_for(
            task, running=f"Call wait_for_elements with ids=[{shown_id(task)}]; creating again is not needed."
        ),
    )
    return Answer(view, task_text(view))


@tool(
    wait_for_elements.name,
    title=wait_for_elements.title,
    annotations=READS,
    arguments=NoArguments,
    view=WaitView,
)
async def follow_wait(_: NoArguments, call: ToolContext) -> Answer:
    """Wait for what another process waited for."""
    run = _the_run()
    async with call.report_progress(lambda: "Waiting for elements at Kling", run.seconds_left()):
        names = await _names_of(run, call)
    return await wait_for_elements.handler(WaitArguments.model_validate({"ids": list(names)}), call)


# For each tool that may become a task (`extension.LONG_CALLS`) the body that follows its call.
FOLLOWERS: dict[str, ToolSpec] = {spec.name: spec for spec in (follow_creation, follow_wait)}


def _the_run() -> BackgroundCall:
    run = current_background_call()
    assert run is not None  # noqa: S101 - the extension calls these bodies within a run only
    return run


async def _names_of(run: BackgroundCall, call: ToolContext) -> tuple[str, ...]:
    """What the handle stands for, once the process that runs the call has found out.

    Raises:
        KlingError: the call ended with an error, or before it knew.
    """
    while True:
        handle = await _latest(run)
        if handle.detail and not handle.detail.startswith("kind=task_failed "):  # Kling tells that one in full
            raise _EndedBeforeError(handle.detail)
        if handle.names:
            return handle.names
        if handle.status != "working" or run.handles.is_orphan(handle) or not run.seconds_left():
            raise _never_begun()
        await call.clock.sleep(LOOK_AGAIN_SECONDS)


async def _find_creation(run: BackgroundCall, call: ToolContext) -> CollectedTask:
    """The creation, as soon as Kling shows it.

    Raises:
        KlingError: it was refused, never sent, or cannot be found in the time of the task.
    """
    account = call.account
    while True:
        # The newest: a creation that is tried again after a failed task goes on under another id.
        name = (await _names_of(run, call))[-1]
        entry = None
        with suppress(StorageError):  # Kling can be asked without the journal
            entry = await account.journal.find(name)
        if entry is not None and entry.state == "refused":
            raise _EndedBeforeError(entry.detail) if entry.detail.startswith("kind=") else _never_arrived()
        if entry is None or entry.state != "claimed":
            [item] = await account.collector.resolve([name])
            if item.snapshot.error or not item.warning:
                return item
        elif run.handles.is_orphan(run.handle) or entry.lease_until + DESERTED_SECONDS < call.clock.wall():
            raise _never_begun()
        if not run.seconds_left():
            raise _still_unknown(name)
        await call.clock.sleep(LOOK_AGAIN_SECONDS)


async def _latest(run: BackgroundCall) -> Handle:
    """The handle as it is now; as it was last known where it cannot be read."""
    with suppress(StorageError):
        run.handle = await run.handles.find(run.handle.handle_id) or run.handle
    return run.handle


def _never_begun() -> KlingError:
    return KlingError(
        "The server was stopped before this call had sent anything to Kling.",
        kind="busy",
        retry="now",
        advice="Call the tool again with the same arguments.",
    )


def _never_arrived() -> NotFoundError:
    return NotFoundError("The creation of this call never arrived at Kling.", advice=NEVER_ARRIVED)


def _still_unknown(name: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        "The server was stopped while the creation was being sent, and Kling does not show its task.",
        external_task_id=name,
        advice="Repeat the same create call to settle it; nothing is made twice.",
    )


class _EndedBeforeError(KlingError):
    """The error that ended the call, of which only the line for programs was kept."""

    def __init__(self, line: str) -> None:
        said = dict(part.split("=", 1) for part in line.split() if "=" in part)
        super().__init__(
            "This call ended with an error before the server was restarted; its full text is no longer known.",
            created=_CREATED.get(said.get("created", ""), "maybe"),
            advice="Call the tool again with the same arguments to read it; nothing is made twice.",
        )
        self._line = line

    def last_line(self) -> str:
        return self._line
