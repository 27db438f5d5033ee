"""How clients read what they are given: each form with its own parser, to the server that they would start."""

from __future__ import annotations

import base64
import json
import shlex
import tomllib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import yaml

from kling_mcp.clients.table import Client


@dataclass(frozen=True)
class Read:
    """A server as a client has read it; `asks` are the ids of the values that it asks for."""

    name: str
    command: str
    args: list[str]
    env: dict[str, str]
    asks: tuple[str, ...] = ()


def read_block(client: Client, text: str) -> Read:
    """A block, from the place where this client looks."""
    if client.form == "codex":
        found = tomllib.loads(text)["mcp_servers"]
    elif client.form == "goose":
        found = yaml.safe_load(text)["extensions"]
    else:
        found = json.loads(text)[{"vscode": "servers", "zed": "context_servers"}.get(client.form, "mcpServers")]
    [(name, server)] = found.items()
    inputs = json.loads(text).get("inputs", []) if client.form == "vscode" else []
    return _read(name, server, inputs)


def read_link(client: Client, link: str) -> Read:
    """A link, as the program that opens it."""
    url = urlsplit(link)
    if client.form == "vscode" and not url.scheme.startswith("http"):
        asked = json.loads(unquote(url.query))
        return _read(asked["name"], asked, asked.get("inputs", []))
    fields = {name: values[0] for name, values in parse_qs(url.query, strict_parsing=True).items()}
    if client.form == "goose":
        return _read_goose(link)
    config = fields["config"]
    if client.link is not None and client.link.form == "base64":
        config = base64.b64decode(config, validate=True).decode()
    return _read(fields["name"], json.loads(config), json.loads(fields.get("inputs", "[]")))


def _read_goose(link: str) -> Read:
    """As the program does: only the names of variables count, and each of them is asked for."""
    pairs = parse_qsl(urlsplit(link).query, strict_parsing=True)
    one = dict(pairs)
    names = [value.partition("=")[0] for name, value in pairs if name == "env"]
    args = [value for name, value in pairs if name == "arg"]
    return Read(one["id"], one["cmd"], args, dict.fromkeys(names, ""), tuple(names))


def read_command(line: str) -> Read:
    """A command line as a shell splits it, and the client behind it."""
    words = shlex.split(line)
    if "--add-mcp" in words:
        asked = json.loads(words[-1])
        return _read(asked["name"], asked, asked["inputs"])
    env: list[str] = []
    rest: list[str] = []
    left = iter(words[3:])
    for word in left:
        if word in {"--env", "-e"}:
            env.append(next(left))
        elif word in {"--scope", "--transport", "--timeout"}:
            next(left)
        elif word == "--":
            rest += left
        else:
            rest.append(word)
    name, command, *args = rest
    return Read(name, command, args, dict(one.split("=", 1) for one in env))


def _read(name: str, server: dict[str, Any], inputs: list[dict[str, Any]]) -> Read:
    return Read(
        name,
        server.get("command") or server["cmd"],
        server["args"],
        server.get("env", server.get("envs", {})),
        tuple(one["id"] for one in inputs),
    )
