"""What foreign clients are let loose on: `kling-mcp` as users run it, in front of `kling-mcp simulate`.

All are processes. Each client has a Kling key of its own, and so an account of its own at the simulator, where it
is seen what arrived.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = [sys.executable, "-m", "kling_mcp"]
START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Stand:
    """The addresses of the simulator and of a server over http that asks for a token, and a folder for state."""

    simulator: str
    http: str
    token: str
    folder: Path

    def environ(self, key: str, *media: Path) -> dict[str, str]:
        """What a user would put into the configuration of a client that starts the server over stdio."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        return {**kept, "KLING_API_KEY": key, **settings_for(self.simulator, self.folder / key, *media)}

    def headers(self, key: str) -> dict[str, str]:
        """What a caller of the http server sends: who may call, and whose Kling account."""
        return {"Authorization": f"Bearer {self.token}", "X-Kling-Api-Key": key}

    def pictures_of(self, key: str) -> list[list[str]]:
        """What arrived at the simulator with each creation of this key's account, as SHA-256."""
        with urllib.request.urlopen(f"{self.simulator}/_simulator/requests") as reply:
            records: list[dict[str, Any]] = json.load(reply)
        account = f"account-{hashlib.sha256(key.encode()).hexdigest()[:8]}"  # the simulator tells nobody a key
        creations = [one for one in records if one["route"] == "create" and one["account"] == account]
        return [sorted(one["picture_sha256"]) for one in creations]


def settings_for(simulator: str, state: Path, *media: Path) -> dict[str, str]:
    """The variables of a server in front of this simulator."""
    folders = os.pathsep.join(str(folder) for folder in media)
    return {"KLING_BASE_URL": simulator, "KLING_MCP_STATE_DIR": str(state), "KLING_MCP_MEDIA_DIRS": folders}


@contextmanager
def opened() -> Iterator[Stand]:
    """Start both servers; stop them at the end."""
    token = secrets.token_hex(32)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(
            _serving(["simulate", "--port", "0", "--control"], {}, folder / "simulator.log")
        )
        settings = {"KLING_MCP_HTTP_TOKEN": token, **settings_for(simulator, folder / "http")}
        http = stack.enter_context(
            _serving(["serve", "--transport", "http", "--port", "0"], settings, folder / "http.log")
        )
        yield Stand(simulator, http, token, folder)


@contextmanager
def _serving(words: list[str], settings: dict[str, str], log: Path) -> Iterator[str]:
    """One of our commands that serves, from the address that it prints until the end."""
    with log.open("w", encoding="utf-8") as told:
        process = subprocess.Popen([*SERVER, *words], env={**os.environ, **settings}, stdout=told, stderr=told)
    try:
        yield _address_in(log, process)
    finally:
        process.terminate()
        process.wait(10)


def _address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+(/mcp)?(?=\s)", log.read_text("utf-8")):
            return found.group()
        time.sleep(0.05)
    raise AssertionError(f"a server did not start: {log.read_text('utf-8')[-600:]}")
