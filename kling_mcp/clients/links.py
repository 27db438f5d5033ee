"""Links that add this server to a client with a click. tests/connect decodes them and compares with the blocks."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kling_mcp.clients.blocks import (
    ABOUT,
    NAME,
    TITLE,
    entry,
    goose_command,
    goose_entry,
    vscode_entry,
    vscode_inputs,
)
from kling_mcp.clients.server import name_of_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.clients.server import Server
    from kling_mcp.clients.table import Client


def app_link(client: Client, server: Server) -> str:
    """The link that opens the program itself; "" if the client has none, or none that may start this command."""
    if client.link is None:
        return ""
    if client.link.form == "vscode":
        return f"{client.link.app}?{_quoted(_json({'name': NAME, **_asking(server), **vscode_entry(server)}))}"
    return _with_fields(client.link.app, _fields(client.link.form, server))


def web_link(client: Client, server: Server) -> str:
    """The same through a page of the vendor, for places that show only https links."""
    if client.link is None:
        return ""
    if client.link.form == "vscode":
        asking = {name: _json(value) for name, value in _asking(server).items()}
        return _with_fields(client.link.web, [("name", NAME), *asking.items(), ("config", _json(vscode_entry(server)))])
    return _with_fields(client.link.web, _fields(client.link.form, server))


def _fields(form: str, server: Server) -> list[tuple[str, str]]:
    if form == "goose":
        return _goose_fields(server)
    config = _json(entry(server))
    return [("name", NAME), ("config", base64.b64encode(config.encode()).decode() if form == "base64" else config)]


def _goose_fields(server: Server) -> list[tuple[str, str]]:
    """A link names the variables, and Goose asks for all their values."""
    command = goose_command(server)
    if not command:
        return []
    about = [("id", NAME), ("name", TITLE), ("description", ABOUT), ("timeout", str(goose_entry(server)["timeout"]))]
    asks = [("env", f"{name}={_hint(name, server)}") for name in server.env]
    return [("cmd", command), *(("arg", word) for word in server.args), *about, *asks]


def _hint(name: str, server: Server) -> str:
    """What Goose shows beside the field of a variable."""
    return name_of_secret(name) if name in server.secrets else server.env[name]


def _asking(server: Server) -> dict[str, Any]:
    inputs = vscode_inputs(server)
    return {"inputs": inputs} if inputs else {}


def _with_fields(address: str, fields: Iterable[tuple[str, str]]) -> str:
    query = urlencode([*fields], quote_via=quote, safe="")
    return f"{address}{'&' if '?' in address else '?'}{query}" if query else ""


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


def _quoted(text: str) -> str:
    return quote(text, safe="")
