"""Serves the messages on stdin, and answers the lines that are none.

The SDK leaves such lines out without a word, and the client would wait for an answer that never comes. Here each is
logged, and answered where it says its id.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Self

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from kling_mcp.guide import guide_to
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from contextvars import Context
    from types import TracebackType

    from mcp.server.mcpserver import MCPServer
    from mcp.shared._stream_protocols import ReadStream, WriteStream

logger = logging.getLogger(__name__)

MAX_LOGGED = 20
_MAX_ID_CHARACTERS = 256
_SHOWN = 80
_SPACE = re.compile(r"[ \t\r\n]*")


async def serve_messages(server: MCPServer[Any]) -> None:
    """Serve one client until stdin ends, as the SDK does over stdio."""
    served = server._lowlevel_server  # noqa: SLF001 - the SDK has no public way to serve other streams
    lines = MessageLines(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"))
    async with stdio_server(lines) as (read, write):
        messages = ReadableMessages(read, lines, write)
        await served.run(messages, write, served.create_initialization_options())


class MessageLines(anyio.AsyncFile[str]):
    """The lines of stdin, one at a time: the next is read when the message of the last has been taken."""

    def __init__(self, fp: Any) -> None:
        super().__init__(fp)
        self._line = ""
        self._taken = anyio.Event()
        self._taken.set()

    async def readline(self) -> str:
        """The next line that is not empty; "" at the end."""
        await self._taken.wait()
        while (line := await super().readline()).isspace():
            pass
        self._line, self._taken = line, anyio.Event()
        return line

    def take(self) -> str:
        """The last line, whose message has been taken."""
        self._taken.set()
        return self._line


class ReadableMessages:
    """The messages of `source`, a read stream of the SDK's; lines that are none are answered and left out."""

    def __init__(
        self, source: ReadStream[SessionMessage | Exception], lines: MessageLines, answers: WriteStream[SessionMessage]
    ) -> None:
        self._source = source
        self._lines = lines
        self._answers = answers
        self._seen = 0

    @property
    def last_context(self) -> Context | None:
        """See `ReadStream`."""
        return getattr(self._source, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        while True:
            item = await self._source.receive()
            line = self._lines.take()
            if not isinstance(item, ValidationError):
                return item
            await self._answer(line, item)

    async def _answer(self, line: str, error: ValidationError) -> None:
        code, why = _verdict(line, error)
        self._seen += 1
        if self._seen <= MAX_LOGGED:
            last = " Further ones are not logged." if self._seen == MAX_LOGGED else ""
            more = guide_to("the-client-does-not-start-the-server")
            logger.warning(
                "The client sent a line that is no message: %s %s%s %s", why, quote(line, _SHOWN), last, more
            )
        asked = id_in(line)
        if asked is not None:
            problem = JSONRPCError(jsonrpc="2.0", id=asked, error=ErrorData(code=code, message=why))
            await self._answers.send(SessionMessage(problem))

    async def aclose(self) -> None:
        """See `ReadStream`."""
        await self._source.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        await self._source.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._source.__aexit__(kind, error, traceback)


def id_in(line: str) -> str | int | None:
    """The id of the request that a line may have been meant as; None if it says none, or is an answer."""
    fields = _fields_in(line)
    found = fields.get("id")
    if "result" in fields or "error" in fields or isinstance(found, bool):
        return None
    if isinstance(found, str):
        return found if len(found) <= _MAX_ID_CHARACTERS else None
    return found if isinstance(found, int) else None


def _fields_in(line: str) -> dict[str, Any]:
    """The fields of an object, as far as it can be read."""
    decoder = json.JSONDecoder()
    fields: dict[str, Any] = {}

    def after_space(place: int) -> int:
        return _SPACE.match(line, place).end()  # type: ignore[union-attr] # it matches nothing, too

    def value(place: int) -> tuple[Any, int]:
        found, end = decoder.raw_decode(line, after_space(place))
        return found, after_space(end)

    place, mark = after_space(0), "{"
    try:
        while line[place] == mark:
            name, place = value(place + 1)
            if not isinstance(name, str) or line[place] != ":":
                break
            fields[name] = None  # if it ends here
            fields[name], place = value(place + 1)
            mark = ","
    except (ValueError, IndexError, RecursionError):  # the line ends here, or is no JSON from here on
        pass
    return fields


def _verdict(line: str, error: ValidationError) -> tuple[int, str]:
    """The JSON-RPC code, and what is wrong with the line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return PARSE_ERROR, f"It is not valid JSON ({clean(first['msg'].removeprefix('Invalid JSON: '), 100)})."
    if line.lstrip().startswith("["):
        return INVALID_REQUEST, "Batches are not supported: send each message on a line of its own."
    return INVALID_REQUEST, (
        'It is no JSON-RPC message: it needs "jsonrpc": "2.0", a "method", and as "id" a text or a whole number.'
    )
