"""The hosted server as a process: its address, its log at DEBUG, which holds no secret, and its orderly end."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from anyio import to_thread
from helpers import structured
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from processes import AS_A_JOB, COMMAND, environ_with, until

from hosting.http_server import bearer, calling, creation, headers_for, initializing, kling
from kling_mcp.simulator import World, served_in_background

pytestmark = pytest.mark.anyio

# None of these may ever be shown, wherever it came from: settings, headers of callers, good or bad.
MARK = "CANARY"
OWN_KEY, TOKEN = "own-key-CANARY-11", "http-token-CANARY-22-22-22"
KEY, WRONG_KEY = "callers-key-CANARY-33", "wrong-key-CANARY-44"
ACCESS, SECRET = "access-CANARY-55", "secret-CANARY-66-of-more-than-32-characters"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJDQU5BUlkifQ.Q0FOQVJZ"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time: there are sockets and a process


@pytest.fixture(scope="module")
def world() -> World:
    """A Kling whose tasks take an hour."""
    return World(api_keys=[OWN_KEY, KEY], key_pairs={ACCESS: SECRET}, durations=lambda _kind, _rng: 3600.0)


@pytest.fixture(scope="module")
def kling_at(world: World) -> Iterator[str]:
    with served_in_background(world) as url:
        yield url


@contextmanager
def started(state: Path, starter: Sequence[str] = (), **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    with subprocess.Popen(
        [*starter, *COMMAND, "serve", "--transport", "http", "--port", "0"],
        env=environ_with(KLING_MCP_STATE_DIR=str(state), **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            found = next(found for line in lines if (found := re.search(r"serves (http://127\.0\.0\.1:\d+)/mcp", line)))
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.parametrize("starter", [[], AS_A_JOB], ids=["in front", "as a job"])
def test_http_process_prints_its_address_and_ends_quietly_with_ctrl_c(tmp_path: Path, starter: list[str]) -> None:
    with started(tmp_path, starter) as (process, url):
        assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200
        assert httpx.get(f"{url}/readyz", timeout=10).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")


@asynccontextmanager
async def client_of(url: str, era: str, headers: dict[str, str]) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={**bearer(TOKEN), **headers}, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


async def provoke(url: str) -> list[str]:
    """Everything that is answered to callers who do it right, and to those who do not."""
    said: list[str] = []
    body = calling("list_elements")
    pair = {"X-Kling-Access-Key": ACCESS, "X-Kling-Secret-Key": SECRET}
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        for message in (body, calling("check_setup"), calling("get_element", id="nothing"), initializing()):
            for headers in (
                {},
                bearer("wrong-token-CANARY"),
                bearer(TOKEN),
                {**bearer(TOKEN), **kling(KEY)},
                {**bearer(TOKEN), **kling(WRONG_KEY)},
                {**bearer(TOKEN), **kling(JWT)},
                {**bearer(TOKEN), **kling(f"Bearer {KEY}")},
                {**bearer(TOKEN), **pair},
                {**bearer(TOKEN), **pair, "X-Kling-Secret-Key": f"{SECRET}-wrong"},
                {**bearer(TOKEN), "X-Kling-Access-Key": ACCESS},
                {**bearer(TOKEN), **kling(KEY), "X-Kling-Region": "mars"},
                {**bearer(TOKEN), **kling(KEY), "Origin": "https://attacker.example.com"},
            ):
                reply = await http.post("/mcp", json=message, headers=headers_for(message, **headers))
                said.append(f"{reply.status_code} {reply.headers} {reply.text}")
        said += [(await http.post("/mcp", content=b"{", headers={**headers_for(body), **bearer(TOKEN)})).text]
        said += [(await http.get(path, headers=bearer(TOKEN))).text for path in ("/", "/mcp", "/readyz")]
    return said


def created_at(world: World) -> list[str]:
    """The tasks that the caller has at Kling."""
    return [*world.account_of(KEY).tasks]


async def wait_and_end(url: str, process: subprocess.Popen[str], world: World) -> tuple[list[Any], float]:
    """A wait in each era, then SIGTERM: what the waits are answered, and how long the end took."""
    answers: list[Any] = []
    waiting = anyio.Event()
    ended_at = 0.0

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        waiting.set()

    async def wait(era: str) -> None:
        async with client_of(url, era, kling(KEY)) as client:
            await client.list_tools()  # the SDK checks answers against these, and would ask for them afterwards
            wish = {**creation(f"Mia {era}"), "wait_seconds": 600}
            answers.append(await client.call_tool("create_element_and_wait", wish, progress_callback=heard))

    began = 0.0
    async with anyio.create_task_group() as group:
        for era in ("legacy", "auto"):
            waiting = anyio.Event()
            group.start_soon(wait, era)
            await waiting.wait()
        await until(lambda: len(created_at(world)) == 2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await to_thread.run_sync(process.wait, 20)
        ended_at = time.monotonic()
    return answers, ended_at - began


async def talk(url: str, process: subprocess.Popen[str], world: World) -> tuple[list[str], list[Any], float]:
    """Everything that is said to a server until its end; one that fails ends, too, since its log is waited for."""
    try:
        said = await provoke(url)
        return said, *await wait_and_end(url, process, world)
    finally:
        process.kill()


async def test_http_process_keeps_secrets_at_debug_and_hands_over_waits_at_its_end(
    tmp_path: Path, kling_at: str, world: World
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    state = tmp_path / "state"
    log: list[str] = []
    settings = {
        "KLING_API_KEY": OWN_KEY,
        "KLING_BASE_URL": kling_at,
        "KLING_MCP_LOG_LEVEL": "DEBUG",
        "KLING_MCP_HTTP_TOKEN_FILE": str(token_file),
    }
    with started(state, **settings) as (process, url):
        assert process.stdout is not None
        assert process.stderr is not None
        read = process.stderr.read

        async def read_log() -> None:
            log.append(await to_thread.run_sync(read))

        async with anyio.create_task_group() as group:
            group.start_soon(read_log)
            said, answers, seconds = await talk(url, process, world)
        said.append(process.stdout.read())
    for view in map(structured, answers):
        assert view["task_status"] in {"submitted", "processing"}
        assert view["task_id"] in view["next_step"]
    assert len(answers) == 2
    assert seconds < 4, "a couple of seconds"
    assert process.returncode == -signal.SIGTERM

    written = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file()).decode("latin-1")
    assert " DEBUG " in log[0]
    assert written
    assert "Traceback" not in log[0]
    for output in (*said, log[0], written, str(answers)):
        assert MARK not in output, output[max(0, output.index(MARK) - 300) :][:600]
        assert JWT not in output
