"""One tool call that may continue after its request was answered with a handle.

It knows its state and what it waits for, and writes its handle; it sends nothing to the client.
The tool body finds it with `current_background_call`; without one the call is an ordinary one.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import anyio
from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, ElicitResult, TextContent
from mcp_types.methods import is_input_required
from pydantic import BaseModel, ValidationError

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import StorageError
from kling_mcp.server.mcp_tasks.current import current
from kling_mcp.server.mcp_tasks.handles import KEEP_SECONDS
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from mcp.server.context import HandlerResult
    from mcp_types import ElicitRequest

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.errors import KlingError
    from kling_mcp.server.mcp_tasks.handles import Handle, HandleStatus, HandleStore

logger = logging.getLogger(__name__)

CallStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]

_EARLY_POLL_MS, _LATER_POLL_MS = 2000, 5000  # fact: poll
_EARLY_SECONDS = 30.0
_MAX_MESSAGE_CHARACTERS = 200


class _Question:
    """A question to the client, and its answer once there is one."""

    def __init__(self, request: ElicitRequest) -> None:
        self.request: dict[str, Any] = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        self.answer: ElicitResult | None = None
        self.answered = anyio.Event()


class BackgroundCall:
    """A running call, or its outcome."""

    def __init__(self, handle: Handle, handles: HandleStore, clock: Clock, seconds: float) -> None:
        """
        Args:
            seconds: how long the call may run, counted from the creation of the handle.
        """
        self.handle = handle
        self.handles = handles
        self.is_detached = False
        self.status: CallStatus = "working"
        self._clock = clock
        self._seconds = seconds
        self._updated_at = handle.created_at
        self._message: Callable[[], str] = lambda: "Working"
        self._outcome: HandlerResult = None
        self._error: MCPError | None = None
        self._failure: StoredError | None = None
        self._questions: dict[str, _Question] = {}
        self._asked = 0
        self._scope = anyio.CancelScope()
        self._news = anyio.Event()
        self._over = anyio.Event()

    # What the tool body may ask.

    @property
    def age(self) -> float:
        """Seconds since the handle was made, by dates, because it may be older than this process."""
        return max(0.0, self._clock.steady() - self.handle.created_at)

    def seconds_left(self) -> float:
        """How long the call may still run."""
        return max(0.0, self._seconds - self.age)

    def set_message(self, message: Callable[[], str]) -> None:
        """Set what people see the call doing."""
        self._message = message

    async def bind_tasks(self, names: Sequence[str]) -> None:
        """Note which creations the call is about, so that a later process can follow them."""
        with anyio.CancelScope(shield=True):
            try:
                await self.handles.name(self.handle.handle_id, names)
            except StorageError as error:
                # The call does not depend on it; only a restart would lose the handle.
                logger.warning("A task handle could not be written: %s", error)

    def record_error(self, error: KlingError) -> None:
        """The call ends with this error; its fields are kept for a later process."""
        self._failure = StoredError.of(error)

    async def ask(self, request: ElicitRequest) -> ElicitResult:
        """Ask the client, which sees the question in tasks/get and answers with tasks/update."""
        self._asked += 1
        key = f"question-{self._asked}"  # never used twice in one task
        question = self._questions[key] = _Question(request)
        self._turn("input_required")
        self._news.set()
        await question.answered.wait()
        assert question.answer is not None  # noqa: S101 - set together with the event
        return question.answer

    # What the extension does with it.

    async def run(self, work: Callable[[], Awaitable[HandlerResult]]) -> None:
        """Run the call to its end. Shutdown cancels it and leaves the handle for the next server."""
        current.set(self)
        try:
            with self._scope:
                self._ended(await work())
        except MCPError as error:  # the SDK turns everything else that a tool raises into a result
            self._failed(error)
        finally:
            self._news.set()
            self._over.set()

    async def wait_for_news(self, seconds: float) -> None:
        """Wait at most `seconds` until the call is over or asks something."""
        with anyio.move_on_after(seconds):
            await self._news.wait()

    def detach(self) -> None:
        """The request was answered with the handle, so nothing more may be sent on it."""
        self.is_detached = True

    @property
    def is_over(self) -> bool:
        """Whether the call has ended or was cancelled."""
        return self.status in {"completed", "failed", "cancelled"}

    @property
    def asks_to_be_repeated(self) -> bool:
        """Whether the call ended with a question that the client answers by calling again."""
        return is_input_required(self._outcome)

    def outcome(self) -> HandlerResult:
        """What the call returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._outcome

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the client's answers; answers to questions that are not open are ignored.

        Raises:
            MCPError: one of them is invalid; then none is taken.
        """
        taken = {key: _elicited(key, value) for key, value in responses.items() if key in self._questions}
        for key, value in taken.items():
            question = self._questions.pop(key)
            question.answer = value
            question.answered.set()
        if self.status == "input_required" and not self._questions:
            self._turn("working")

    def cancel(self) -> None:
        """Stop the call. Work that was sent to Kling continues there."""
        if not self.is_over:
            self._turn("cancelled")
            self._questions.clear()
        self._scope.cancel()

    def detach_for_restart(self) -> None:
        """Stop without an outcome: the handle still says that it is running, and the next server follows it."""
        self._scope.cancel()

    async def wait_closed(self) -> None:
        """Wait until the body has finished, including its clean-up."""
        await self._over.wait()

    async def persist_result(self) -> None:
        """Store the outcome, as far as a later process cannot learn it from Kling."""
        status: HandleStatus = "cancelled" if self.status == "cancelled" else "settled"
        with suppress(StorageError):  # the answer is in memory, and Kling knows the task
            await self.handles.settle(self.handle.handle_id, status, self._failure)

    def summary(self) -> dict[str, Any]:
        """The task as every answer shows it."""
        return {
            **wire_form(self.handle, self.status, self._updated_at, self._status_message()),
            "pollIntervalMs": _EARLY_POLL_MS if self.age < _EARLY_SECONDS else _LATER_POLL_MS,
        }

    def detail(self) -> dict[str, Any]:
        """The task with its result, error or open questions."""
        task: dict[str, Any] = {"resultType": "complete", **self.summary()}
        if self.status == "completed":
            outcome = self._outcome
            task["result"] = (
                outcome.model_dump(by_alias=True, mode="json", exclude_none=True)
                if isinstance(outcome, BaseModel)
                else outcome
            )
        elif self._error is not None:
            task["error"] = self._error.error.model_dump(by_alias=True, mode="json", exclude_none=True)
        elif self.status == "input_required":
            task["inputRequests"] = {key: question.request for key, question in self._questions.items()}
        return task

    def _ended(self, outcome: HandlerResult) -> None:
        self._outcome = outcome
        if self.is_detached and is_input_required(outcome):
            # The client can no longer repeat the call; a body that asks late has `ask`.
            self._failed(MCPError(INTERNAL_ERROR, "The tool asked for input after its task had begun"))
        elif not self.is_over:
            self._turn("completed")

    def _failed(self, error: MCPError) -> None:
        if not self.is_over:
            self._error = error
            self._turn("failed")

    def _turn(self, status: CallStatus) -> None:
        self.status = status
        self._updated_at = self._clock.steady()

    def _status_message(self) -> str:
        if self.status == "working":
            return f"{self._message()} ({self.age:.0f} s)"
        if self.status == "input_required":
            return "Waiting for the client's answer"
        if self.status == "cancelled":
            return CANCELLED
        if self._error is not None:
            return self._error.message
        return _text(self._outcome).partition("\n")[0][:_MAX_MESSAGE_CHARACTERS]


CANCELLED = (
    "The wait was cancelled; work that was sent to Kling continues there. To see the outcome, call "
    "wait_for_tasks without ids, or repeat the same call; nothing is created twice."
)


def wire_form(handle: Handle, status: str, updated_at: float, message: str) -> dict[str, Any]:
    """The fields of a task that do not depend on its state."""
    return {
        "taskId": handle.handle_id,
        "status": status,
        "statusMessage": message,
        "createdAt": iso_utc(round(handle.created_at * 1000)),
        "lastUpdatedAt": iso_utc(round(updated_at * 1000)),
        "ttlMs": round(KEEP_SECONDS * 1000),
    }


def _text(outcome: HandlerResult) -> str:
    blocks = outcome.content if isinstance(outcome, CallToolResult) else []
    return "\n".join(block.text for block in blocks if isinstance(block, TextContent))


def _elicited(key: str, value: Any) -> ElicitResult:
    try:
        return ElicitResult.model_validate(value)
    except ValidationError:
        raise MCPError(INVALID_PARAMS, f"inputResponses[{key!r}] is not an answer to an elicitation") from None
