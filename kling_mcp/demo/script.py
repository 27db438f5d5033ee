"""The scripted client: lists the tools, creates an element, shows a progress bar, looks up the element, films it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TextIO

from mcp import Client, MCPError
from mcp_types import TextContent

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.demo.progress import showing_wait
from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from mcp.client import Transport
    from mcp.server import MCPServer
    from mcp_types import CallToolResult

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.demo.progress import Bar, Lines
    from kling_mcp.demo.request import DemoRequest

CREATE, LOOK_UP, FILM = "create_element_and_wait", "get_element", "generate_video"
_FILM_SECONDS = 120
_PATIENCE_SECONDS = 60.0  # beyond the wait that the server was asked for


async def run(
    request: DemoRequest, server: Transport | MCPServer[Any], out: TextIO, clock: Clock | None = None
) -> dict[str, Any]:
    """Run the script and report on `out`; returns the row of the finished element.

    Args:
        server: how to reach the server; in a test, the server itself.

    Raises:
        KlingError: the server's error, or that the server did not start.
        BrokenPipeError: the reader of `out` is gone.
    """
    failure: KlingError | BrokenPipeError | None = None
    row: dict[str, Any] = {}
    try:
        async with Client(server) as client:
            try:
                row = await _Script(client, request, out, clock or SystemClock()).run()
            except (KlingError, BrokenPipeError) as error:  # by hand, because the client's task groups would wrap it
                failure = error
    except* MCPError as broken:
        failure = KlingError(f"The server ended or did not answer: {_first(broken)}.", created="maybe")
    if failure is not None:
        raise failure
    return row


class _Script:
    def __init__(self, client: Client, request: DemoRequest, out: TextIO, clock: Clock) -> None:
        self._client = client
        self._request = request
        self._out = out
        self._clock = clock

    async def run(self) -> dict[str, Any]:
        tools = (await self._client.list_tools()).tools
        self._say(f"1. The server offers {len(tools)} tools: {', '.join(tool.name for tool in tools)}")
        task = await self._create()
        self._say(f"3. Looking up the element with {LOOK_UP}")
        found = _facts(LOOK_UP, await self._call(LOOK_UP, {"id": task["task_id"]}))
        row: dict[str, Any] = found["elements"][0]
        self._say(f'   "{row["element_name"]}" is {row["status"]}, created {row["created_at"]}')
        if self._request.film_dir:
            await self._film(row)
        return row

    async def _create(self) -> dict[str, Any]:
        self._say(f'2. Creating the element "{self._request.name}" with {CREATE} from')
        for picture in self._request.pictures:
            self._say(f"   {picture}")
        async with showing_wait(self._out, self._clock) as wait:
            result = await self._call(CREATE, self._request.arguments(), wait)
            if not result.is_error:
                wait.complete()
        task = _facts(CREATE, result)
        self._tell_task(task)
        return task

    async def _film(self, row: dict[str, Any]) -> None:
        """Ask for the price of a clip, agree to it, and wait for the file."""
        wish = self._request.film_arguments(row)
        self._say(f'4. Asking {FILM} for the price of "{wish["prompt"]}"')
        price = _facts(FILM, await self._call(FILM, wish | {"dry_run": True}))["units_estimated"]
        most = math.ceil(float(price.split()[-1]))  # of a range, such as `3 to 4`
        self._say(f"   {price} video units; the simulator takes no money")
        self._say(f"5. Making the clip with {FILM} and max_units={most}")
        agreed = wish | {"max_units": most, "wait_seconds": _FILM_SECONDS}
        async with showing_wait(self._out, self._clock) as wait:
            result = await self._call(FILM, agreed, wait, seconds=_FILM_SECONDS)
            if not result.is_error:
                wait.complete()
        clip = _facts(FILM, result)
        for warning in clip["warnings"]:
            self._say(f"   Note: {warning}")
        saved = [file for file in clip["files"] if file["path"]]
        if not saved:
            raise KlingError("The clip is not on the disk.", advice=clip["next_step"])
        for file in saved:
            self._say(f"   Saved: {file['path']} ({file['bytes']:,} bytes)")

    def _tell_task(self, task: dict[str, Any]) -> None:
        if task["outcome"] == "already_submitted":
            self._say("   Kling already has this element, so none was created.")
        for warning in task["warnings"]:
            self._say(f"   Note: {warning}")
        if not task["element_ids"]:
            raise KlingError(
                f"No element id after {self._request.wait_seconds} seconds; task {task['task_id']} is still running.",
                advice=task["next_step"],
            )
        self._say(f"   Ready after {task['waited_seconds']:g} seconds: element_id {task['element_ids'][0]}")

    async def _call(
        self, tool: str, arguments: dict[str, Any], report: Lines | Bar | None = None, *, seconds: int = 0
    ) -> CallToolResult:
        return await self._client.call_tool(
            tool,
            arguments,
            read_timeout_seconds=(seconds or self._request.wait_seconds) + _PATIENCE_SECONDS,
            progress_callback=report,
        )

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def _facts(tool: str, result: CallToolResult) -> dict[str, Any]:
    """The structured content of a result.

    Raises:
        KlingError: the tool failed; the message has the server's whole text.
    """
    if result.is_error or result.structured_content is None:
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        raise KlingError(f"{tool} failed:\n{text}")
    return dict(result.structured_content)


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """The first thing that went wrong, however deep the groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
