"""What a person adds to the file of a client, and the command that adds it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from kling_mcp.clients.server import name_of_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mcp.clients.server import Server
    from kling_mcp.clients.table import Client, Form

NAME = "kling"
TITLE = "Kling Elements"
ABOUT = "Kling AI elements, videos and pictures"
LANGUAGES: dict[Form, str] = {"codex": "toml", "goose": "yaml"}  # of a block; the others are JSON
# A tool waits up to 600 seconds if it is asked to; some clients give up after 30 or 60.
_WAIT_SECONDS, _START_SECONDS = 660, 60
# Goose starts only commands without a path from a link, and looks for them beyond PATH.
_GOOSE_COMMANDS = {"uvx", "uvx.exe"}
_COLUMNS = 80
# Characters that JSON may hold as they are, but not TOML or YAML.
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Data = dict[str, Any]


def entry(server: Server) -> Data:
    """The server as most clients list it."""
    return {"command": server.command, "args": [*server.args], "env": dict(server.env)}


def vscode_inputs(server: Server) -> list[Data]:
    """The secrets for which VS Code asks once, and which it keeps out of the file."""
    return [
        {
            "type": "promptString",
            "id": _input_id(name),
            "description": f"Kling {name_of_secret(name)}",
            "password": True,
        }
        for name in server.secrets
    ]


def vscode_entry(server: Server) -> Data:
    """The server for VS Code, with references to what it asks for."""
    asked = {name: f"${{input:{_input_id(name)}}}" for name in server.secrets}
    return {"type": "stdio", **entry(server), "env": {**server.env, **asked}}


def _input_id(variable: str) -> str:
    return variable.lower().replace("_", "-")


def goose_entry(server: Server) -> Data:
    """The server as Goose lists it."""
    return {
        "enabled": True,
        "type": "stdio",
        "name": TITLE,
        "description": ABOUT,
        "cmd": goose_command(server) or server.command,
        "args": [*server.args],
        "envs": dict(server.env),
        "timeout": _WAIT_SECONDS,
    }


def goose_command(server: Server) -> str:
    """The command as Goose's links may name it, or "" for one that they may not."""
    last = server.command.replace("\\", "/").rpartition("/")[2]
    return last.removesuffix(".exe") if last in _GOOSE_COMMANDS else ""


def block(client: Client, server: Server) -> str:
    """The text to add to the client's file; `LANGUAGES` names its language."""
    return _BLOCKS[client.form](server)


def _json(data: Data) -> str:
    return _folded(data, "")


def _folded(value: object, margin: str) -> str:
    """JSON in which only what is too long for one line takes several."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or (margin and len(margin) + len(line) <= _COLUMNS):
        return line
    inner = f"{margin}  "
    pairs = [(f"{json.dumps(name)}: ", one) for name, one in value.items()] if isinstance(value, dict) else []
    parts = pairs or [("", one) for one in value]
    ends = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(f"{inner}{name}{_folded(one, inner)}" for name, one in parts)
    return f"{ends[0]}\n{lines}\n{margin}{ends[1]}"


def _vscode(server: Server) -> str:
    inputs = vscode_inputs(server)
    return _json({**({"inputs": inputs} if inputs else {}), "servers": {NAME: vscode_entry(server)}})


def _copilot(server: Server) -> str:
    more = {"tools": ["*"], "timeout": _WAIT_SECONDS * 1000}
    return _json({"mcpServers": {NAME: {"type": "local", **entry(server), **more}}})


def _codex(server: Server) -> str:
    lines = [
        f"[mcp_servers.{NAME}]",
        f"command = {_written(server.command)}",
        f"args = [{', '.join(map(_written, server.args))}]",
        f"startup_timeout_sec = {_START_SECONDS}",
        f"tool_timeout_sec = {_WAIT_SECONDS}",
    ]
    if server.env:
        lines += ["", f"[mcp_servers.{NAME}.env]", *(f"{name} = {_written(text)}" for name, text in server.env.items())]
    return "\n".join(lines)


def _goose(server: Server) -> str:
    """YAML, whose values may be written as in JSON."""
    fields = [f"    {name}: {_written(value)}" for name, value in goose_entry(server).items()]
    return "\n".join(["extensions:", f"  {NAME}:", *fields])


def _written(value: object) -> str:
    """A value as JSON, TOML and YAML all read it."""
    return _ODD.sub(lambda odd: f"\\u{ord(odd[0]):04x}", json.dumps(value, ensure_ascii=False))


_BLOCKS: dict[Form, Callable[[Server], str]] = {
    "mcp_servers": lambda server: _json({"mcpServers": {NAME: entry(server)}}),
    "vscode": _vscode,
    "copilot": _copilot,
    "zed": lambda server: _json({"context_servers": {NAME: entry(server)}}),
    "codex": _codex,
    "goose": _goose,
}


# --- commands


def command_line(client: Client, server: Server, *, for_windows: bool = False) -> str:
    """The command that adds the server, to paste into a shell; "" if the client has none."""
    if not client.adder:
        return ""
    words = _command(client.adder, server)
    return subprocess.list2cmdline(words) if for_windows else shlex.join(words)


def _command(adder: str, server: Server) -> list[str]:
    env = [f"{name}={value}" for name, value in server.env.items()]
    runs = [server.command, *server.args]
    match adder:
        case "claude":  # options stand before the name, or --env would take it for a variable
            return [
                "claude",
                "mcp",
                "add",
                *_each("--env", env),
                "--scope",
                "user",
                "--transport",
                "stdio",
                NAME,
                "--",
                *runs,
            ]
        case "codex":
            return ["codex", "mcp", "add", NAME, *_each("--env", env), "--", *runs]
        case "copilot":
            wait = ["--timeout", str(_WAIT_SECONDS * 1000)]
            return ["copilot", "mcp", "add", *_each("--env", env), *wait, NAME, "--", *runs]
        case "gemini":  # arguments with a dash stand behind --
            dashed = ["--"] if any(word.startswith("-") for word in server.args) else []
            return [
                "gemini",
                "mcp",
                "add",
                "--scope",
                "user",
                *_each("-e", env),
                NAME,
                server.command,
                *dashed,
                *server.args,
            ]
        case _:
            asked = {"name": NAME, **vscode_entry(server), "inputs": vscode_inputs(server)}
            return [adder, "--add-mcp", json.dumps(asked, separators=(",", ":"), ensure_ascii=False)]


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
