"""Starts a server as a client does, and fails unless it lists its tools. Any Python runs it; nothing is installed.

    python tests/release/answers.py [--version V] [--seconds 300] COMMAND [ARGUMENT ...]

The server gets the sandbox and no other setting of this project, so no account is needed. It must answer
`initialize` and `tools/list`, keep stdout for the protocol, and end with 0 when its input does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import IO, Any

# Every version of the server has these.
TOOLS = {"create_element", "find_elements", "wait_for_tasks", "check_setup"}
_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "release", "version": "1"}}


class StartError(Exception):
    """The server does not do what a client needs; the text says what."""


def listed_by(command: Sequence[str], version: str, seconds: float) -> list[str]:
    """The names of the tools of the server that this command starts.

    Raises:
        StartError: it does not answer as it should, states another version, or does not end in order.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryFile() as complaints:
        environ = {**kept, "KLING_MCP_SANDBOX": "1", "KLING_MCP_STATE_DIR": state}
        process = subprocess.Popen(
            [shutil.which(command[0]) or command[0], *command[1:]],  # on Windows a name needs its ending
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environ,
        )
        alarm = threading.Timer(seconds, process.kill)
        alarm.start()
        try:
            return _talk(process, version)
        except StartError as error:
            complaints.seek(0)
            said = complaints.read().decode("utf-8", "replace").strip()
            raise StartError(f"{error}\nstderr:\n{said}") from None
        finally:
            alarm.cancel()
            process.kill()
            process.wait()


def _talk(process: subprocess.Popen[bytes], version: str) -> list[str]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise StartError("has no pipes")
    _send(stdin, {"id": 1, "method": "initialize", "params": _HELLO})
    stated = _reply(stdout, 1)["serverInfo"]["version"]
    if version and stated != version:
        raise StartError(f"is version {stated}, not {version}")
    _send(stdin, {"method": "notifications/initialized"})
    _send(stdin, {"id": 2, "method": "tools/list"})
    names = [tool["name"] for tool in _reply(stdout, 2)["tools"]]
    if missing := TOOLS - set(names):
        raise StartError(f"has no {', '.join(sorted(missing))}")
    stdin.close()
    if code := process.wait():
        raise StartError(f"ended with {code}")
    return names


def _send(stdin: IO[bytes], message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a program that has ended is known by what it left to read
        stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        stdin.flush()


def _reply(stdout: IO[bytes], number: int) -> dict[str, Any]:
    """The result with this id; notifications are passed over."""
    for line in stdout:
        try:
            message = json.loads(line)
        except ValueError:
            raise StartError(f"wrote to stdout what is no message: {line[:200]!r}") from None
        if message.get("id") == number:
            if "result" not in message:
                raise StartError(f"answered {message.get('error')}")
            result: dict[str, Any] = message["result"]
            return result
    raise StartError("ended without an answer")


def main() -> int:
    """0 if the server answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default="", help="which it must state")
    parser.add_argument("--seconds", type=float, default=300.0, help="until it is given up")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args()
    try:
        names = listed_by(options.command, options.version, options.seconds)
    except (StartError, OSError) as error:
        print(f"{' '.join(options.command)}: {error}", file=sys.stderr)
        return 1
    print(f"{' '.join(options.command)}: {len(names)} tools")
    return 0


if __name__ == "__main__":
    sys.exit(main())
