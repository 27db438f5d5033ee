"""Programs of the campaign: the simulated Kling, and servers that speak MCP over stdio and are killed all the time."""

from __future__ import annotations

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from anyio import Path as AsyncPath
from processes import COMMAND, ROOT, environ_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_LINE = 2**24
_HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "a patient client", "version": "1"},
}


class ServerGoneError(Exception):
    """The server was killed before it answered."""


class Kling:
    """The simulated Kling in its own process."""

    def __init__(self, seed: int, share: float, most_slow: int) -> None:
        self._arguments = [str(seed), str(share), str(most_slow)]
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(COMMAND[0], "-m", "soak.kling", *self._arguments),
            stdin=PIPE,
            stdout=PIPE,
            env=environ_with(PYTHONPATH=str(ROOT / "tests")),
            limit=MAX_LINE,
            start_new_session=True,  # Ctrl-C is for the campaign alone
        )
        self.url = (await self._hear())["url"]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def books(self, path: Path) -> dict[str, Any]:
        """What it has accepted so far, by way of a file."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n".encode())
        await self._process.stdin.drain()
        await self._hear()
        books: dict[str, Any] = json.loads(await AsyncPath(path).read_text("utf-8"))
        return books

    async def _hear(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return said


class Server:
    """A place at which a server process runs, and after a kill another one.

    Attributes:
        kills: how often it was killed.
    """

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        """What the processes write to stderr is appended to `log`."""
        self._environ, self._log = environ_with(**environ), log
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._is_up = asyncio.Event()
        self.kills = 0

    async def start(self) -> None:
        """Start a process, and return once it has said hello."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=self._environ,
                limit=MAX_LINE,
                start_new_session=True,
            )
        self._reader = asyncio.create_task(self._read(self._process))
        await self._ask("initialize", _HELLO)
        self._say({"method": "notifications/initialized"})
        self._is_up.set()

    async def call(self, tool: str, arguments: Mapping[str, Any], *, patience: float) -> dict[str, Any] | None:
        """The result of a call, or None if there was none after `patience` seconds: then the call is cancelled.

        Raises:
            ServerGoneError: the process was killed first.
        """
        await self._is_up.wait()
        number = next(self._numbers)
        try:
            params = {"name": tool, "arguments": dict(arguments)}
            async with asyncio.timeout(patience):
                return await self._ask("tools/call", params, number)
        except TimeoutError:
            self._say({"method": "notifications/cancelled", "params": {"requestId": number, "reason": "time-out"}})
            return None

    async def kill(self) -> None:
        """`kill -9`. Everybody who waits for an answer learns it."""
        self._is_up.clear()
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reader
        self.kills += 1

    async def stop(self) -> None:
        """End it in order, as a client does that closes stdin; what takes too long is killed."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _ask(self, method: str, params: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
        number = number or next(self._numbers)
        asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        try:
            self._say({"id": number, "method": method, "params": params})
            return await asked
        finally:
            self._asked.pop(number, None)

    def _say(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise ServerGoneError
        process.stdin.write((json.dumps({"jsonrpc": "2.0", **message}) + "\n").encode())

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with suppress(ConnectionError):
            while line := await process.stdout.readline():
                heard: dict[str, Any] = json.loads(line)
                asked = self._asked.get(heard.get("id", 0))
                if asked is not None and not asked.done():
                    asked.set_result(heard.get("result") or {"isError": True, "content": [], **heard})
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(ServerGoneError())
