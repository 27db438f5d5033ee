"""What a client pays for that starts the server, reads its lists and never calls a tool: most chats."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY
from processes import COMMAND, environ_with

from kling_mcp.simulator import World, served_in_background

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
ASKED = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")

# Every call needs them; a start does not.
LATE = {
    "httpx",
    "sqlite3",
    "kling_mcp.api.client",
    "kling_mcp.tasks.journal",
    "kling_mcp.library.index",
    "kling_mcp.runtime",
    "kling_mcp.server.run_tool",
    "kling_mcp.server.views.view",
}
# Not even an ordinary call needs them.
LATER = {
    "PIL",
    "jwt",
    "psycopg",
    "kling_mcp.server.http.app",
    "kling_mcp.demo",
    "kling_mcp.simulator",
}
# What creates, waits, generates, spends, saves and draws: an account wires it for the calls that do so.
ROOMS_OF_OTHER_CALLS = ("billing", "generation", "production", "results", "thumbnails", "voices")
PARTS_OF_OTHER_CALLS = {
    "kling_mcp.elements.create",
    "kling_mcp.elements.preflight",
    "kling_mcp.tasks.collector",
    "kling_mcp.tasks.poller",
    "kling_mcp.tasks.send",
    "kling_mcp.tasks.submit",
    "kling_mcp.server.mcp_tasks.background_call",
    "kling_mcp.server.views.collected",
    "kling_mcp.server.views.generations",
    "opentelemetry.metrics",
}


@pytest.fixture(scope="module")
def kling() -> Iterator[str]:
    world = World(api_keys=[API_KEY])
    world.add_element(world.account_of(API_KEY), "Mia")
    with served_in_background(world) as url:
        yield url


def ask(server: subprocess.Popen[str], method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request and its answer."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}) + "\n")
    server.stdin.flush()
    answer: dict[str, Any] = json.loads(server.stdout.readline())
    return answer


def loaded_after(
    kling: str, folder: Path, *, call: str = "", arguments: Mapping[str, object] | None = None, said: str = ""
) -> tuple[set[str], set[str]]:
    """The modules that a server has loaded when its lists were read, and perhaps the tool `call`, which says `said`.

    What the interpreter itself loads before anything of ours, the second set, is not our choice: whoever measures
    coverage loads a lot there.
    """
    environ = environ_with(
        KLING_API_KEY=API_KEY, KLING_BASE_URL=kling, KLING_MCP_STATE_DIR=str(folder), PYTHONPROFILEIMPORTTIME="1"
    )
    # A file, not a pipe: nobody reads while answers are awaited, and a pipe would be full soon.
    with (folder / "stderr").open("w+", encoding="utf-8") as log:
        with subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environ
        ) as server:
            ask(server, "initialize", HELLO)
            assert all("result" in ask(server, method) for method in ASKED)
            if call:
                answer = ask(server, "tools/call", {"name": call, "arguments": arguments or {}})
                assert said in answer["result"]["content"][0]["text"]
        log.seek(0)
        lines = log.readlines()
    modules = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    ours = modules.index("site")
    return set(modules[ours:]), set(modules[:ours])


def test_start_loads_no_tool_and_none_of_its_imports(kling: str, tmp_path: Path) -> None:
    loaded, _ = loaded_after(kling, tmp_path)
    assert "kling_mcp.server.build" in loaded
    assert not loaded & (LATE | LATER | PARTS_OF_OTHER_CALLS)


# What a plain call says. None of them creates, waits, or shows pictures.
PLAIN_CALLS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "get_element": ({"id": "Mia"}, "Mia"),
    "list_elements": ({}, "Mia"),
    "find_elements": ({"query": "Mia"}, "Mia"),
    "check_setup": ({}, "The setup works."),
}


@pytest.mark.parametrize("name", PLAIN_CALLS)
def test_a_call_loads_what_it_needs_and_no_more(kling: str, tmp_path: Path, name: str) -> None:
    arguments, said = PLAIN_CALLS[name]
    loaded, before = loaded_after(kling, tmp_path, call=name, arguments=arguments, said=said)
    assert loaded | before >= LATE
    assert not loaded & (LATER | PARTS_OF_OTHER_CALLS)
    rooms = tuple(f"kling_mcp.{room}" for room in ROOMS_OF_OTHER_CALLS)
    assert not [module for module in loaded if module.startswith(rooms)]


@pytest.mark.parametrize("said", [None, "", "logfire"])
def test_pydantic_plugins_can_be_switched_on(said: str | None) -> None:
    """They are off because looking for them takes long; a word of the user's stands."""
    program = (
        "import os, gc\n"
        "from kling_mcp.server.stdio import _starting\n"
        "with _starting(): assert not gc.isenabled()\n"
        "assert gc.isenabled() and gc.get_freeze_count()\n"
        "print(repr(os.environ['PYDANTIC_DISABLE_PLUGINS']))"
    )
    environ = environ_with(**({} if said is None else {"PYDANTIC_DISABLE_PLUGINS": said}))
    ran = subprocess.run([COMMAND[0], "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == repr("__all__" if said is None else said)
