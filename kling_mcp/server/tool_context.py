"""One tool call as a handler sees it: account, progress, time."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from kling_mcp.concurrency.background import run_in_background
from kling_mcp.errors import ConfigurationError
from kling_mcp.server.mcp_tasks.current import current_background_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from mcp.server.elicitation import ElicitationResult

    from kling_mcp.account import Account
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.errors import KlingError
    from kling_mcp.runtime import Runtime
    from kling_mcp.server.arguments import ToolArguments
    from kling_mcp.server.caller import Caller
    from kling_mcp.settings import Settings

A = TypeVar("A", bound=BaseModel)

PROGRESS_EVERY_SECONDS = 4.0  # the contract allows 5


class ToolContext:
    """Everything a handler can use."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.runtime: Runtime = caller.runtime
        self._account: Account | None = None
        self._last_progress = -1.0

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return self.runtime.settings

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self.runtime.clock

    def require_settings(self, *, changes_something: bool, may_create: bool) -> None:
        """Nothing is wrong with the settings of what such a tool does.

        Raises:
            ConfigurationError: names the variable.
        """
        if changes_something:
            self.settings.require("changing")
        if may_create:
            self.settings.require("creating")

    def wait_seconds(self, arguments: ToolArguments) -> int:
        """How long this call may wait: the caller's wait_seconds, or KLING_MCP_WAIT_SECONDS.

        Both limit how long a call blocks. A task blocks nothing, so it runs until there is a result; only 0 still
        means not to wait.
        """
        said = getattr(arguments, "wait_seconds", None) if "wait_seconds" in arguments.model_fields_set else None
        seconds = self.settings.wait_seconds if said is None else int(said)
        background = current_background_call()
        return int(background.seconds_left()) if background and seconds else seconds

    @property
    def account(self) -> Account:
        """The caller's Kling account, kept open during the call.

        Raises:
            ConfigurationError: `missing_credentials`.
        """
        if self._account is None:
            self._account = self.runtime.account_of_caller(self.caller.headers)
        return self._account

    @contextmanager
    def within_call_limit(self) -> Iterator[None]:
        """Count the block as a running call of the account; without an account, the handler raises the error.

        Raises:
            LimitError: the account has too many.
        """
        try:
            account = self.account
        except ConfigurationError:
            yield
        else:
            with account.calls.acquire():
                yield

    async def ask(self, message: str, schema: type[A]) -> ElicitationResult[A] | None:
        """What a person answers; None if none can be asked."""
        if not self.caller.runs_out_of_patience:
            return await self.caller.ask(message, schema)
        async with self.report_progress(lambda: "Waiting for a person's answer", 0):
            return await self.caller.ask(message, schema)

    async def bind_tasks(self, *names: str) -> None:
        """Record which creations this call is about, so that its task, if any, survives a restart."""
        if background := current_background_call():
            await background.bind_tasks(names)

    def record_error(self, error: KlingError) -> None:
        """The call ends with this error; its task, if any, keeps the error's fields across a restart."""
        if run := current_background_call():
            run.record_error(error)

    @asynccontextmanager
    async def report_progress(self, message: Callable[[], str], seconds: float) -> AsyncIterator[None]:
        """Report progress regularly while the block runs.

        Progress is the seconds waited, out of `seconds`, strictly increasing. Clients that did not ask for progress
        get none; if the call became a task, clients read `message` there.
        """
        background = current_background_call()
        if background:
            background.set_message(message)
        before = max(self._last_progress, 0.0)  # an earlier block of the same call, such as a question to a person

        async def beat() -> None:
            started = self.clock.monotonic()
            while True:
                waited = self.clock.monotonic() - started
                last = self._last_progress = round(max(self._last_progress + 0.001, before + waited), 3)
                if not (background and background.is_detached):
                    await self.caller.report_progress(last, max(round(before + seconds), last), message(), waited)
                await self.clock.sleep(PROGRESS_EVERY_SECONDS)

        async with run_in_background(beat):
            yield
