"""Lets MCP clients that nobody here wrote create an element over stdio, with real photographs.

    python tests/clients/run_clients.py --node DIR --fastmcp PYTHON PHOTO PHOTO

The server runs as users run it, as a process, and talks to `kling-mcp simulate`, another process. Each client makes
its own element; the bytes that arrived at the simulator must be the bytes of the files. `run.sh` beside this file
installs the clients first. A client that is not installed is left out with a reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
KEY = "clients-key"
SERVER = [sys.executable, "-m", "kling_mcp"]


def main() -> int:
    """Run every client that is there; the number of failures is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", type=Path, help="a folder whose node_modules holds the TypeScript clients")
    parser.add_argument("--fastmcp", type=Path, help="a Python that has fastmcp")
    parser.add_argument("photos", type=Path, nargs=2)
    options = parser.parse_args()
    passed = failed = 0
    with Simulator() as simulator:
        for name, client in clients(options.node, options.fastmcp).items():
            try:
                client(name, simulator, options.photos)
            except (AssertionError, subprocess.SubprocessError, json.JSONDecodeError, KeyError) as error:
                failed += 1
                print(f"FAIL  {name}: {error!r}")
            else:
                passed += 1
                print(f"ok    {name}: tools listed, element made, picture bytes arrived unchanged")
    print(f"foreign clients: {passed} passed, {failed} failed")
    return failed


class Simulator:
    """`kling-mcp simulate` in a process, with a state folder for the servers that use it."""

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory()
        command = [*SERVER, "simulate", "--port", "0", "--control"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found.group()
                return self
        raise AssertionError("the simulator did not start")

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.folder.cleanup()

    def picture_digests(self) -> list[list[str]]:
        """What arrived with each creation, as SHA-256."""
        with urllib.request.urlopen(f"{self.url}/_simulator/requests") as reply:
            requests = json.load(reply)
        records = requests["requests"] if isinstance(requests, dict) else requests
        return [list(record["picture_sha256"]) for record in records if record["route"] == "create"]


Runner = Callable[[str, Simulator, list[Path]], None]


def clients(node: Path | None, fastmcp: Path | None) -> dict[str, Runner]:
    """The clients that are installed; the others are named with the reason."""
    found: dict[str, Runner] = {}
    if node is None:
        print("skip  TypeScript clients and Inspector: no --node folder was given")
    else:
        for script in ("client_v1.mjs", "client_v2.mjs"):
            # Modules are looked up from the script's own place, so it runs from beside node_modules.
            copy = node / script
            copy.write_bytes((HERE / script).read_bytes())
            found[script.removesuffix(".mjs")] = by_script(["node", str(copy)])
        found["inspector --cli"] = by_inspector(node)
    if fastmcp is None:
        print("skip  fastmcp: no --fastmcp interpreter was given")
    else:
        found["fastmcp"] = by_script([str(fastmcp), str(HERE / "client_fastmcp.py")])
    return found


def environment(simulator: Simulator, photos: list[Path]) -> dict[str, str]:
    """What a user would put into the client's configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {
        **kept,
        "KLING_API_KEY": KEY,
        "KLING_BASE_URL": simulator.url,
        "KLING_MCP_STATE_DIR": simulator.folder.name,
        "KLING_MCP_MEDIA_DIRS": os.pathsep.join({str(photo.parent.resolve()) for photo in photos}),
    }


def wish(name: str, photos: list[Path]) -> dict[str, Any]:
    """The arguments of the creation."""
    return {
        "element_name": name[:20],
        "element_description": f"made by {name}",
        "reference_type": "image_refer",
        "frontal_image": str(photos[0].resolve()),
        "refer_images": [str(photos[1].resolve())],
        "wait_seconds": 40,
    }


def by_script(command: list[str]) -> Runner:
    """A client that is a script of ours: it gets the job as JSON and prints what it was told."""

    def run(name: str, simulator: Simulator, photos: list[Path]) -> None:
        job = {"command": SERVER, "env": environment(simulator, photos), "arguments": wish(name, photos)}
        told = output_of(command, {**os.environ, "JOB": json.dumps(job)})
        assert "create_element_and_wait" in told["tools"], told["tools"]
        check(told["result"], simulator, photos)

    return run


def by_inspector(node: Path) -> Runner:
    """The Inspector's command line, strict about schemas."""

    def run(name: str, simulator: Simulator, photos: list[Path]) -> None:
        base = ["node", str(node / "node_modules/.bin/mcp-inspector"), "--cli", *SERVER]
        told = environment(simulator, photos)
        base += [word for item in told.items() for word in ("-e", "=".join(item))]
        tools = output_of([*base, "--method", "tools/list", "--strict", "--format", "json"], told)
        assert "create_element_and_wait" in [tool["name"] for tool in tools["tools"]]
        call = ["--method", "tools/call", "--tool-name", "create_element_and_wait", "--tool-args-json"]
        result = output_of([*base, *call, json.dumps(wish(name, photos)), "--format", "json"], told)
        check(result, simulator, photos)

    return run


def output_of(command: list[str], env: dict[str, str]) -> dict[str, Any]:
    """The JSON object that a command prints."""
    done = subprocess.run(
        command, check=False, env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-600:]} {done.stdout[-600:]}"
    printed: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return printed.get("result", printed) if "tools" not in printed and "content" not in printed else printed


def check(result: dict[str, Any], simulator: Simulator, photos: list[Path]) -> None:
    """The answer names a ready element, and what arrived is what lies on the disk."""
    assert not result.get("isError"), result
    view = result["structuredContent"]
    assert view["task_status"] == "succeed", view
    assert len(view["element_ids"]) == 1, view
    sent = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    assert sorted(simulator.picture_digests()[-1]) == sorted(sent), "the pictures changed on the way"


if __name__ == "__main__":
    sys.exit(main())
