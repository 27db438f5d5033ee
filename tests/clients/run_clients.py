"""Lets MCP clients and checks that nobody here wrote use this server, with real photographs.

    python tests/clients/run_clients.py --node DIR --fastmcp PYTHON PHOTO PHOTO

Each client lists the tools, makes an element of its own and waits for it; the bytes that arrived at the simulator
must be the bytes of the files. MCPJam's checks judge the server over http and its page. `run.sh` beside this file
installs them first. What is not installed is left out with a reason.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import mimetypes
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stand import SERVER, Stand, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
OLDER, NEWEST = "2025-11-25", "2026-07-28"
AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Job:
    """One client's visit: its name is that of its element, its key that of its account."""

    name: str
    key: str
    stand: Stand
    photos: list[Path]

    def wish(self, *, by_path: bool) -> dict[str, Any]:
        """The arguments of the creation. A server elsewhere cannot read the caller's disk, so it gets the bytes."""
        front, side = (str(photo.resolve()) if by_path else as_data(photo) for photo in self.photos)
        return {
            "element_name": self.name[:20],
            "element_description": f"made by {self.name}",
            "reference_type": "image_refer",
            "frontal_image": front,
            "refer_images": [side],
            "wait_seconds": 40,
        }

    def check(self, result: dict[str, Any]) -> None:
        """The answer names a ready element, and what arrived, once, is what lies on the disk."""
        assert not result.get("isError"), result
        view = result["structuredContent"]
        assert view["task_status"] == "succeed", view
        assert len(view["element_ids"]) == 1, view
        sent = sorted(hashlib.sha256(photo.read_bytes()).hexdigest() for photo in self.photos)
        assert self.stand.pictures_of(self.key) == [sent], "the pictures changed on the way, or went twice"


def main() -> int:
    """Run everything that is there; the number of failures is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--node", type=Path, help="a folder whose node_modules holds what package.json names; none leaves them out"
    )
    parser.add_argument("--fastmcp", type=Path, help="a Python that has fastmcp; none leaves it out")
    parser.add_argument("photos", type=Path, nargs=2)
    options = parser.parse_args()
    with opened() as stand, ThreadPoolExecutor(AT_ONCE) as pool:
        visits = [
            pool.submit(visit, client, Job(name, f"key-of-visitor-{number}", stand, options.photos))
            for number, (name, client) in enumerate(clients(options.node, options.fastmcp))
        ]
        failed = sum(not one.result() for one in visits)
    print(f"foreign clients: {len(visits) - failed} passed, {failed} failed")
    return failed


def visit(client: Callable[[Job], str], job: Job) -> bool:
    """Let one client in, and print how it went."""
    began = time.monotonic()
    try:
        seen = client(job)
    except (AssertionError, subprocess.SubprocessError, ValueError, KeyError) as error:
        print(f"FAIL  {job.name}: {error!r}", flush=True)
        return False
    print(f"ok    {job.name}: {seen} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


def clients(node: Path | None, fastmcp: Path | None) -> Iterator[tuple[str, Callable[[Job], str]]]:
    """What is installed."""
    if node is not None:
        yield from by_node(node)
    if fastmcp is not None:
        command = [str(fastmcp), str(HERE / "client_fastmcp.py")]
        yield "fastmcp, stdio", partial(by_script, command, NEWEST, over_http=False)
        yield "fastmcp, http", partial(by_script, command, NEWEST, over_http=True)


def by_node(node: Path) -> Iterator[tuple[str, Callable[[Job], str]]]:
    """The clients and checks that run on Node."""
    scripts = {"@modelcontextprotocol/sdk": ("client_v1", OLDER), "@modelcontextprotocol/client": ("client_v2", NEWEST)}
    for package, (script, revision) in scripts.items():
        if is_there(node, package):
            command = ["node", f"{node}/{script}.mjs"]
            yield f"{script}, stdio", partial(by_script, command, revision, over_http=False)
            yield f"{script}, http", partial(by_script, command, revision, over_http=True)
    if is_there(node, "mcp-remote") and is_there(node, "@modelcontextprotocol/sdk", say=False):
        for era in ("legacy", "auto"):
            yield f"mcp-remote, {era}", partial(through_proxy, node, era)
    if is_there(node, "@modelcontextprotocol/inspector"):
        for era in ("legacy", "modern"):
            yield f"inspector, {era}", partial(by_inspector, node, era)
        yield "inspector, http", partial(by_inspector_over_http, node)
    if is_there(node, "@mcpjam/sdk"):
        yield "mcpjam", partial(by_mcpjam, node)


def is_there(node: Path, package: str, *, say: bool = True) -> bool:
    """Whether a package is installed; says why it is left out."""
    there = (node / "node_modules" / package / "package.json").exists()
    if not there and say:
        left_out(package, "npm did not install it here")
    return there


def left_out(name: str, reason: str) -> None:
    print(f"left out: {name}: {reason}", flush=True)


# --- the visits


def by_script(command: list[str], revision: str, job: Job, *, over_http: bool) -> str:
    """A client that is a script of ours: it gets the job as a file and prints what it was told."""
    if over_http:
        way = {"url": job.stand.http, "headers": job.stand.headers(job.key)}
    else:
        way = {"url": "", "command": SERVER, "env": job.stand.environ(job.key, *folders_of(job.photos))}
    return play(command, revision, job, {**way, "arguments": job.wish(by_path=not over_http)})


def through_proxy(node: Path, era: str, job: Job) -> str:
    """mcp-remote in front of http, for a client that knows stdio alone; token and key in headers.

    Both stand in its environment, as its manual advises: arguments are shown to everybody on the machine.
    """
    headers = job.stand.headers(job.key)
    names = {f"HEADER_{number}": name for number, name in enumerate(headers)}
    words = [word for variable, name in names.items() for word in ("--header", f"{name}:${{{variable}}}")]
    way = {
        "url": "",
        "command": ["node", f"{node}/node_modules/.bin/mcp-remote", job.stand.http, "--protocol", era, *words],
        "env": {
            "PATH": os.environ["PATH"],
            "MCP_REMOTE_CONFIG_DIR": str(job.stand.folder / job.key),
            **{variable: headers[name] for variable, name in names.items()},
        },
        "arguments": job.wish(by_path=False),
    }
    return play(["node", f"{node}/client_v1.mjs"], OLDER, job, way)


def play(command: list[str], revision: str, job: Job, task: dict[str, Any]) -> str:
    """Hand a script its task, and check what it was told."""
    told = output_of(with_job(command, job, task))
    assert told["revision"] == revision, told["revision"]
    assert "create_element_and_wait" in told["tools"], told["tools"]
    job.check(told["result"])
    return f"{told['revision']}, {len(told['tools'])} tools listed, element made, picture bytes arrived unchanged"


def by_inspector(node: Path, era: str, job: Job) -> str:
    """The Inspector's command line over stdio, strict about schemas."""
    env = job.stand.environ(job.key, *folders_of(job.photos))
    words = [*SERVER, "--protocol-era", era, *[word for item in env.items() for word in ("-e", "=".join(item))]]
    seen = strict_list(node, words)
    call = ["--method", "tools/call", "--tool-name", "create_element_and_wait", "--tool-args-json"]
    job.check(output_of(inspector(node, *words, *call, json.dumps(job.wish(by_path=True)), "--format", "json")))
    return f"{seen}, element made, picture bytes arrived unchanged"


def by_inspector_over_http(node: Path, job: Job) -> str:
    """The same list over http. No creation: the bytes of two pictures do not fit into an argument of a command."""
    headers = job.stand.headers(job.key).items()
    words = [job.stand.http, "--transport", "http"]
    words += [word for name, value in headers for word in ("--header", f"{name}: {value}")]
    seen = strict_list(node, words)
    setup = output_of(
        inspector(node, *words, "--method", "tools/call", "--tool-name", "check_setup", "--format", "json")
    )
    assert setup["structuredContent"]["ok"], setup
    return f"{seen}, check_setup says that everything is right"


def strict_list(node: Path, words: list[str]) -> str:
    tools = output_of(inspector(node, *words, "--method", "tools/list", "--strict", "--format", "json"))["tools"]
    assert "create_element_and_wait" in [tool["name"] for tool in tools]
    return f"--strict passes {len(tools)} tools (exit 0)"


def inspector(node: Path, *words: str) -> list[str]:
    return ["node", f"{node}/node_modules/.bin/mcp-inspector", "--cli", *words]


def by_mcpjam(node: Path, job: Job) -> str:
    """MCPJam's own checks, in its own words."""
    task = {"url": job.stand.http, "headers": job.stand.headers(job.key)}
    summary: str = output_of(with_job(["node", f"{node}/mcpjam.mjs"], job, task))["summary"]
    return summary


# --- running them


def with_job(command: list[str], job: Job, task: dict[str, Any]) -> list[str]:
    """The command with its task in a file: pictures are longer than an environment variable may be."""
    path = job.stand.folder / f"{job.key}.json"
    path.write_text(json.dumps(task), "utf-8")
    return ["env", f"JOB={path}", "DO_NOT_TRACK=1", *command]


def output_of(command: list[str]) -> dict[str, Any]:
    """The JSON object that a command prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    said = without_secrets(f"{done.stderr[-600:]} {done.stdout[-600:]}")
    assert done.returncode == 0, f"exit {done.returncode}: {said}"
    printed: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return printed["result"] if "result" in printed and "tools" not in printed else printed


def without_secrets(text: str) -> str:
    """The token is made for one run, and yet is nothing for a log."""
    return re.sub(r"\b[0-9a-f]{64}\b", "[token]", text)


def as_data(photo: Path) -> str:
    kind = mimetypes.guess_type(photo.name)[0]
    return f"data:{kind};base64,{base64.b64encode(photo.read_bytes()).decode()}"


def folders_of(photos: list[Path]) -> set[Path]:
    return {photo.resolve().parent for photo in photos}


if __name__ == "__main__":
    sys.exit(main())
